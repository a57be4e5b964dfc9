"""Users and their access keys, from creation to deletion."""
made = iam.create_user(UserName="ann", Path="/team/", Tags=[{"Key": "a", "Value": "1"}])["User"]
assert made["Arn"] == "arn:aws:iam::123456789012:user/team/ann" and made["UserId"].startswith("AIDA")
refused("EntityAlreadyExists", iam.create_user, UserName="ann")
refused("NoSuchEntity", iam.get_user, UserName="none")
iam.tag_user(UserName="ann", Tags=[{"Key": "b", "Value": "2"}])
iam.untag_user(UserName="ann", TagKeys=["a"])
assert iam.list_user_tags(UserName="ann")["Tags"] == [{"Key": "b", "Value": "2"}]
assert [user["UserName"] for user in iam.list_users()["Users"]] == ["ann", "opsml"]
assert [user["UserName"] for user in iam.list_users(PathPrefix="/team/")["Users"]] == ["ann"]
assert iam.list_mfa_devices(UserName="ann")["MFADevices"] == []
assert iam.list_mfa_devices()["MFADevices"] == []

key = iam.create_access_key(UserName="ann")["AccessKey"]
assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20 and len(key["SecretAccessKey"]) == 40
second = iam.create_access_key(UserName="ann")["AccessKey"]
assert "AccessKeysPerUser: 2" in refused("LimitExceeded", iam.create_access_key, UserName="ann")
listed = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]
assert sorted(each["AccessKeyId"] for each in listed) == sorted([key["AccessKeyId"], second["AccessKeyId"]])
assert all(each["Status"] == "Active" and each["CreateDate"].tzinfo for each in listed)
unused = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
assert unused["UserName"] == "ann" and unused["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}

def as_ann(service):
    return boto3.client(service, config=config, aws_access_key_id=key["AccessKeyId"],
                        aws_secret_access_key=key["SecretAccessKey"])
assert as_ann("sts").get_caller_identity()["Arn"] == made["Arn"]
used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
assert used["ServiceName"] == "sts" and used["Region"] == "us-east-1" and used["LastUsedDate"]
assert "identity-based" in refused("AccessDenied", as_ann("iam").list_roles)
iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=policy(
    "iam:ListRoles", "*", Condition={"StringEquals": {"aws:username": "ann", "aws:PrincipalTag/b": "2"}}))
as_ann("iam").list_roles()

iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
refused("InvalidClientTokenId", as_ann("sts").get_caller_identity)
iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Active")
as_ann("sts").get_caller_identity()
refused("ValidationError", iam.update_access_key, UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Expired")
refused("NoSuchEntity", iam.delete_access_key, AccessKeyId=key["AccessKeyId"])
assert "delete policies" in refused("DeleteConflict", iam.delete_user, UserName="ann")
iam.delete_user_policy(UserName="ann", PolicyName="p")
assert "delete access keys" in refused("DeleteConflict", iam.delete_user, UserName="ann")
for each in (key, second):
    iam.delete_access_key(UserName="ann", AccessKeyId=each["AccessKeyId"])
refused("InvalidClientTokenId", as_ann("sts").get_caller_identity)
refused("NoSuchEntity", iam.get_access_key_last_used, AccessKeyId=key["AccessKeyId"])
iam.delete_user(UserName="ann")
refused("NoSuchEntity", iam.list_access_keys, UserName="ann")
