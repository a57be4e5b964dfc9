"""Managed policies and their versions."""
made = iam.create_policy(PolicyName="p", PolicyDocument=policy("s3:*", "*"), Description="d")["Policy"]
arn = made["Arn"]
assert arn == "arn:aws:iam::123456789012:policy/p" and made["DefaultVersionId"] == "v1" and made["IsAttachable"]
refused("EntityAlreadyExists", iam.create_policy, PolicyName="p", Path="/x/", PolicyDocument=policy("s3:*", "*"))
new = iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:Get*", "*"), SetAsDefault=True)["PolicyVersion"]
assert new["VersionId"] == "v2" and new["IsDefaultVersion"]
document = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]
assert document["Statement"]["Action"] == "s3:Get*"
assert [v["VersionId"] for v in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v1", "v2"]
refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
refused("DeleteConflict", iam.delete_policy_version, PolicyArn=arn, VersionId="v2")
iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
refused("NoSuchEntity", iam.get_policy_version, PolicyArn=arn, VersionId="v1")
for _ in range(4):
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:Get*", "*"))
refused("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy("s3:Get*", "*"))
assert [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]] == ["p"]
aws = {p["PolicyName"] for p in iam.list_policies(Scope="AWS")["Policies"]}
assert {"AdministratorAccess", "AmazonSageMakerFullAccess", "AmazonS3ReadOnlyAccess", "AmazonS3FullAccess"} <= aws
admin = "arn:aws:iam::aws:policy/AdministratorAccess"
assert [p["Arn"] for p in iam.list_policies(OnlyAttached=True)["Policies"]] == [admin]
for policy_arn in (p["Arn"] for p in iam.list_policies(Scope="AWS")["Policies"]):
    version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
    assert iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]["Statement"]
refused("AccessDenied", iam.delete_policy, PolicyArn=admin)
for version in ("v3", "v4", "v5", "v6"):
    iam.delete_policy_version(PolicyArn=arn, VersionId=version)
iam.delete_policy(PolicyArn=arn)
refused("NoSuchEntity", iam.get_policy, PolicyArn=arn)
