"""From a bucket to a prediction: a training job, a model, and an endpoint that answers while it is updated."""
import io, tarfile
role = setup()
arn = job("job-1", role, Tags=[{"Key": "opsml:step", "Value": "train"}],
          CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})["TrainingJobArn"]
assert arn.endswith(":training-job/job-1"), arn
result = ended("job-1")
assert result["TrainingJobStatus"] == "Completed", result
assert [t["Status"] for t in result["SecondaryStatusTransitions"]] == [
    "Starting", "Downloading", "Training", "Uploading", "Completed"]
assert result["FinalMetricDataList"][0]["Value"] == 0.875
assert result["BillableTimeInSeconds"] >= 1 and result["TrainingEndTime"] > result["TrainingStartTime"]
lines = log("/aws/sagemaker/TrainingJobs", "job-1/algo-1-")
assert 'files ["train/a/1.png", "train/b/2.png", "valid/a/3.png"]' in lines, lines
assert "canary None True" in lines, lines
assert s3.get_object(Bucket="data-bucket", Key="checkpoints/epoch")["Body"].read() == b"1"
output = s3.get_object(Bucket="data-bucket", Key="out/job-1/output/output.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(output)).getnames() == ["metrics.jsonl"]
assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "opsml:step", "Value": "train"}]
refused("ResourceInUse", job, name="job-1", role=role)

# The second job resumes from the checkpoint of the first.
job("job-2", role, CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})
assert ended("job-2")["TrainingJobStatus"] == "Completed"
assert any("resumed=True" in line for line in log("/aws/sagemaker/TrainingJobs", "job-2/"))
names = [j["TrainingJobName"] for j in sagemaker.list_training_jobs()["TrainingJobSummaries"]]
assert names == ["job-2", "job-1"], names
page = sagemaker.list_training_jobs(MaxResults=1, SortOrder="Ascending")
assert page["TrainingJobSummaries"][0]["TrainingJobName"] == "job-1" and page["NextToken"]

model = result["ModelArtifacts"]["S3ModelArtifacts"]
def create_model():
    return sagemaker.create_model(ModelName="Model-1", ExecutionRoleArn=role, PrimaryContainer={
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:latest", "ModelDataUrl": model})
create_model()
assert "Cannot create already existing model" in refused("ValidationException", create_model)
variant = {"VariantName": "AllTraffic", "ModelName": "Model-1", "InitialInstanceCount": 2,
           "InstanceType": "ml.t2.medium"}
sagemaker.create_endpoint_config(EndpointConfigName="config-1", ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName="endpoint-1", EndpointConfigName="config-1")
assert sagemaker.list_endpoints(StatusEquals="Creating")["Endpoints"]
assert "Cannot update in-progress" in refused("ValidationException", sagemaker.delete_endpoint, EndpointName="endpoint-1")
def in_service(name="endpoint-1"):
    result = sagemaker.describe_endpoint(EndpointName=name)
    assert result["EndpointStatus"] != "Failed", result
    return result if result["EndpointStatus"] == "InService" else None
assert until(in_service)["ProductionVariants"][0]["CurrentInstanceCount"] == 2

def invoke(body=b"image", **more):
    answer = runtime.invoke_endpoint(EndpointName="endpoint-1", ContentType="image/png", Body=body, **more)
    return answer, json.loads(answer["Body"].read())
answer, result = invoke(Accept="application/json")
assert answer["InvokedProductionVariant"] == "AllTraffic" and answer["ContentType"] == "application/json"
assert (result["type"], result["accept"], result["bytes"], result["model"]) == ("image/png", "application/json", 5, "weights")
error = None
try:
    invoke(b"bad")
except ClientError as failed:
    error = failed.response
assert error["Error"]["Code"] == "ModelError" and error["OriginalStatusCode"] == 415, error
assert error["OriginalMessage"] == "not an image", error
refused("ValidationError", runtime.invoke_endpoint, EndpointName="nobody", Body=b"x")

# A crash of the container gives AWS's error, and the container is started again.
before = {invoke()[1]["pid"] for _ in range(2)}
refused("ModelError", invoke, body=b"die")
def pid():
    # A request may still reach the container while it ends.
    try:
        return invoke()[1]["pid"]
    except ClientError as failed:
        assert failed.response["Error"]["Code"] in ("ModelError", "ServiceUnavailable"), failed
until(pid)
def restarted():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(4) as pool:
        return len(set(pool.map(lambda _: pid(), range(8))) - {None}) == 2
until(restarted)

# A blue/green update: the new fleet replaces the old one, of which nothing is left.
sagemaker.create_endpoint_config(EndpointConfigName="config-2", ProductionVariants=[dict(variant, InitialInstanceCount=1)])
sagemaker.update_endpoint(EndpointName="endpoint-1", EndpointConfigName="config-2")
invoke()
until(lambda: in_service() and in_service()["EndpointConfigName"] == "config-2")
assert len({invoke()[1]["pid"] for _ in range(6)}) == 1
