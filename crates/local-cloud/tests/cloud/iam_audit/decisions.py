"""The log of decisions on roles' calls."""
GROUP = "opsml/decisions"
me = sts.get_caller_identity()["Arn"]
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": me}))
refused("ResourceNotFoundException", logs.filter_log_events, logGroupName=GROUP)
arn = "arn:aws:iam::123456789012:role/r"
def reported():
    events = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["r"])["events"]
    return [(each["action"], each["resource"], each["outcome"]) for each in (json.loads(event["message"]) for event in events)]
mine = as_role("r", "iam")
for _ in range(3):
    refused("AccessDenied", mine.get_role, RoleName="r")
once = [("iam:GetRole", arn, "implicitDeny")]
assert reported() == once
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("iam:GetRole", arn))
for _ in range(3):
    mine.get_role(RoleName="r")
refused("AccessDenied", mine.list_roles)
allowed = [("iam:GetRole", arn, "allowed")]
assert reported() == once + allowed + [("iam:ListRoles", "arn:aws:iam::123456789012:role/", "implicitDeny")]
[event] = logs.get_log_events(logGroupName=GROUP, logStreamName="r", limit=1, startFromHead=True)["events"]
assert json.loads(event["message"])["principal"] == "arn:aws:sts::123456789012:assumed-role/r/test"
# A decision is logged again when it changes back, for a new session, and after its log was deleted.
iam.delete_role_policy(RoleName="r", PolicyName="p")
refused("AccessDenied", mine.get_role, RoleName="r")
refused("AccessDenied", as_role("r", "iam").get_role, RoleName="r")
assert reported()[3:] == once * 2
logs.delete_log_group(logGroupName=GROUP)
refused("AccessDenied", mine.get_role, RoleName="r")
assert reported() == once
# The log has no decisions on users.
assert [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]] == ["r"]
