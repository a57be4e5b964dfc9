"""Managed policies and their versions."""
made = iam.create_policy(PolicyName="p", PolicyDocument=policy("s3:*", "*"), Description="d")["Policy"]
arn = made["Arn"]
assert arn == "arn:aws:iam::123456789012:policy/p" and made["DefaultVersionId"] == "v1" and made["IsAttachable"]
assert "Description" not in made and "Tags" not in made and iam.get_policy(PolicyArn=arn)["Policy"]["Description"] == "d"
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

# Tags. Their keys are the same whatever the case of their letters is.
pair = lambda key, value: {"Key": key, "Value": value}
tagged = iam.create_policy(PolicyName="t", PolicyDocument=policy("s3:*", "*"), Tags=[pair("Team", "a")])["Policy"]
assert tagged["Tags"] == [pair("Team", "a")], tagged
refused("InvalidInput", iam.tag_policy, PolicyArn=tagged["Arn"], Tags=[pair("x", "1"), pair("X", "2")])
iam.tag_policy(PolicyArn=tagged["Arn"], Tags=[pair("team", "b"), pair("x", "1")])
assert iam.list_policy_tags(PolicyArn=tagged["Arn"])["Tags"] == [pair("team", "b"), pair("x", "1")]
iam.untag_policy(PolicyArn=tagged["Arn"], TagKeys=["team"])
assert iam.get_policy(PolicyArn=tagged["Arn"])["Policy"]["Tags"] == [pair("x", "1")]
refused("AccessDenied", iam.tag_policy, PolicyArn=admin, Tags=[pair("x", "1")])
iam.create_instance_profile(InstanceProfileName="p")
iam.tag_instance_profile(InstanceProfileName="p", Tags=[pair("x", "1"), pair("y", "2")])
iam.untag_instance_profile(InstanceProfileName="p", TagKeys=["y"])
assert iam.list_instance_profile_tags(InstanceProfileName="p")["Tags"] == [pair("x", "1")]

iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
assert iam.update_role_description(RoleName="r", Description="new")["Role"]["Description"] == "new"
assert iam.get_role(RoleName="r")["Role"]["Description"] == "new"
