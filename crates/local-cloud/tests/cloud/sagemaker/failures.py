"""Jobs that fail, with their reasons, and jobs that are stopped."""
role = setup()
def reason(name, mode, **more):
    job(name, role, mode, **more)
    result = ended(name)
    assert result["TrainingJobStatus"] == "Failed", result
    return result["FailureReason"]
assert reason("fail", "fail") == "AlgorithmError: the images are broken, exit code: 3"
assert "killed by SIGSEGV, exit code: 139" in reason("crash", "crash"), reason
assert "LIBTORCH" in reason("library", "library")
assert "OutOfMemory" in reason("memory", "memory"), "ml.t3.medium has 4 GiB"
image = {"TrainingImage": "my-own", "TrainingInputMode": "File"}
assert "cannot run the image my-own" in reason("image", "ok", AlgorithmSpecification=image)
empty = [{"ChannelName": "training", "DataSource": {"S3DataSource": {
    "S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/nothing"}}}]
assert "No S3 objects found" in reason("empty", "ok", InputDataConfig=empty)
# The output data of a failed job, with its metrics, is in S3. Its model isn't.
assert s3.head_object(Bucket="data-bucket", Key="out/fail/output/output.tar.gz")
refused("404", s3.head_object, Bucket="data-bucket", Key="out/fail/output/model.tar.gz")

job("late", role, "hang", StoppingCondition={"MaxRuntimeInSeconds": 1})
result = ended("late")
assert (result["TrainingJobStatus"], result["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded"), result
job("stop", role, "hang")
training("stop")
refused("ResourceInUse", sagemaker.delete_training_job, TrainingJobName="stop")
sagemaker.stop_training_job(TrainingJobName="stop")
assert ended("stop")["TrainingJobStatus"] == "Stopped"
job("linger", role, "linger")
assert ended("linger")["TrainingJobStatus"] == "Completed"
