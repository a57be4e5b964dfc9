"""Which services were used, and by whom."""
import datetime

trusted = trust({"AWS": "arn:aws:iam::123456789012:root"})
role, idle = (iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"] for name in ("worker", "idle"))
document = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["logs:*", "s3:GetObject", "dynamodb:GetItem"], "Resource": "*"}]})
managed = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
for name in ("worker", "idle"):
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)


def details(arn, **more):
    job = iam.generate_service_last_accessed_details(Arn=arn, **more)["JobId"]
    answer = iam.get_service_last_accessed_details(JobId=job)
    assert answer["JobStatus"] == "COMPLETED" and answer["JobType"] == more.get("Granularity", "SERVICE_LEVEL")
    return {each["ServiceNamespace"]: each for each in answer["ServicesLastAccessed"]}


before = details(role)
assert set(before) == {"logs", "s3", "dynamodb"} and before["s3"]["ServiceName"] == "Amazon S3"
assert not any("LastAuthenticated" in each for each in before.values())
as_role("worker", "logs").describe_log_groups()
# What is denied counts as well.
refused("AccessDenied", as_role("worker", "s3").list_buckets)
after = details(role, Granularity="ACTION_LEVEL")
logs_used = after["logs"]
assert logs_used["LastAuthenticatedEntity"] == role and logs_used["TotalAuthenticatedEntities"] == 1
assert logs_used["LastAuthenticatedRegion"] == "us-east-1"
assert datetime.datetime.now(datetime.timezone.utc) - logs_used["LastAuthenticated"] < datetime.timedelta(minutes=1)
assert [each["ActionName"] for each in logs_used["TrackedActionsLastAccessed"]] == ["DescribeLogGroups"]
assert [each["ActionName"] for each in after["s3"]["TrackedActionsLastAccessed"]] == ["ListAllMyBuckets"]
assert "LastAuthenticated" not in after["dynamodb"] and after["dynamodb"]["TotalAuthenticatedEntities"] == 0
assert "LastAuthenticated" not in details(idle)["logs"]
# Of a policy: by all who have it.
by_policy = details(managed)
assert by_policy["logs"]["LastAuthenticatedEntity"] == role and by_policy["logs"]["TotalAuthenticatedEntities"] == 1
me = sts.get_caller_identity()["Arn"]
assert details(me)["iam"]["LastAuthenticatedEntity"] == me
refused("NoSuchEntity", iam.generate_service_last_accessed_details, Arn=role + "x")
refused("NoSuchEntity", iam.get_service_last_accessed_details, JobId="0" * 36)
