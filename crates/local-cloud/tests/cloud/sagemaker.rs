//! SageMaker through boto3, with a worker that is a script.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{code}", include_str!("sagemaker.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

#[test]
fn from_bucket_to_prediction() {
    let server = Server::start();
    run(
        &server,
        r#"
import io, tarfile
role = setup()
arn = job("job-1", role, Tags=[{"Key": "opsml:step", "Value": "train"}],
          CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})["TrainingJobArn"]
assert arn.endswith(":training-job/job-1"), arn
told = ended("job-1")
assert told["TrainingJobStatus"] == "Completed", told
assert [t["Status"] for t in told["SecondaryStatusTransitions"]] == [
    "Starting", "Downloading", "Training", "Uploading", "Completed"]
assert told["FinalMetricDataList"][0]["Value"] == 0.875
assert told["BillableTimeInSeconds"] >= 1 and told["TrainingEndTime"] > told["TrainingStartTime"]
lines = log("/aws/sagemaker/TrainingJobs", "job-1/algo-1-")
assert 'files ["train/a/1.png", "train/b/2.png", "valid/a/3.png"]' in lines, lines
assert "canary None True" in lines, lines
assert s3.get_object(Bucket="data-bucket", Key="checkpoints/epoch")["Body"].read() == b"1"
output = s3.get_object(Bucket="data-bucket", Key="out/job-1/output/output.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(output)).getnames() == ["metrics.jsonl"]
assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "opsml:step", "Value": "train"}]
refused("ResourceInUse", job, name="job-1", role=role)

# Resumed from the checkpoint that the first one left.
job("job-2", role, CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})
assert ended("job-2")["TrainingJobStatus"] == "Completed"
assert any("resumed=True" in line for line in log("/aws/sagemaker/TrainingJobs", "job-2/"))
names = [j["TrainingJobName"] for j in sagemaker.list_training_jobs()["TrainingJobSummaries"]]
assert names == ["job-2", "job-1"], names
page = sagemaker.list_training_jobs(MaxResults=1, SortOrder="Ascending")
assert page["TrainingJobSummaries"][0]["TrainingJobName"] == "job-1" and page["NextToken"]

model = told["ModelArtifacts"]["S3ModelArtifacts"]
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
    told = sagemaker.describe_endpoint(EndpointName=name)
    assert told["EndpointStatus"] != "Failed", told
    return told if told["EndpointStatus"] == "InService" else None
assert until(in_service)["ProductionVariants"][0]["CurrentInstanceCount"] == 2

def invoke(body=b"image", **more):
    answer = runtime.invoke_endpoint(EndpointName="endpoint-1", ContentType="image/png", Body=body, **more)
    return answer, json.loads(answer["Body"].read())
answer, told = invoke(Accept="application/json")
assert answer["InvokedProductionVariant"] == "AllTraffic" and answer["ContentType"] == "application/json"
assert (told["type"], told["accept"], told["bytes"], told["model"]) == ("image/png", "application/json", 5, "weights")
error = None
try:
    invoke(b"bad")
except ClientError as failed:
    error = failed.response
assert error["Error"]["Code"] == "ModelError" and error["OriginalStatusCode"] == 415, error
assert error["OriginalMessage"] == "not an image", error
refused("ValidationError", runtime.invoke_endpoint, EndpointName="nobody", Body=b"x")

# A crash is answered as AWS does, and the instance comes back.
before = {invoke()[1]["pid"] for _ in range(2)}
refused("ModelError", invoke, body=b"die")
def pid():
    # A request may still meet the instance while it dies.
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

# Blue and green: the new fleet replaces the old one, which leaves nothing.
sagemaker.create_endpoint_config(EndpointConfigName="config-2", ProductionVariants=[dict(variant, InitialInstanceCount=1)])
sagemaker.update_endpoint(EndpointName="endpoint-1", EndpointConfigName="config-2")
invoke()
until(lambda: in_service() and in_service()["EndpointConfigName"] == "config-2")
assert len({invoke()[1]["pid"] for _ in range(6)}) == 1
"#,
    );
    let server = server.restart();
    run(
        &server,
        r#"
told = runtime.invoke_endpoint(EndpointName="endpoint-1", ContentType="image/png", Body=b"after the restart")
assert json.loads(told["Body"].read())["bytes"] == 17
sagemaker.delete_endpoint(EndpointName="endpoint-1")
until(lambda: not sagemaker.list_endpoints()["Endpoints"])
assert "Could not find endpoint" in refused("ValidationException", sagemaker.describe_endpoint, EndpointName="endpoint-1")
for config_name in ("config-1", "config-2"):
    sagemaker.delete_endpoint_config(EndpointConfigName=config_name)
sagemaker.delete_model(ModelName="Model-1")
assert "Could not find model" in refused("ValidationException", sagemaker.describe_model, ModelName="Model-1")
sagemaker.delete_training_job(TrainingJobName="job-1")
"#,
    );
    assert_eq!(children(&server), "");
}

#[test]
fn jobs_fail_with_their_reason() {
    let server = Server::start();
    run(
        &server,
        r#"
role = setup()
def reason(name, mode, **more):
    job(name, role, mode, **more)
    told = ended(name)
    assert told["TrainingJobStatus"] == "Failed", told
    return told["FailureReason"]
assert reason("fail", "fail") == "AlgorithmError: the images are broken, exit code: 3"
assert "killed by SIGSEGV, exit code: 139" in reason("crash", "crash"), reason
assert "LIBTORCH" in reason("library", "library")
assert "OutOfMemory" in reason("memory", "memory"), "ml.t3.medium has 4 GiB"
image = {"TrainingImage": "my-own", "TrainingInputMode": "File"}
assert "cannot run the image my-own" in reason("image", "ok", AlgorithmSpecification=image)
empty = [{"ChannelName": "training", "DataSource": {"S3DataSource": {
    "S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/nothing"}}}]
assert "No S3 objects found" in reason("empty", "ok", InputDataConfig=empty)
# The failed one's metrics are in S3, its model is not.
assert s3.head_object(Bucket="data-bucket", Key="out/fail/output/output.tar.gz")
refused("404", s3.head_object, Bucket="data-bucket", Key="out/fail/output/model.tar.gz")

job("late", role, "hang", StoppingCondition={"MaxRuntimeInSeconds": 1})
told = ended("late")
assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded"), told
job("stop", role, "hang")
training("stop")
refused("ResourceInUse", sagemaker.delete_training_job, TrainingJobName="stop")
sagemaker.stop_training_job(TrainingJobName="stop")
assert ended("stop")["TrainingJobStatus"] == "Stopped"
job("linger", role, "linger")
assert ended("linger")["TrainingJobStatus"] == "Completed"
"#,
    );
    assert_eq!(children(&server), "");
}

#[test]
fn several_instances_train_together() {
    let server = Server::start();
    run(
        &server,
        r#"
import io, os, tarfile
role = setup()
def cluster(count):
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 5}
def channel(distribution):
    return [{"ChannelName": "training", "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/set", "S3DataDistributionType": distribution}}}]
group = "/aws/sagemaker/TrainingJobs"

job("two", role, ResourceConfig=cluster(2), InputDataConfig=channel("ShardedByS3Key"),
    CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})
told = ended("two")
assert told["TrainingJobStatus"] == "Completed", told
assert told["FinalMetricDataList"][0]["Value"] == 0.875 and told["ResourceConfig"]["InstanceCount"] == 2
assert 1 <= told["BillableTimeInSeconds"] <= 60, "as the clock goes, not times the instances"
logs_of = [log(group, f"two/algo-{n}-") for n in (1, 2)]
threads = max(1, min(2, os.cpu_count() // 2))
for n, lines in enumerate(logs_of, 1):
    assert f"host algo-{n} ['algo-1', 'algo-2'] lo {threads}" in lines, lines
assert "met algo-2" in logs_of[0], logs_of[0]
shards = [json.loads(line[6:]) for lines in logs_of for line in lines if line.startswith("files ")]
assert shards == [["train/a/1.png", "valid/a/3.png"], ["train/b/2.png"]], shards
model = s3.get_object(Bucket="data-bucket", Key="out/two/output/model.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(model)).getnames() == ["algo-1.txt", "algo-2.txt", "model.txt"]
# Each host gets the checkpoint, and without sharding all files.
job("three", role, ResourceConfig=cluster(3), InputDataConfig=channel("FullyReplicated"),
    CheckpointConfig={"S3Uri": "s3://data-bucket/checkpoints"})
assert ended("three")["TrainingJobStatus"] == "Completed"
for n in (1, 2, 3):
    lines = log(group, f"three/algo-{n}-")
    assert 'files ["train/a/1.png", "train/b/2.png", "valid/a/3.png"]' in lines, lines
    assert any("resumed=True" in line for line in lines), lines

def processes(host):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environ = open(f"/proc/{pid}/environ").read().split("\0")
        except OSError:
            continue
        if any(each.startswith("SAGEMAKER_BASE_DIR=") and each.endswith("/killed/" + host) for each in environ):
            found.append(int(pid))
    return found
# One fails by itself, and one is killed from outside; the others don't listen to SIGTERM.
job("failed", role, ResourceConfig=cluster(2), HyperParameters={"mode": "fail", "only": "algo-2"})
job("killed", role, ResourceConfig=cluster(3), HyperParameters={"mode": "stubborn"})
for n in (1, 2, 3):
    until(lambda: "stubborn" in log(group, f"killed/algo-{n}-"))
[pid] = processes("algo-2")
os.kill(pid, 9)
told = ended("killed")
assert told["TrainingJobStatus"] == "Failed" and told["FailureReason"].startswith(
    "AlgorithmError: algo-2: the container was killed by SIGKILL"), told["FailureReason"]
assert told["FailureReason"].endswith("exit code: 137")
assert not processes("algo-1") + processes("algo-3")
assert "SIGTERM" in log(group, "killed/algo-1-") and "SIGTERM" in log(group, "killed/algo-3-")
assert ended("failed")["FailureReason"] == "AlgorithmError: algo-2: the images are broken, exit code: 3"

job("stopped", role, "hang", ResourceConfig=cluster(2))
for n in (1, 2):
    until(lambda: "hanging" in log(group, f"stopped/algo-{n}-"))
sagemaker.stop_training_job(TrainingJobName="stopped")
assert ended("stopped")["TrainingJobStatus"] == "Stopped"

# The quota counts instances.
message = refused("ResourceLimitExceeded", job, name="many", role=role, ResourceConfig=cluster(21))
assert message.startswith(
    "The account-level service limit 'ml.m5.large for training job usage' is 20 Instances, with current utilization of "
    "0 Instances and a request delta of 21 Instances."), message
"#,
    );
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    local_cloud::sagemaker::set_quota(&cloud.store, "ml.t3.medium for training job usage", 2).unwrap();
    run(
        &server,
        r#"
role = iam.get_role(RoleName="trainer")["Role"]["Arn"]
def cluster(count):
    return {"InstanceType": "ml.t3.medium", "InstanceCount": count, "VolumeSizeInGB": 5}
job("first", role, "hang", ResourceConfig=cluster(1))
assert "current utilization of 1 Instances and a request delta of 2" in refused(
    "ResourceLimitExceeded", job, name="second", role=role, ResourceConfig=cluster(2))
sagemaker.stop_training_job(TrainingJobName="first")
ended("first")
job("second", role, ResourceConfig=cluster(2))
assert ended("second")["TrainingJobStatus"] == "Completed"
"#,
    );
    assert_eq!(children(&server), "");
}

#[test]
fn the_role_decides_what_a_job_reads_and_writes() {
    let server = Server::start();
    run(
        &server,
        r#"
role = setup(("s3:GetObject", "s3:PutObject"), "arn:aws:s3:::data-bucket/*")
job("denied", role)
told = ended("denied")
session = "arn:aws:sts::123456789012:assumed-role/trainer/SageMaker"
assert told["FailureReason"] == (
    f"ClientError: Data download failed: User: {session} is not authorized to perform: s3:ListBucket on resource: "
    '"arn:aws:s3:::data-bucket" because no identity-based policy allows the s3:ListBucket action'), told["FailureReason"]
iam.put_role_policy(RoleName="trainer", PolicyName="data", PolicyDocument=policy(["s3:GetObject", "s3:ListBucket"], "*"))
job("no-output", role)
assert "s3:PutObject" in ended("no-output")["FailureReason"]
iam.put_role_policy(RoleName="trainer", PolicyName="data", PolicyDocument=policy("s3:*", "*"))
job("allowed", role)
assert ended("allowed")["TrainingJobStatus"] == "Completed"

stranger = iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]["Arn"]
assert "Could not assume role" in refused("ValidationException", job, name="x", role=stranger)
bad = {"InstanceType": "ml.nothing", "InstanceCount": 1, "VolumeSizeInGB": 5}
assert "enum value set" in refused("ValidationException", job, name="x", role=role, ResourceConfig=bad)
spot = dict(name="x", role=role, EnableManagedSpotTraining=True)
refused("UnknownOperationException", job, **spot)

# Without iam:PassRole, and then without the action itself.
iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("sagemaker:*", "*"))
sagemaker = as_role("limited", "sagemaker")
assert "iam:PassRole" in refused("AccessDeniedException", job, name="x", role=role)
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("s3:*", "*"))
sagemaker = as_role("limited", "sagemaker", "again")
assert "sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:123456789012:training-job/x" in refused(
    "AccessDeniedException", job, name="x", role=role)
"#,
    );
}

#[test]
fn a_job_that_the_cloud_lost_fails() {
    let server = Server::start();
    run(&server, r#"job("lost", setup(), "hang"); training("lost")"#);
    let server = server.restart();
    run(
        &server,
        r#"
told = ended("lost")
assert told["FailureReason"].startswith("InternalServerError: the local cloud was stopped"), told
"#,
    );
    assert_eq!(children(&server), "");
}

/// The processes that still have a folder of this server in their environment.
pub fn children(server: &Server) -> String {
    let dir = server.dir.path().to_str().unwrap();
    let mut found = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environ).contains(&format!("SAGEMAKER_BASE_DIR={dir}")) {
            found +=
                &String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        }
    }
    found
}
