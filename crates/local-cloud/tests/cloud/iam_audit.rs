//! boto3 drives what an audit reads (users, keys, last uses, the account) and IAM's simulator, and reads the log of
//! decisions.

use super::Server;

#[test]
fn users_and_their_keys_live_as_on_aws() {
    Server::start().python(
        r#"
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
"#,
    );
}

#[test]
fn keys_outlive_a_restart_and_stay_out_of_use() {
    let server = Server::start();
    let keys = server.python(
        r#"
iam.create_user(UserName="ann")
keys = [iam.create_access_key(UserName="ann")["AccessKey"] for _ in range(2)]
iam.update_access_key(UserName="ann", AccessKeyId=keys[1]["AccessKeyId"], Status="Inactive")
print(json.dumps([[key["AccessKeyId"], key["SecretAccessKey"]] for key in keys]))
"#,
    );
    server.restart().python(&format!(
        r#"
clients = [boto3.client("sts", config=config, aws_access_key_id=id, aws_secret_access_key=secret) for id, secret in {keys}]
clients[0].get_caller_identity()
refused("InvalidClientTokenId", clients[1].get_caller_identity)
"#
    ));
}

#[test]
fn the_account_is_told_as_a_whole() {
    Server::start().python(
        r#"
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
assert iam.generate_credential_report()["State"] == "COMPLETE"
report = iam.get_credential_report()
rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
assert report["ReportFormat"] == "text/csv" and [row["user"] for row in rows] == ["<root_account>", "opsml"]
assert rows[0]["mfa_active"] == "false" and rows[0]["access_key_1_active"] == "false"
assert rows[1]["access_key_1_active"] == "true" and rows[1]["access_key_1_last_used_service"] == "iam", rows[1]
assert None not in rows[0] and None not in rows[1].values()
"#,
    );
}

#[test]
fn managed_policies_say_what_awss_say() {
    Server::start().python(
        r#"
def document(path):
    arn = "arn:aws:iam::aws:policy/" + path
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
for path in ["AmazonSageMakerFullAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AWSLambda_FullAccess",
             "service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaVPCAccessExecutionRole",
             "service-role/AWSLambdaRole", "AmazonEC2FullAccess", "AdministratorAccess", "IAMFullAccess", "PowerUserAccess",
             "SecurityAudit", "CloudWatchLogsFullAccess", "AmazonSageMakerReadOnly",
             "service-role/AmazonSageMakerServiceCatalogProductsLambdaServiceRolePolicy"]:
    assert document(path)["Statement"], path
# The narrower policy of the seed runbook lets a function invoke nothing, but do very much else.
iam.create_role(RoleName="f", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
arn = iam.get_role(RoleName="f")["Role"]["Arn"]
endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
def decides(path, action, resource):
    iam.attach_role_policy(RoleName="f", PolicyArn="arn:aws:iam::aws:policy/" + path)
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource])
    iam.detach_role_policy(RoleName="f", PolicyArn="arn:aws:iam::aws:policy/" + path)
    return answer["EvaluationResults"][0]["EvalDecision"]
assert decides("AmazonSageMakerFullAccess", "sagemaker:DeleteEndpoint", endpoint) == "allowed"
assert decides("AmazonSageMakerFullAccess", "sagemaker:InvokeEndpoint", endpoint) == "allowed"
assert decides("AmazonSageMakerFullAccess", "iam:CreateRole", arn) == "implicitDeny"
assert decides("AmazonSageMakerReadOnly", "sagemaker:InvokeEndpoint", endpoint) == "implicitDeny"
assert decides("service-role/AWSLambdaBasicExecutionRole", "sagemaker:InvokeEndpoint", endpoint) == "implicitDeny"
assert decides("PowerUserAccess", "iam:CreateRole", arn) == "implicitDeny"
assert decides("PowerUserAccess", "sagemaker:DeleteEndpoint", endpoint) == "allowed"
"#,
    );
}

#[test]
fn the_simulator_answers_and_names_the_statement() {
    Server::start().python(
        r#"
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
arn = iam.get_role(RoleName="r")["Role"]["Arn"]
document = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
    {"Sid": "Never", "Effect": "Deny", "Action": "s3:*",
     "Resource": "arn:aws:s3:::b/secret"},
    {"Sid": "Tls", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*",
     "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
  ]
}"""
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
def ask(action, resource, **more):
    more = {"PolicySourceArn": arn, "ActionNames": [action], "ResourceArns": [resource], **more}
    [result] = iam.simulate_principal_policy(**more)["EvaluationResults"]
    assert result["EvalActionName"] == action and result["EvalResourceName"] == resource
    return result
allowed = ask("s3:GetObject", "arn:aws:s3:::b/k")
assert allowed["EvalDecision"] == "allowed"
assert allowed["MatchedStatements"] == [{
    "SourcePolicyId": "role_r_p", "SourcePolicyType": "role",
    "StartPosition": {"Line": 4, "Column": 5}, "EndPosition": {"Line": 4, "Column": 92}}], allowed
assert allowed["ResourceSpecificResults"][0]["EvalResourceDecision"] == "allowed"
denied = ask("s3:GetObject", "arn:aws:s3:::b/secret")
assert denied["EvalDecision"] == "explicitDeny" and len(denied["MatchedStatements"]) == 1
assert denied["MatchedStatements"][0]["StartPosition"] == {"Line": 5, "Column": 5}
assert denied["MatchedStatements"][0]["EndPosition"] == {"Line": 6, "Column": 42}, denied
nothing = ask("s3:DeleteObject", "arn:aws:s3:::b/k")
assert nothing["EvalDecision"] == "implicitDeny" and nothing["MatchedStatements"] == []
missing = ask("s3:PutObject", "arn:aws:s3:::b/k")
assert missing["EvalDecision"] == "implicitDeny" and missing["MissingContextValues"] == ["aws:SecureTransport"]
tls = [{"ContextKeyName": "aws:securetransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]}]
assert ask("s3:PutObject", "arn:aws:s3:::b/k", ContextEntries=tls)["EvalDecision"] == "allowed"

more = ask("s3:DeleteObject", "arn:aws:s3:::b/k", PolicyInputList=[policy("s3:Delete*", "*")])
assert more["EvalDecision"] == "allowed" and more["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
bounded = ask("s3:GetObject", "arn:aws:s3:::b/k", PermissionsBoundaryPolicyInputList=[policy("ec2:*", "*")])
assert bounded["EvalDecision"] == "implicitDeny"
assert bounded["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
by_resource = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::b/*"}})
given = ask("s3:DeleteObject", "arn:aws:s3:::b/k", ResourcePolicy=by_resource)
assert given["EvalDecision"] == "allowed" and given["MatchedStatements"][0]["SourcePolicyType"] == "resource"

iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
managed = ask("s3:DeleteObject", "arn:aws:s3:::b/k")["MatchedStatements"]
assert [(each["SourcePolicyId"], each["SourcePolicyType"]) for each in managed] == [("AmazonS3FullAccess", "aws-managed")]

pages = iam.get_paginator("simulate_principal_policy").paginate(
    PolicySourceArn=arn, ActionNames=["s3:GetObject", "ec2:RunInstances", "iam:PassRole"], PaginationConfig={"PageSize": 2})
results = [[(each["EvalActionName"], each["EvalDecision"]) for each in page["EvaluationResults"]] for page in pages]
assert results == [[("s3:GetObject", "allowed"), ("ec2:RunInstances", "implicitDeny")], [("iam:PassRole", "implicitDeny")]]

custom = iam.simulate_custom_policy(PolicyInputList=[policy("s3:*", "*")], ActionNames=["s3:PutObject"])
assert custom["EvaluationResults"][0]["EvalDecision"] == "allowed" and not custom["IsTruncated"]
assert custom["EvaluationResults"][0]["EvalResourceName"] == "*"
refused("InvalidInput", iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:PutObject"])
refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["s3:*"])
refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn="arn:aws:s3:::a-bucket", ActionNames=["s3:GetObject"])
refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=arn + "x", ActionNames=["s3:GetObject"])
"#,
    );
}

#[test]
fn boundaries_limit_what_policies_allow() {
    Server::start().python(
        r#"
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
"#,
    );
}

#[test]
fn session_policies_limit_a_session() {
    Server::start().python(
        r#"
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
# It allows no more than the role does.
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
"#,
    );
}

#[test]
fn trust_policies_are_judged_with_their_conditions() {
    Server::start().python(
        r#"
def trusted(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]})
me = sts.get_caller_identity()["Arn"]
def assume(name, **more):
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    return sts.assume_role(RoleArn=arn, RoleSessionName="s-1", **more)
iam.create_role(RoleName="a", AssumeRolePolicyDocument=trusted(
    {"Principal": {"AWS": me}, "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}))
refused("AccessDenied", assume, name="a")
refused("AccessDenied", assume, name="a", ExternalId="43")
assume("a", ExternalId="42")
iam.create_role(RoleName="b", AssumeRolePolicyDocument=trusted(
    {"Principal": {"AWS": "*"}, "Condition": {"StringLike": {"sts:RoleSessionName": "s-*"}}}))
assume("b")
iam.update_assume_role_policy(RoleName="b", PolicyDocument=trusted(
    {"Principal": {"AWS": "*"}, "Condition": {"StringLike": {"sts:RoleSessionName": "t-*"}}}))
refused("AccessDenied", assume, name="b")
# Their own policies allow all, but nobody is let in.
iam.create_role(RoleName="c", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
refused("AccessDenied", assume, name="c")
"#,
    );
}

#[test]
fn policies_with_a_mistake_are_refused() {
    Server::start().python(
        r#"
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
def put(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return refused("MalformedPolicyDocument", iam.put_role_policy, RoleName="r", PolicyName="p", PolicyDocument=text)
good = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
def one(**change):
    return {"Version": "2012-10-17", "Statement": {key: value for key, value in {**good, **change}.items() if value is not None}}
for document, message in [
    ("{", "Syntax errors in policy."),
    ("[]", "Syntax errors in policy."),
    ({"Version": "2012-10-17"}, "Syntax errors in policy."),
    ({"Version": "2012-10-17", "Statement": []}, "Syntax errors in policy."),
    ({**one(), "Extra": 1}, "Syntax errors in policy."),
    ({**one(), "Version": "2020-01-01"}, "Syntax errors in policy."),
    ({**one(), "Version": "2008-10-17"}, "Policy document must be version 2012-10-17 or greater."),
    (one(Extra=1), "Syntax errors in policy."),
    (one(Effect="Maybe"), "Syntax errors in policy."),
    (one(Effect="allow"), "The policy failed legacy parsing"),
    (one(Effect=None), "Syntax errors in policy."),
    (one(NotAction="s3:*"), "Syntax errors in policy."),
    (one(Action=None), "Policy statement must contain actions."),
    (one(Action=[]), "Policy statement must contain actions."),
    (one(Action="GetObject"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (one(Action="s3:a:b"), "Actions/Condition can contain only one colon."),
    (one(Action="s 3:Get"), "Vendor s 3 is not valid"),
    (one(Action=3), "Syntax errors in policy."),
    (one(Resource=None), "Policy statement must contain resources."),
    (one(Resource="b"), 'Resource b must be in ARN format or "*".'),
    (one(Resource="arn:moon:s3:::b"), 'Partition "moon" is not valid for resource "arn:moon:s3:::b".'),
    (one(Resource="arn:aws:s*:::b"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (one(Resource="arn:aws:s3:us-east-1::b"), "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    (one(Resource="arn:aws:iam:us-east-1:1:role/r"), "IAM resource arn:aws:iam:us-east-1:1:role/r cannot contain region information."),
    (one(Principal="*"), "Policy document should not specify a principal."),
    (one(Sid="a b"), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
    ({"Version": "2012-10-17", "Statement": [{**good, "Sid": "a"}] * 2}, "Statement IDs (SID) in a single policy must be unique."),
    (one(Condition={"Similar": {"aws:username": "a"}}), "Syntax errors in policy."),
    (one(Condition={"StringEquals": "a"}), "Syntax errors in policy."),
]:
    assert put(document) == message, (document, put(document))
path = put(one(Resource="arn:aws:iam::123456789012:r"))
assert path.startswith('IAM resource path must either be "*" or start with user/, federated-user/, role/'), path
refused("MalformedPolicyDocument", iam.create_policy, PolicyName="p", PolicyDocument="{")
big = policy("s3:GetObject", ["arn:aws:s3:::" + "x" * 100] * 60)
assert "6144" in refused("LimitExceeded", iam.create_policy, PolicyName="p", PolicyDocument=big)

def trusting(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument=text)
service = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
for statement, message in [
    ({**service, "Resource": "*"}, "Has prohibited field Resource"),
    ({**service, "Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
    ({"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
    ({**service, "Effect": "Maybe"}, "Invalid effect: Maybe"),
    ({**service, "Extra": 1}, "Unknown field Extra"),
    ({**service, "Principal": {"Planet": "x"}}, 'Invalid principal in policy: {"Planet":"x"}'),
]:
    got = trusting({"Version": "2012-10-17", "Statement": [statement]})
    assert got == message, (statement, got)
assert trusting("{") == "This policy contains invalid Json"
assert trusting({"Version": "2012-10-17", "Statement": []}) == "Could not parse the policy: Statement is empty!"
assert 'Invalid principal in policy: "AWS":"nobody"' in trusting(json.loads(trust({"AWS": "nobody"})))
assert 'Invalid principal in policy: "SERVICE":"x.example"' in trusting(json.loads(trust({"Service": "x.example"})))
"#,
    );
}

#[test]
fn decisions_on_roles_can_be_read_from_the_logs() {
    Server::start().python(
        r#"
GROUP = "opsml/decisions"
me = sts.get_caller_identity()["Arn"]
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": me}))
refused("ResourceNotFoundException", logs.filter_log_events, logGroupName=GROUP)
arn = "arn:aws:iam::123456789012:role/r"
def told():
    events = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["r"])["events"]
    return [(each["action"], each["resource"], each["outcome"]) for each in (json.loads(event["message"]) for event in events)]
mine = as_role("r", "iam")
for _ in range(3):
    refused("AccessDenied", mine.get_role, RoleName="r")
once = [("iam:GetRole", arn, "implicitDeny")]
assert told() == once
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("iam:GetRole", arn))
for _ in range(3):
    mine.get_role(RoleName="r")
refused("AccessDenied", mine.list_roles)
allowed = [("iam:GetRole", arn, "allowed")]
assert told() == once + allowed + [("iam:ListRoles", "arn:aws:iam::123456789012:role/", "implicitDeny")]
[event] = logs.get_log_events(logGroupName=GROUP, logStreamName="r", limit=1, startFromHead=True)["events"]
assert json.loads(event["message"])["principal"] == "arn:aws:sts::123456789012:assumed-role/r/test"
# What is undone is told anew, so is a new session, and a log that was deleted begins again.
iam.delete_role_policy(RoleName="r", PolicyName="p")
refused("AccessDenied", mine.get_role, RoleName="r")
refused("AccessDenied", as_role("r", "iam").get_role, RoleName="r")
assert told()[3:] == once * 2
logs.delete_log_group(logGroupName=GROUP)
refused("AccessDenied", mine.get_role, RoleName="r")
assert told() == once
# Nothing of what users ask for is in it.
assert [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]] == ["r"]
"#,
    );
}
