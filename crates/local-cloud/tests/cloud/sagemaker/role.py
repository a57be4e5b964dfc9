"""The role decides what a job reads and writes; the caller must be allowed to pass it."""
role = setup(("s3:GetObject", "s3:PutObject"), "arn:aws:s3:::data-bucket/*")
job("denied", role)
result = ended("denied")
session = "arn:aws:sts::123456789012:assumed-role/trainer/SageMaker"
assert result["FailureReason"] == (
    f"ClientError: Data download failed: User: {session} is not authorized to perform: s3:ListBucket on resource: "
    '"arn:aws:s3:::data-bucket" because no identity-based policy allows the s3:ListBucket action'), result["FailureReason"]
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
refused("UnknownOperationException", job, name="x", role=role, RetryStrategy={"MaximumRetryAttempts": 2})

# Without iam:PassRole, and then without the action itself.
iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("sagemaker:*", "*"))
sagemaker = as_role("limited", "sagemaker")
assert "iam:PassRole" in refused("AccessDeniedException", job, name="x", role=role)
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("s3:*", "*"))
sagemaker = as_role("limited", "sagemaker", "again")
assert "sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:123456789012:training-job/x" in refused(
    "AccessDeniedException", job, name="x", role=role)
