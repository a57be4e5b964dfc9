"""Session policies."""
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": sts.get_caller_identity()["Arn"]}))
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("iam:*", "*"))
def limited(**limits):
    answer = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s1", **limits)
    keys = answer["Credentials"]
    return answer, boto3.client("iam", config=config, aws_access_key_id=keys["AccessKeyId"],
                                aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
answer, free = limited()
assert "PackedPolicySize" not in answer
free.list_roles()
answer, mine = limited(Policy=policy("iam:GetRole", "*"))
assert answer["PackedPolicySize"] > 0
mine.get_role(RoleName="r")
assert "because no session policy allows the iam:ListRoles action" in refused("AccessDenied", mine.list_roles)
free.list_roles()
# A session policy can't allow more than the role's policies.
_, more = limited(Policy=policy("*", "*"))
refused("AccessDenied", sts.assume_role, RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="s1")
more.list_roles()
arn = iam.create_policy(PolicyName="m", PolicyDocument=policy("iam:List*", "*"))["Policy"]["Arn"]
_, both = limited(PolicyArns=[{"arn": arn}], Policy=policy("iam:GetRole", "*"))
both.list_roles()
both.get_role(RoleName="r")
refused("AccessDenied", both.get_user, UserName="opsml")
iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("iam:List*", "*", "Deny"), SetAsDefault=True)
assert "with an explicit deny in a session policy" in refused("AccessDenied", both.list_roles)
refused("MalformedPolicyDocument", limited, Policy='{"Version": "2012-10-17"}')
refused("PackedPolicyTooLarge", limited, Policy=policy("s3:GetObject", ["arn:aws:s3:::" + "x" * 100] * 18))
