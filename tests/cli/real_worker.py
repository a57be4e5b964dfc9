"""The engine's sequence of calls, by boto3. Each function continues where the one before it stopped."""
import io
import json
import tarfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

config = Config(retries={"max_attempts": 0})
iam, logs, s3, sagemaker, runtime = (
    boto3.client(name, config=config) for name in ("iam", "logs", "s3", "sagemaker", "sagemaker-runtime"))
METRICS = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "test_loss", "test_accuracy")


def until(found, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def job(name, **hyperparameters):
    common = {"arch": "resnet18", "image_size": "32", "batch_size": "4", "transform": "resize", "seed": "1"}
    sagemaker.create_training_job(
        TrainingJobName=name, RoleArn=iam.get_role(RoleName="worker")["Role"]["Arn"],
        AlgorithmSpecification={
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:latest", "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": f"(?:^|[ ;]){name}=([0-9.eE+-]+|NaN|inf)"} for name in METRICS]},
        HyperParameters={**common, **hyperparameters},
        InputDataConfig=[{"ChannelName": "training", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://tiny-data/images", "S3DataDistributionType": "FullyReplicated"}}}],
        OutputDataConfig={"S3OutputPath": "s3://tiny-data/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600})


def ended(name):
    def look():
        described = sagemaker.describe_training_job(TrainingJobName=name)
        return described if described["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None
    return until(look)


def log(name):
    events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["events"]
    return [event["message"] for event in events]


def invoke():
    picture = Path("images/test/dark/test-0.png").read_bytes()
    answer = runtime.invoke_endpoint(EndpointName="tiny", ContentType="image/png", Accept="application/json", Body=picture)
    logits = json.loads(answer["Body"].read())
    assert len(logits) == 1 and len(logits[0]) == 2 and all(isinstance(one, float) for one in logits[0]), logits
    return logits


def absent(call, **arguments):
    try:
        call(**arguments)
    except ClientError:
        return
    raise AssertionError(f"still there: {arguments}")


def trains_and_serves():
    s3.create_bucket(Bucket="tiny-data")
    files = [path for path in Path("images").rglob("*") if path.is_file()]
    for path in files:
        s3.upload_file(str(path), "tiny-data", str(path))
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::tiny-data"},
           {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::tiny-data/*"}]
    document = lambda statement: json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="worker", PolicyName="data", PolicyDocument=document(may))

    job("first", epochs="2")
    described = ended("first")
    assert described["TrainingJobStatus"] == "Completed", described
    metrics = {one["MetricName"]: one["Value"] for one in described["FinalMetricDataList"]}
    assert set(metrics) == set(METRICS), metrics
    assert all(0 <= value <= 1 for name, value in metrics.items() if name.endswith("accuracy")), metrics
    assert all(value > 0 for name, value in metrics.items() if name.endswith("loss")), metrics

    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == "s3://tiny-data/models/first/output/model.tar.gz", artifact
    archive = s3.get_object(Bucket="tiny-data", Key="models/first/output/model.tar.gz")["Body"].read()
    archive = tarfile.open(fileobj=io.BytesIO(archive))
    assert {"model.pth", "model.safetensors", "classes.json"} <= set(archive.getnames()), archive.getnames()
    manifest = json.load(archive.extractfile("classes.json"))
    assert manifest["classes"] == ["dark", "light"] and manifest["arch"] == "resnet18", manifest

    lines = log("first")
    epochs = [line for line in lines if "epoch_seconds=" in line]
    assert len(epochs) == 2, lines
    # DescribeTrainingJob returns the last values in the log.
    said = lambda name: [float(line.partition(f"{name}=")[2].partition(";")[0]) for line in lines if f" {name}=" in line][-1]
    assert all(abs(said(name) - value) < 1e-4 for name, value in metrics.items()), (metrics, lines)

    container = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:latest", "ModelDataUrl": artifact}
    sagemaker.create_model(ModelName="tiny", ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "tiny", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="tiny", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="tiny", EndpointConfigName="tiny")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="tiny", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    Path("logits.json").write_text(json.dumps(invoke()))


def starts_a_long_job():
    job("long", epochs="100000")
    until(lambda: any("epoch_seconds=" in line for line in log("long")))


def finds_the_job_failed_and_the_endpoint_in_service():
    described = ended("long")
    assert described["TrainingJobStatus"] == "Failed" and described["SecondaryStatus"] == "Failed", described
    assert "local cloud" in described["FailureReason"], described["FailureReason"]
    # DescribeTrainingJob always returns the URI for a model, though there is no model here.
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == "s3://tiny-data/models/long/output/model.tar.gz"
    absent(s3.head_object, Bucket="tiny-data", Key="models/long/output/model.tar.gz")
    assert any("epoch_seconds=" in line for line in log("long"))
    assert ended("first")["TrainingJobStatus"] == "Completed"
    assert sagemaker.describe_endpoint(EndpointName="tiny")["EndpointStatus"] == "InService"
    # The same model still answers: the picture's logits are the same.
    assert invoke() == json.loads(Path("logits.json").read_text())


def deletes_it_all():
    sagemaker.delete_endpoint(EndpointName="tiny")
    until(lambda: not sagemaker.list_endpoints()["Endpoints"])
    absent(runtime.invoke_endpoint, EndpointName="tiny", ContentType="image/png", Body=b"x")
    sagemaker.delete_endpoint_config(EndpointConfigName="tiny")
    sagemaker.delete_model(ModelName="tiny")
    for name in ("first", "long"):
        sagemaker.delete_training_job(TrainingJobName=name)
        absent(sagemaker.describe_training_job, TrainingJobName=name)
    iam.delete_role_policy(RoleName="worker", PolicyName="data")
    iam.delete_role(RoleName="worker")
    keys = [{"Key": one["Key"]} for one in s3.list_objects_v2(Bucket="tiny-data")["Contents"]]
    s3.delete_objects(Bucket="tiny-data", Delete={"Objects": keys})
    s3.delete_bucket(Bucket="tiny-data")
    assert not s3.list_buckets()["Buckets"] and not iam.list_roles()["Roles"]
