"""Jobs of several instances, which share data and end together."""
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
result = ended("two")
assert result["TrainingJobStatus"] == "Completed", result
assert result["FinalMetricDataList"][0]["Value"] == 0.875 and result["ResourceConfig"]["InstanceCount"] == 2
assert 1 <= result["BillableTimeInSeconds"] <= 60, "as the clock goes, not times the instances"
logs_of = [log(group, f"two/algo-{n}-") for n in (1, 2)]
threads = max(1, min(2, os.cpu_count() // 2))
for n, lines in enumerate(logs_of, 1):
    assert f"host algo-{n} ['algo-1', 'algo-2'] lo {threads}" in lines, lines
assert "met algo-2" in logs_of[0], logs_of[0]
shards = [json.loads(line[6:]) for lines in logs_of for line in lines if line.startswith("files ")]
assert shards == [["train/a/1.png", "valid/a/3.png"], ["train/b/2.png"]], shards
model = s3.get_object(Bucket="data-bucket", Key="out/two/output/model.tar.gz")["Body"].read()
assert tarfile.open(fileobj=io.BytesIO(model)).getnames() == ["algo-1.txt", "algo-2.txt", "model.txt"]
# Each host gets the checkpoint. Without sharding, each gets all files.
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
        if any(each.startswith("OPSML_INSTANCE_DIR=") and each.endswith("/killed/" + host) for each in environ):
            found.append(int(pid))
    return found
# One instance fails, and another time one is killed. The others ignore SIGTERM.
job("failed", role, ResourceConfig=cluster(2), HyperParameters={"mode": "fail", "only": "algo-2"})
job("killed", role, ResourceConfig=cluster(3), HyperParameters={"mode": "stubborn"})
for n in (1, 2, 3):
    until(lambda: "stubborn" in log(group, f"killed/algo-{n}-"))
[pid] = processes("algo-2")
os.kill(pid, 9)
result = ended("killed")
assert result["TrainingJobStatus"] == "Failed" and result["FailureReason"].startswith(
    "AlgorithmError: algo-2: the container was killed by SIGKILL"), result["FailureReason"]
assert result["FailureReason"].endswith("exit code: 137")
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
