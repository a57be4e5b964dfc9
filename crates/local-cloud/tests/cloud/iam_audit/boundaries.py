"""Permissions boundaries."""
me = sts.get_caller_identity()["Arn"]
bound = iam.create_policy(PolicyName="bound", PolicyDocument=policy(["iam:GetRole", "iam:GetUser"], "*"))["Policy"]["Arn"]
made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": me}), PermissionsBoundary=bound)["Role"]
boundary = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": bound}
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("iam:*", "*"))
assert iam.get_role(RoleName="r")["Role"]["PermissionsBoundary"] == boundary
mine = as_role("r", "iam")
mine.get_role(RoleName="r")
assert "because no permissions boundary allows the iam:ListRoles action" in refused("AccessDenied", mine.list_roles)
assert iam.get_policy(PolicyArn=bound)["Policy"]["PermissionsBoundaryUsageCount"] == 1
assert "attached" in refused("DeleteConflict", iam.delete_policy, PolicyArn=bound)
iam.create_policy_version(PolicyArn=bound, PolicyDocument=policy("iam:Get*", "*", "Deny"), SetAsDefault=True)
assert "with an explicit deny in a permissions boundary" in refused("AccessDenied", mine.get_role, RoleName="r")
iam.delete_role_permissions_boundary(RoleName="r")
mine.list_roles()
refused("NoSuchEntity", iam.delete_role_permissions_boundary, RoleName="r")
refused("NoSuchEntity", iam.put_role_permissions_boundary, RoleName="r", PermissionsBoundary=bound + "x")
refused("ValidationError", iam.put_role_permissions_boundary, RoleName="r", PermissionsBoundary="the-boundary-of-mine")
iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess")
mine.list_roles()
