"""Roles, their policies and their instance profiles, from creation to deletion."""
sagemaker = trust({"Service": "sagemaker.amazonaws.com"})
made = iam.create_role(RoleName="r", Path="/team/", AssumeRolePolicyDocument=sagemaker, Description="d & <e>",
                       Tags=[{"Key": "opsml:stack", "Value": "é"}])["Role"]
assert made["Arn"] == "arn:aws:iam::123456789012:role/team/r" and made["RoleId"].startswith("AROA")
assert made["AssumeRolePolicyDocument"] == json.loads(sagemaker) and made["MaxSessionDuration"] == 3600
got = iam.get_role(RoleName="r")["Role"]
assert got["Description"] == "d & <e>" and got["Tags"] == [{"Key": "opsml:stack", "Value": "é"}]
assert got["CreateDate"].tzinfo is not None and got["RoleLastUsed"] == {}
assert "already exists" in refused("EntityAlreadyExists", iam.create_role, RoleName="r", AssumeRolePolicyDocument=sagemaker)
assert "cannot be found" in refused("NoSuchEntity", iam.get_role, RoleName="none")
refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument="{")
refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument=policy("s3:*", "*"))
gone = trust({"AWS": "arn:aws:iam::123456789012:role/gone"})
assert "Invalid principal" in refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument=gone)
refused("ValidationError", iam.create_role, RoleName="a b", AssumeRolePolicyDocument=sagemaker)
refused("LimitExceeded", iam.create_role, RoleName="x", AssumeRolePolicyDocument=sagemaker + " " * 2048)

iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
iam.untag_role(RoleName="r", TagKeys=["opsml:stack"])
assert [tag["Key"] for tag in iam.list_role_tags(RoleName="r")["Tags"]] == ["a", "b"]
iam.update_role(RoleName="r", MaxSessionDuration=7200)
assert iam.get_role(RoleName="r")["Role"]["MaxSessionDuration"] == 7200
iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))

iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("s3:GetObject", "arn:aws:s3:::b/*"))
inline = iam.get_role_policy(RoleName="r", PolicyName="p")
assert inline["PolicyDocument"]["Statement"]["Action"] == "s3:GetObject" and inline["RoleName"] == "r"
assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["p"]
refused("NoSuchEntity", iam.get_role_policy, RoleName="r", PolicyName="q")
refused("MalformedPolicyDocument", iam.put_role_policy, RoleName="r", PolicyName="q", PolicyDocument=policy("s3", "*"))
refused("LimitExceeded", iam.put_role_policy, RoleName="r", PolicyName="q",
        PolicyDocument=policy("s3:*", ["arn:aws:s3:::" + "x" * 100] * 100))

full = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
for _ in range(2):
    iam.attach_role_policy(RoleName="r", PolicyArn=full)
attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
assert attached == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": full}]
assert iam.get_policy(PolicyArn=full)["Policy"]["AttachmentCount"] == 1
refused("NoSuchEntity", iam.attach_role_policy, RoleName="r", PolicyArn=full + "X")
assert "detach" in refused("DeleteConflict", iam.delete_role, RoleName="r")
iam.detach_role_policy(RoleName="r", PolicyArn=full)
refused("NoSuchEntity", iam.detach_role_policy, RoleName="r", PolicyArn=full)
assert "delete policies" in refused("DeleteConflict", iam.delete_role, RoleName="r")
iam.delete_role_policy(RoleName="r", PolicyName="p")

iam.create_instance_profile(InstanceProfileName="i")
iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
refused("LimitExceeded", iam.add_role_to_instance_profile, InstanceProfileName="i", RoleName="r")
assert iam.get_instance_profile(InstanceProfileName="i")["InstanceProfile"]["Roles"][0]["RoleName"] == "r"
assert len(iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]) == 1
assert "instance profile" in refused("DeleteConflict", iam.delete_role, RoleName="r")
refused("DeleteConflict", iam.delete_instance_profile, InstanceProfileName="i")
iam.remove_role_from_instance_profile(InstanceProfileName="i", RoleName="r")
iam.delete_instance_profile(InstanceProfileName="i")
iam.delete_role(RoleName="r")
refused("NoSuchEntity", iam.delete_role, RoleName="r")

for n in range(5):
    iam.create_role(RoleName=f"n{n}", AssumeRolePolicyDocument=sagemaker)
pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
assert [len(page["Roles"]) for page in pages] == [2, 2, 1]
assert [role["RoleName"] for page in pages for role in page["Roles"]] == [f"n{n}" for n in range(5)]
