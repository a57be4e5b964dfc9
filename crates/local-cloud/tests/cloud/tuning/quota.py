"""Trials wait while other jobs use up the quota. The last job is still running when the server stops."""
role = iam.get_role(RoleName="trainer")["Role"]["Arn"]
x = numbers("x", "0", "1")
message = refused("ResourceLimitExceeded", tune, name="x", role=role, config=search(jobs=3, parallel=3, Continuous=x))
assert "is 2 Instances" in message and "request delta of 3 Instances" in message, message
# Trials wait while other jobs use up the quota.
resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
job("blocks", role, "hang", ResourceConfig=resources)
job("blocks-too", role, "hang", ResourceConfig=resources)
tune("patient", role, search(jobs=2, parallel=2, Continuous=x))
training("blocks")
assert trials("patient") == [] and tuning("patient")["HyperParameterTuningJobStatus"] == "InProgress"
sagemaker.stop_training_job(TrainingJobName="blocks")
assert tuned("patient")["HyperParameterTuningJobStatus"] == "Completed"
sagemaker.stop_training_job(TrainingJobName="blocks-too")
ended("blocks-too")

tune("lost", role, search(jobs=2, parallel=1, Continuous=x), statics={"mode": "hang"})
until(lambda: trials("lost"))
training(trials("lost")[0]["TrainingJobName"])
