//! boto3 drives IAM, STS and CloudWatch Logs.

use super::Server;

#[test]
fn identity_and_signatures() {
    Server::start().python(
        r#"
me = sts.get_caller_identity()
assert me["Account"] == "123456789012" and me["Arn"] == "arn:aws:iam::123456789012:user/opsml", me
assert me["UserId"].startswith("AIDA") and len(me["UserId"]) == 21
assert iam.get_user()["User"]["UserName"] == "opsml"

def other(service, **keys):
    both = {"aws_access_key_id": "AKIA" + "A" * 16, "aws_secret_access_key": "x" * 40, **keys}
    return boto3.client(service, config=config, **both)
own = boto3.Session().get_credentials()
assert "security token" in refused("InvalidClientTokenId", other("sts").get_caller_identity)
refused("UnrecognizedClientException", other("logs").describe_log_groups)
wrong = {"aws_access_key_id": own.access_key}
refused("SignatureDoesNotMatch", other("sts", **wrong).get_caller_identity)
refused("InvalidSignatureException", other("logs", **wrong).describe_log_groups)
stray = {"aws_access_key_id": own.access_key, "aws_secret_access_key": own.secret_key, "aws_session_token": "x"}
refused("InvalidClientTokenId", other("sts", **stray).get_caller_identity)
elsewhere = boto3.client("logs", config=config, region_name="eu-west-1")
assert "eu-west-1" in refused("InvalidSignatureException", elsewhere.describe_log_groups)

from botocore import UNSIGNED
unsigned = boto3.client("sts", config=Config(signature_version=UNSIGNED))
refused("MissingAuthenticationToken", unsigned.get_caller_identity)

# A presigned URL is good for one request of its kind, until its time is up.
import urllib.request, urllib.error
url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
assert b"user/opsml" in urllib.request.urlopen(url).read()
def status(url, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code
assert status(url.replace("GetCallerIdentity", "GetSessionToken")) == 403
assert status(url, Host="evil.example") == 403

# What the cloud lacks it says, in the client's own protocol.
assert "does not support" in refused("UnknownOperationException", iam.list_saml_providers)
assert "does not support" in refused("UnknownOperationException", logs.describe_metric_filters)
assert "does not support" in refused("UnknownOperationException", boto3.client("sns", config=config).list_topics)
assert "does not support" in refused("UnknownOperationException", boto3.client("ecr", config=config).describe_repositories)
"#,
    );
}

#[test]
fn clocks_may_be_off_by_fifteen_minutes() {
    Server::start().python(
        r#"
import datetime, botocore.auth
real = botocore.auth.get_current_datetime
def shift(minutes):
    botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(minutes=minutes)
for minutes in (-14, 14):
    shift(minutes)
    sts.get_caller_identity()
shift(-16)
assert "Signature expired" in refused("SignatureDoesNotMatch", sts.get_caller_identity)
shift(16)
assert "not yet current" in refused("InvalidSignatureException", logs.describe_log_groups)
"#,
    );
}

#[test]
fn roles_live_as_on_aws() {
    Server::start().python(
        r#"
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
"#,
    );
}

#[test]
fn managed_policies_have_versions() {
    Server::start().python(
        r#"
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
"#,
    );
}

#[test]
fn sessions_may_do_what_their_role_may_and_outlive_a_restart() {
    let server = Server::start();
    let keys = server.python(
        r#"
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

# The account is trusted: then one's own policies must allow it too.
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
"#,
    );
    let [id, secret, token] = keys.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{keys}") };
    let before = server.keys.clone();
    let server = server.restart();
    assert_eq!(server.keys, before);
    server.python(&format!(
        "later = boto3.client('sts', aws_access_key_id='{id}', aws_secret_access_key='{secret}', \
         aws_session_token='{token}')\n\
         assert later.get_caller_identity()['Arn'].endswith('assumed-role/r/later')"
    ));
}

#[test]
fn logs_are_kept_and_paged() {
    Server::start().python(
        r#"
import time
now = int(time.time() * 1000)
assert logs.describe_log_groups()["logGroups"] == []
assert "does not exist" in refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName="/g")
logs.create_log_group(logGroupName="/g")
refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/g")
refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/g", logStreamName="s")
logs.create_log_stream(logGroupName="/g", logStreamName="s")
logs.create_log_stream(logGroupName="/g", logStreamName="t")
lines = [{"timestamp": now + n, "message": f"line {n}"} for n in range(25)]
logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=lines)
logs.put_log_events(logGroupName="/g", logStreamName="t", logEvents=[{"timestamp": now + 7, "message": "ERROR <é>"}])
refused("InvalidParameterException", logs.put_log_events, logGroupName="/g", logStreamName="s", logEvents=lines[::-1])
old = logs.put_log_events(logGroupName="/g", logStreamName="t", logEvents=[{"timestamp": 1, "message": "x"}])
assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}

def messages(page):
    return [event["message"] for event in page["events"]]
every = [line["message"] for line in lines]
where = {"logGroupName": "/g", "logStreamName": "s", "limit": 10}
first = logs.get_log_events(**where, startFromHead=True)
assert messages(first) == every[:10]
second = logs.get_log_events(**where, nextToken=first["nextForwardToken"])
third = logs.get_log_events(**where, nextToken=second["nextForwardToken"])
end = logs.get_log_events(**where, nextToken=third["nextForwardToken"])
assert messages(second) + messages(third) == every[10:] and messages(end) == []
assert end["nextForwardToken"] == third["nextForwardToken"]
assert messages(logs.get_log_events(**where, nextToken=second["nextBackwardToken"])) == every[:10]
assert messages(logs.get_log_events(**where)) == every[-10:]
some = logs.get_log_events(logGroupName="/g", logStreamName="s", startTime=now + 3, endTime=now + 5)
assert messages(some) == every[3:5]
refused("InvalidParameterException", logs.get_log_events, **where, nextToken="x")
logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": now + 99, "message": "new"}])
assert messages(logs.get_log_events(**where, nextToken=end["nextForwardToken"])) == ["new"]

pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/g", PaginationConfig={"PageSize": 10})
assert sum((messages(page) for page in pages), []) == every[:8] + ["ERROR <é>"] + every[8:] + ["new"]
assert messages(logs.filter_log_events(logGroupName="/g", filterPattern="ERROR")) == ["ERROR <é>"]
assert len(messages(logs.filter_log_events(logGroupName="/g", logStreamNames=["t"]))) == 1

streams = logs.describe_log_streams(logGroupName="/g", orderBy="LastEventTime", descending=True)["logStreams"]
assert [stream["logStreamName"] for stream in streams] == ["s", "t"]
assert streams[0]["firstEventTimestamp"] == now and streams[0]["lastEventTimestamp"] == now + 99
group = logs.describe_log_groups(logGroupNamePrefix="/")["logGroups"][0]
assert group["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g:*" and group["storedBytes"] > 0
logs.delete_log_stream(logGroupName="/g", logStreamName="t")
refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/g", logStreamName="t")
logs.delete_log_group(logGroupName="/g")
refused("ResourceNotFoundException", logs.delete_log_group, logGroupName="/g")
logs.create_log_group(logGroupName="/g")
logs.create_log_stream(logGroupName="/g", logStreamName="s")
assert logs.get_log_events(logGroupName="/g", logStreamName="s")["events"] == []
"#,
    );
}
