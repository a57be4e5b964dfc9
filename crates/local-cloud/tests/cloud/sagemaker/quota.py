"""A quota of two instances."""
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
