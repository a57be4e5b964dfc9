"""The whole account: its summary, the entities of each policy, the authorization details, the credential report."""
import csv, io
summary = iam.get_account_summary()["SummaryMap"]
assert summary["AccountMFAEnabled"] == 0 and summary["AccountAccessKeysPresent"] == 0, summary
assert summary["Users"] == 1 and summary["Roles"] == 0 and summary["RolesQuota"] == 1000

made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": sts.get_caller_identity()["Arn"]}))
assert iam.get_role(RoleName="r")["Role"]["RoleLastUsed"] == {}
as_role("r", "sts").get_caller_identity()
used = iam.get_role(RoleName="r")["Role"]["RoleLastUsed"]
assert used["Region"] == "us-east-1" and used["LastUsedDate"] >= made["Role"]["CreateDate"]
assert "RoleLastUsed" not in iam.list_roles()["Roles"][0]

full = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
own = iam.create_policy(PolicyName="p", PolicyDocument=policy("s3:Get*", "*"))["Policy"]["Arn"]
iam.attach_role_policy(RoleName="r", PolicyArn=full)
iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=policy("s3:*", "*"))
iam.put_user_permissions_boundary(UserName="opsml", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess")
entities = iam.list_entities_for_policy(PolicyArn=full)
assert [role["RoleName"] for role in entities["PolicyRoles"]] == ["r"] and entities["PolicyUsers"] == [], entities
admin = "arn:aws:iam::aws:policy/AdministratorAccess"
assert [user["UserName"] for user in iam.list_entities_for_policy(PolicyArn=admin)["PolicyUsers"]] == ["opsml"]
assert iam.list_entities_for_policy(PolicyArn=admin, EntityFilter="Role")["PolicyUsers"] == []
refused("NoSuchEntity", iam.list_entities_for_policy, PolicyArn=admin + "X")

details = iam.get_account_authorization_details()
[role] = details["RoleDetailList"]
assert role["AttachedManagedPolicies"] == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": full}]
assert role["RolePolicyList"][0]["PolicyDocument"]["Statement"]["Action"] == "s3:*" and role["RoleLastUsed"]["Region"]
[user] = details["UserDetailList"]
assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == admin
assert {policy["PolicyName"] for policy in details["Policies"]} == {"AdministratorAccess", "AmazonSageMakerFullAccess", "p"}
paged = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2}))
assert len(paged) == 3 and sum(len(page["Policies"]) for page in paged) == 3
only = iam.get_account_authorization_details(Filter=["LocalManagedPolicy"])
assert [policy["Arn"] for policy in only["Policies"]] == [own] and only["RoleDetailList"] == []

assert "does not exist" in refused("ReportNotPresent", iam.get_credential_report)
assert iam.generate_credential_report()["State"] == "STARTED"
assert iam.generate_credential_report()["State"] == "COMPLETE"
report = iam.get_credential_report()
rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
assert report["ReportFormat"] == "text/csv" and [row["user"] for row in rows] == ["<root_account>", "opsml"]
assert rows[0]["mfa_active"] == "false" and rows[0]["access_key_1_active"] == "false"
assert rows[1]["access_key_1_active"] == "true" and rows[1]["access_key_1_last_used_service"] == "iam", rows[1]
assert None not in rows[0] and None not in rows[1].values()
