"""After its interruption, the job starts again with its checkpoint. Its limits are AWS's. Warm pools, debuggers, networks."""
role = iam.get_role(RoleName="trainer")["Role"]["Arn"]
result = ended("spot")
assert result["TrainingJobStatus"] == "Completed", result
statuses = [step["Status"] for step in result["SecondaryStatusTransitions"]]
assert statuses == ["Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training", "Uploading",
                    "Completed"], statuses
lines = log("/aws/sagemaker/TrainingJobs", "spot/")
assert any("resumed=False" in line for line in lines) and any("resumed=True" in line for line in lines), lines
assert result["EnableManagedSpotTraining"] is True and result["BillableTimeInSeconds"] <= result["TrainingTimeInSeconds"]

spot = {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 1}}
message = "It must be present and be greater than or equal to MaxRuntimeInSeconds"
assert message in refused("ValidationException", job, name="short", role=role, **spot)
spot["StoppingCondition"] = {"MaxRuntimeInSeconds": 2}
assert message in refused("ValidationException", job, name="none", role=role, **spot)
spot = {"StoppingCondition": {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 3}}
message = "It is only supported when EnableManagedSpotTraining is set to true"
assert message in refused("ValidationException", job, name="other", role=role, **spot)

# A warm pool is taken over by a job that asks for the same, and no other.
def pool(name):
    return sagemaker.describe_training_job(TrainingJobName=name)["WarmPoolStatus"]

kept = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5, "KeepAlivePeriodInSeconds": 600}
job("warm", role, ResourceConfig=kept)
ended("warm")
assert pool("warm")["Status"] == "Available", pool("warm")
job("larger", role, ResourceConfig={**kept, "VolumeSizeInGB": 6})
assert pool("warm")["Status"] == "Available"
job("next", role, ResourceConfig=kept)
assert pool("warm") == {"Status": "Reused", "ReusedByJob": "next",
                        "ResourceRetainedBillableTimeInSeconds": pool("warm")["ResourceRetainedBillableTimeInSeconds"]}
listed = sagemaker.list_training_jobs(NameContains="warm")["TrainingJobSummaries"]
assert listed[0]["WarmPoolStatus"]["Status"] == "Reused"
ended("next"), ended("larger")

# What no container here evaluates is told so. A network must exist.
job("debugged", role, DebugHookConfig={"S3OutputPath": "s3://data-bucket/debug"},
    ProfilerConfig={"S3OutputPath": "s3://data-bucket/profile"},
    DebugRuleConfigurations=[{"RuleConfigurationName": "LossNotDecreasing", "RuleEvaluatorImage": "rules:latest"}])
result = ended("debugged")
assert result["TrainingJobStatus"] == "Completed" and result["ProfilingStatus"] == "Disabled", result
assert result["DebugHookConfig"] == {"S3OutputPath": "s3://data-bucket/debug"}
assert [rule["RuleEvaluationStatus"] for rule in result["DebugRuleEvaluationStatuses"]] == ["Stopped"]
ec2 = boto3.client("ec2", config=config)
subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
network = {"Subnets": [subnet], "SecurityGroupIds": [group]}
job("inside", role, VpcConfig=network)
assert ended("inside")["VpcConfig"] == network
network = {"Subnets": ["subnet-00000000"], "SecurityGroupIds": [group]}
assert "does not exist" in refused("ValidationException", job, name="nowhere", role=role, VpcConfig=network)

# What isn't supported is refused by its name.
for name, more in {
    "RetryStrategy": {"RetryStrategy": {"MaximumRetryAttempts": 2}},
    "RemoteDebugConfig.EnableRemoteDebug": {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
    "KmsKeyId": {"OutputDataConfig": {"S3OutputPath": "s3://data-bucket/out", "KmsKeyId": "alias/mine"}},
    "CompressionType NONE": {"OutputDataConfig": {"S3OutputPath": "s3://data-bucket/out", "CompressionType": "NONE"}},
    "EnableNetworkIsolation with several": {
        "EnableNetworkIsolation": True, "ResourceConfig": {**kept, "InstanceCount": 2, "KeepAlivePeriodInSeconds": 0}},
}.items():
    assert name in refused("UnknownOperationException", job, name="never", role=role, **more), name
