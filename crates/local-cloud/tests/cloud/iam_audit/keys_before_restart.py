"""A user with an active and an inactive key. Prints the keys, for keys_after_restart.py."""
iam.create_user(UserName="ann")
keys = [iam.create_access_key(UserName="ann")["AccessKey"] for _ in range(2)]
iam.update_access_key(UserName="ann", AccessKeyId=keys[1]["AccessKeyId"], Status="Inactive")
print(json.dumps([[key["AccessKeyId"], key["SecretAccessKey"]] for key in keys]))
