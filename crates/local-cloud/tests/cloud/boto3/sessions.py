"""Sessions of roles, and what they may do. Prints the keys of one, for session_after_restart.py."""
me = sts.get_caller_identity()["Arn"]
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": me}))
role = iam.get_role(RoleName="r")["Role"]
who = as_role("r", "sts").get_caller_identity()
assert who["Arn"] == "arn:aws:sts::123456789012:assumed-role/r/test" and who["UserId"] == role["RoleId"] + ":test"

mine = as_role("r", "iam")
message = refused("AccessDenied", mine.get_role, RoleName="r")
assert message == (
    "User: arn:aws:sts::123456789012:assumed-role/r/test is not authorized to perform: iam:GetRole on resource: "
    "arn:aws:iam::123456789012:role/r because no identity-based policy allows the iam:GetRole action"), message
iam.put_role_policy(RoleName="r", PolicyName="allow", PolicyDocument=policy("iam:get*", role["Arn"]))
mine.get_role(RoleName="r")
refused("AccessDenied", mine.get_role, RoleName="other")
iam.put_role_policy(RoleName="r", PolicyName="deny", PolicyDocument=policy("*", "*", "Deny"))
assert "with an explicit deny in an identity-based policy" in refused("AccessDenied", mine.get_role, RoleName="r")
iam.delete_role_policy(RoleName="r", PolicyName="deny")
mine.get_role(RoleName="r")
assert "logs:DescribeLogGroups" in refused("AccessDeniedException", as_role("r", "logs").describe_log_groups)

# The trust policy allows the whole account, so the caller's own policies must allow the action too.
iam.create_role(RoleName="s", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
arn = iam.get_role(RoleName="s")["Role"]["Arn"]
sts.assume_role(RoleArn=arn, RoleSessionName="me")
poor = as_role("r", "sts")
assert "sts:AssumeRole" in refused("AccessDenied", poor.assume_role, RoleArn=arn, RoleSessionName="me")
iam.put_role_policy(RoleName="r", PolicyName="assume", PolicyDocument=policy("sts:AssumeRole", arn))
poor.assume_role(RoleArn=arn, RoleSessionName="me")
refused("AccessDenied", sts.assume_role, RoleArn=arn + "x", RoleSessionName="me")
refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="m m")
refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="me", DurationSeconds=7200)

# A new role of the same name is another role.
late = as_role("s", "iam")
iam.delete_role(RoleName="s")
iam.create_role(RoleName="s", AssumeRolePolicyDocument=trust({"AWS": me}))
iam.put_role_policy(RoleName="s", PolicyName="all", PolicyDocument=policy("*", "*"))
refused("AccessDenied", late.get_role, RoleName="s")

keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="later")["Credentials"]
print(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
