//! Lambda through boto3: versions, concurrency, who may invoke, networks, restarts, and what is refused.

use local_cloud::lambda::{Quota, set_quota};
use local_cloud::store::Store;

use super::lambda::{assert_nothing_runs, run, start, start_in};

/// A function that tells of its start in a folder, and waits there for a gate to open.
const GATE: &str = r##"
import concurrent.futures, os, tempfile, threading
gate = tempfile.mkdtemp()
WAITS = '''
def work(event):
    if not event:
        return b"null"
    open(os.path.join(event["gate"], "in-" + str(os.getpid())), "w").close()
    while not os.path.exists(os.path.join(event["gate"], "open")):
        time.sleep(0.01)
    return json.dumps([os.getpid(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]).encode()
'''
def inside():
    return len([name for name in os.listdir(gate) if name.startswith("in-")])
def hold(name, count, **more):
    """Invocations that are all inside."""
    for left in os.listdir(gate):
        os.remove(os.path.join(gate, left))
    pool = concurrent.futures.ThreadPoolExecutor(count)
    futures = [pool.submit(invoke, name, {"gate": gate}, **more) for _ in range(count)]
    until(lambda: inside() == count or [future.result() for future in futures if future.done()])
    assert inside() == count, [future for future in futures if future.done()]
    return futures
def let_go(futures):
    open(os.path.join(gate, "open"), "w").close()
    return [future.result() for future in futures]
def throttled(name, **more):
    try:
        lam.invoke(FunctionName=name, Payload=b"null", **more)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "TooManyRequestsException", error.response
        assert error.response["Error"]["Message"] == "Rate Exceeded.", error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return error.response["Reason"]
    return None
"##;

#[test]
fn versions_stay_as_they_are() {
    let server = start();
    run(
        &server,
        r##"
me = role()
def code(answer):
    return zipped(bootstrap=BOOTSTRAP % f"def work(event):\n    return os.environ.get('SAY', '{answer}').encode()")
provided("f", me, "", Code={"ZipFile": code(1)})
sha = lam.get_function_configuration(FunctionName="f")["CodeSha256"]
message = refused("InvalidParameterValueException", lam.publish_version, FunctionName="f", CodeSha256="x")
assert message.startswith(f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({sha})."), message
refused("PreconditionFailedException", lam.publish_version, FunctionName="f", RevisionId="x")
first = lam.publish_version(FunctionName="f", CodeSha256=sha, Description="one")
assert (first["Version"], first["FunctionArn"], first["Description"]) == ("1", ARN + "f:1", "one")
assert lam.publish_version(FunctionName="f")["Version"] == "1", "unchanged code makes no new version"
lam.update_function_code(FunctionName="f", ZipFile=code(2))
active("f")
assert [invoke("f")[1], invoke("f", Qualifier="1")[1], invoke("f:1")[1], invoke(ARN + "f:$LATEST")[1]] == [2, 1, 1, 2]
assert invoke("f", Qualifier="1")[0]["ExecutedVersion"] == "1"
lam.update_function_configuration(FunctionName="f", Environment={"Variables": {"SAY": "3"}})
active("f")
assert [invoke("f")[1], invoke("f", Qualifier="1")[1]] == [3, 1]
refused("InvalidParameterValueException", lam.update_function_code, FunctionName="f:1", ZipFile=code(9))
refused("InvalidParameterValueException", lam.invoke, FunctionName="f:1", Qualifier="2")
assert lam.publish_version(FunctionName="f")["Version"] == "2"
listed = lam.list_versions_by_function(FunctionName="f")["Versions"]
assert [(each["Version"], each["FunctionArn"]) for each in listed] == [
    ("$LATEST", ARN + "f:$LATEST"), ("1", ARN + "f:1"), ("2", ARN + "f:2")], listed
page = lam.list_versions_by_function(FunctionName="f", MaxItems=2)
assert len(page["Versions"]) == 2
assert [each["Version"] for each in lam.list_versions_by_function(FunctionName="f", Marker=page["NextMarker"])["Versions"]] == ["2"]

made = lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1", Description="d")
assert made["AliasArn"] == ARN + "f:live" and "RoutingConfig" not in made
assert lam.get_alias(FunctionName="f", Name="live") ["RevisionId"] == made["RevisionId"]
assert "Alias already exists" in refused("ResourceConflictException", lam.create_alias, FunctionName="f", Name="live", FunctionVersion="2")
refused("ResourceNotFoundException", lam.create_alias, FunctionName="f", Name="x", FunctionVersion="7")
refused("ValidationException", lam.create_alias, FunctionName="f", Name="7", FunctionVersion="1")
told, answer, _ = invoke("f", Qualifier="live")
assert (answer, told["ExecutedVersion"]) == (1, "1")
assert lam.get_function_configuration(FunctionName="f", Qualifier="live")["FunctionArn"] == ARN + "f:live"
assert refused("ResourceConflictException", lam.delete_function, FunctionName="f", Qualifier="1") == (
    "Unable to delete version because the following aliases reference it: [live]")
refused("PreconditionFailedException", lam.update_alias, FunctionName="f", Name="live", FunctionVersion="2", RevisionId="x")
lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
assert invoke("f", Qualifier="live")[1] == 3
lam.update_alias(FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
seen = {invoke("f", Qualifier="live")[0]["ExecutedVersion"] for _ in range(40)}
assert seen == {"1", "2"}, seen
refused("ResourceConflictException", lam.delete_function, FunctionName="f", Qualifier="1")
lam.update_alias(FunctionName="f", Name="live", RoutingConfig={})
refused("InvalidParameterValueException", lam.update_alias, FunctionName="f", Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
assert [each["Name"] for each in lam.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]] == ["live"]
lam.delete_function(FunctionName="f", Qualifier="1")
refused("ResourceNotFoundException", lam.invoke, FunctionName="f", Qualifier="1")
assert "Cannot find alias arn" in refused("ResourceNotFoundException", lam.get_alias, FunctionName="f", Name="x")
lam.delete_alias(FunctionName="f", Name="live")
refused("InvalidParameterValueException", lam.delete_function, FunctionName="f", Qualifier="$LATEST")
lam.delete_function(FunctionName="f")
# No number is used twice.
made = provided("f", me, "", Code={"ZipFile": code(1)}, Publish=True)
assert (made["Version"], made["FunctionArn"]) == ("3", ARN + "f:3"), made
"##,
    );
}

#[test]
fn concurrency_is_limited() {
    let server = start();
    let begin = format!("{GATE}\nme = role()\nprovided('f', me, WAITS)\nprovided('g', me, WAITS)\n");
    run(
        &server,
        &format!(
            "{begin}{}",
            r##"
assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="f")
def put(count, name="f"):
    return lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
assert put(2)["ReservedConcurrentExecutions"] == 2
assert lam.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 2
assert lam.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 2}
assert lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 998
held = hold("f", 2)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded"
assert throttled("g") is None, "another function is not concerned"
# A higher limit, and there is no throttle.
put(3)
assert throttled("f") is None
assert len({answer[0] for _, answer, _ in let_go(held)}) == 2, "an environment for each"
assert throttled("f") is None
put(0)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded", "zero stops it"
lam.delete_function_concurrency(FunctionName="f")
assert throttled("f") is None

below = ("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
         "minimum value of [100].")
assert refused("InvalidParameterValueException", lambda: put(901)) == below
put(800)
assert refused("InvalidParameterValueException", lambda: put(101, "g")) == below
put(100, "g")
assert lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
lam.delete_function_concurrency(FunctionName="f")
lam.delete_function_concurrency(FunctionName="g")
"##
        ),
    );
    let store = Store::open(&server.dir.path().join("state.db")).unwrap();
    set_quota(&store, Quota::ConcurrentExecutions, 12).unwrap();
    set_quota(&store, Quota::UnreservedMinimum, 2).unwrap();
    run(
        &server,
        &format!(
            "{GATE}{}",
            r##"
# The account's pool, of which another function's reservation is taken.
below = "below its minimum value of [2]."
assert below in refused("InvalidParameterValueException", lam.put_function_concurrency, FunctionName="g", ReservedConcurrentExecutions=11)
lam.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=10)
held = hold("f", 2)
assert throttled("f") == "ConcurrentInvocationLimitExceeded"
assert throttled("g") is None
lam.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=9)
assert throttled("f") is None
let_go(held)

# Deleting a function ends what it does.
held = hold("f", 1)
lam.delete_function(FunctionName="f")
told, answer, _ = held[0].result()
assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed"), answer
lam.delete_function(FunctionName="g")
"##
        ),
    );
    assert_nothing_runs(&server);
}

#[test]
fn provisioned_concurrency_is_warm() {
    let server = start();
    run(
        &server,
        &format!(
            "{GATE}{}",
            r##"
me = role()
made = provided("f", me, "time.sleep(0.2)\n" + WAITS, Publish=True)
def put(count, qualifier="1", name="f"):
    return lam.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count)
def got(qualifier="1", name="f"):
    return lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
def ready(count, qualifier="1"):
    told = until(lambda: (told := got(qualifier))["Status"] != "IN_PROGRESS" and told)
    assert (told["Status"], told["AvailableProvisionedConcurrentExecutions"]) == ("READY", count), told
unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
assert refused("InvalidParameterValueException", lambda: put(1, "$LATEST")) == unpublished
lam.create_alias(FunctionName="f", Name="head", FunctionVersion="$LATEST")
assert refused("InvalidParameterValueException", lambda: put(1, "head")) == unpublished
refused("ResourceNotFoundException", lambda: put(1, "9"))
refused("ProvisionedConcurrencyConfigNotFoundException", got)
lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
assert refused("InvalidParameterValueException", lambda: put(4)) == (
    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
told = put(2)
assert (told["Status"], told["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2), told
ready(2)
# No cold start: it was there before the request.
[(told, answer, log)] = let_go(hold("f", 1, Qualifier="1"))
assert answer[1] == "provisioned-concurrency" and "Init Duration" not in log and told["ExecutedVersion"] == "1", (answer, log)
# Two are provisioned, the third runs on demand, and a fourth is above what is reserved.
held = hold("f", 3, Qualifier="1")
assert throttled("f", Qualifier="1") == "ReservedFunctionConcurrentInvocationLimitExceeded"
answers = let_go(held)
assert sorted(answer[1] for _, answer, _ in answers) == ["on-demand"] + ["provisioned-concurrency"] * 2, answers
assert ["Init Duration" in log for _, answer, log in answers] == [answer[1] == "on-demand" for _, answer, _ in answers]
# What is provisioned for a version is not $LATEST's: one is left of three.
held = hold("f", 1)
assert throttled("f") == "ReservedFunctionConcurrentInvocationLimitExceeded"
let_go(held)
assert "less than its provisioned concurrency" in refused(
    "InvalidParameterValueException", lam.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=1)

# An alias moves what is provisioned with it.
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
assert "already Provisioned version" in refused("InvalidParameterValueException", lambda: put(1, "live"))
lam.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
refused("ProvisionedConcurrencyConfigNotFoundException", got)
put(1, "live")
ready(1, "live")
assert "pointed by a Provisioned Concurrency alias" in refused("InvalidParameterValueException", lambda: put(1))
[listed] = lam.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
assert listed["FunctionArn"] == ARN + "f:live" and listed["Status"] == "READY", listed
lam.update_function_configuration(FunctionName="f", Description="new", MemorySize=256)
active("f")
assert lam.publish_version(FunctionName="f")["Version"] == "2"
lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
ready(1, "live")
[(told, answer, log)] = let_go(hold("f", 1, Qualifier="live"))
assert (told["ExecutedVersion"], answer[1]) == ("2", "provisioned-concurrency") and "Memory Size: 256 MB" in log

# One that cannot be initialised.
provided("bad", me, "", Code={"ZipFile": zipped(bootstrap="#!/bin/sh\nexit 1\n")}, Publish=True)
put(1, name="bad")
told = until(lambda: (told := got(name="bad"))["Status"] == "FAILED" and told)
assert told["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE" and told["AvailableProvisionedConcurrentExecutions"] == 0, told
below = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
assert below in refused("InvalidParameterValueException", lambda: put(998, name="bad"))
lam.delete_function(FunctionName="bad")
"##
        ),
    );
    let server = server.restart_with(start_in);
    run(
        &server,
        &format!(
            "{GATE}{}",
            r##"
# Back after a restart, and warm.
until(lambda: lam.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")["Status"] == "READY")
assert lam.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 3
[(told, answer, log)] = let_go(hold("f", 1, Qualifier="live"))
assert (told["ExecutedVersion"], answer[1]) == ("2", "provisioned-concurrency") and "Init Duration" not in log
assert len(lam.list_versions_by_function(FunctionName="f")["Versions"]) == 3
[(told, answer, log)] = let_go(hold("f", 1))
assert answer[1] == "on-demand"
lam.delete_function(FunctionName="f")
"##
        ),
    );
    assert_nothing_runs(&server);
}

#[test]
fn the_function_says_who_may_invoke_it() {
    let server = start();
    run(
        &server,
        r##"
provided("f", role(), "def work(event):\n    return b'1'", Publish=True)
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))["Role"]["Arn"]
theirs = as_role("other", "lambda")
def denied(**more):
    return refused("AccessDeniedException", theirs.invoke, FunctionName="f", **more)
assert denied() == ("User: arn:aws:sts::123456789012:assumed-role/other/test is not authorized to perform: lambda:InvokeFunction on "
                    f"resource: {ARN}f because no identity-based policy allows the lambda:InvokeFunction action")
refused("ResourceNotFoundException", lam.get_policy, FunctionName="f")
told = lam.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction", Principal=other)
assert json.loads(told["Statement"]) == {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": other},
    "Action": "lambda:InvokeFunction", "Resource": ARN + "f"}
assert theirs.invoke(FunctionName="f")["StatusCode"] == 200
assert ARN + "f:live" in denied(Qualifier="live"), "the policy is the function's, not the alias'"
lam.add_permission(FunctionName="f", StatementId="live", Action="lambda:InvokeFunction", Principal="123456789012", Qualifier="live",
                   SourceAccount="123456789012", SourceArn="arn:aws:s3:::bucket")
live = json.loads(lam.get_policy(FunctionName="f", Qualifier="live")["Policy"])
[statement] = live["Statement"]
assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"} and statement["Resource"] == ARN + "f:live"
assert statement["Condition"] == {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}}
assert "already exists" in refused("ResourceConflictException", lam.add_permission, FunctionName="f", StatementId="other",
                                   Action="lambda:InvokeFunction", Principal=other)
assert refused("InvalidParameterValueException", lam.add_permission, FunctionName="f", StatementId="x", Action="lambda:InvokeFunction",
               Principal="arn:aws:iam::123456789012:role/nobody") == "The provided principal was invalid. Please check the principal and try again."
lam.remove_permission(FunctionName="f", StatementId="other")
denied()
assert "not found in resource policy" in refused("ResourceNotFoundException", lam.remove_permission, FunctionName="f", StatementId="other")
# A deny of the caller's own wins over the function's policy.
lam.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction", Principal=other)
iam.put_role_policy(RoleName="other", PolicyName="p", PolicyDocument=policy("lambda:*", "*", "Deny"))
assert "explicit deny in an identity-based policy" in denied()
# Every operation asks IAM.
iam.put_role_policy(RoleName="other", PolicyName="p", PolicyDocument=policy("lambda:GetFunction", ARN + "f"))
assert theirs.get_function(FunctionName="f")
assert "lambda:PublishVersion" in refused("AccessDeniedException", theirs.publish_version, FunctionName="f")
assert "lambda:DeleteFunction" in refused("AccessDeniedException", theirs.delete_function, FunctionName="f")
refused("AccessDeniedException", theirs.get_function, FunctionName="g")
"##,
    );
}

#[test]
fn a_function_in_a_vpc_is_cut_off() {
    let server = start();
    run(
        &server,
        r##"
ec2 = boto3.client("ec2", config=config)
subnet = ec2.describe_subnets()["Subnets"][0]
group = ec2.create_security_group(GroupName="functions", Description="of functions", VpcId=subnet["VpcId"])["GroupId"]
vpc = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]}
me = role()
code = '''
import boto3
def lambda_handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"] if event else "here"
'''
def refusal(**more):
    return refused("InvalidParameterValueException", lambda: python("f", me, code, Timeout=3, **{"VpcConfig": vpc, **more}))
assert refusal() == "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
iam.put_role_policy(RoleName="runner", PolicyName="network", PolicyDocument=policy(
    ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"], "*"))
assert refusal(VpcConfig={**vpc, "SubnetIds": ["subnet-0123456789abcdef0"]}) == (
    "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID "
    "'subnet-0123456789abcdef0' does not exist")
assert "DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound" in refusal(
    VpcConfig={**vpc, "SecurityGroupIds": ["sg-0123456789abcdef0"]})
assert "must coexist" in refusal(VpcConfig={"SubnetIds": vpc["SubnetIds"]})
made = python("f", me, code, Timeout=3, VpcConfig=vpc)
assert made["VpcConfig"]["VpcId"] == subnet["VpcId"] and made["VpcConfig"]["SubnetIds"] == vpc["SubnetIds"], made
assert invoke("f", 0)[1] == "here", "it runs, and its log is there"
assert logs.describe_log_streams(logGroupName="/aws/lambda/f")["logStreams"]
told, answer, log = invoke("f", 1)
assert answer["errorMessage"].endswith("Error: Task timed out after 3.00 seconds"), answer
# Out of the VPC the same call is answered.
lam.update_function_configuration(FunctionName="f", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
active("f")
assert invoke("f", 1)[1] == "arn:aws:sts::123456789012:assumed-role/runner/f"
"##,
    );
}

#[test]
fn what_aws_refuses_is_refused() {
    let server = start();
    run(
        &server,
        r##"
me = role("runner", logs=False)
good = dict(FunctionName="x", Runtime="provided.al2023", Role=me, Handler="bootstrap", Code={"ZipFile": zipped(bootstrap="x")})
def refusal(code="InvalidParameterValueException", **more):
    return refused(code, lam.create_function, **{**good, **more})
assert refusal(Runtime="python2.6").startswith("Value python2.6 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [")
assert "does not support the runtime nodejs22.x" in refusal("UnknownOperationException", Runtime="nodejs22.x")
assert "less than or equal to 10240" in refusal("ValidationException", MemorySize=10241)
assert "less than or equal to 900" in refusal("ValidationException", Timeout=901)
assert "regular expression pattern" in refusal("ValidationException", FunctionName="a b")
assert "less than or equal to 64" in refusal("ValidationException", FunctionName="a" * 65)
assert "Reserved keys used in this request: AWS_REGION" in refusal(Environment={"Variables": {"AWS_REGION": "x", "OWN": "y"}})
assert "exceeded the 4KB limit" in refusal(Environment={"Variables": {"AB": "x" * 4100}})
assert "regular expression" in refusal("ValidationException", Environment={"Variables": {"1": "x"}})
assert refusal(Code={"ZipFile": b"no zip"}).startswith("Could not unzip uploaded file.")
assert refusal(Code={"ZipFile": zipped()}) == "Uploaded file must be a non-empty zip"
assert refusal(Code={}) == "Please provide a source for function code."
cannot = "The role defined for the function cannot be assumed by Lambda."
assert refusal(Role="arn:aws:iam::123456789012:role/nobody") == cannot
stranger = iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]["Arn"]
assert refusal(Role=stranger) == cannot
for more in (dict(Layers=["arn:aws:lambda:us-east-1:123456789012:layer:l:1"]), dict(TracingConfig={"Mode": "Active"}),
             dict(SnapStart={"ApplyOn": "PublishedVersions"}), dict(Code={"ImageUri": "x"}, PackageType="Image")):
    assert "does not support" in refusal("UnknownOperationException", **more)
refused("UnknownOperationException", lam.list_layers)

iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("lambda:*", "*"))
limited = as_role("limited", "lambda")
assert "iam:PassRole on resource: " + me in refused("AccessDeniedException", limited.create_function, **good)
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy(["lambda:CreateFunction", "iam:PassRole"], "*"))
limited.create_function(**good)
assert "lambda:TagResource" in refused("AccessDeniedException", limited.create_function, **{**good, "FunctionName": "y", "Tags": {"a": "b"}})
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="code-bucket")
s3.put_object(Bucket="code-bucket", Key="f.zip", Body=zipped(bootstrap="x"))
message = refused("AccessDeniedException", limited.create_function, **{**good, "FunctionName": "y", "Code": {"S3Bucket": "code-bucket", "S3Key": "f.zip"}})
assert message.startswith("Your access has been denied by S3"), message

# Without permission there is no log, and the tail all the same.
provided("quiet", me, "def work(event):\n    print('said')\n    return b'1'")
told, answer, log = invoke("quiet")
assert answer == 1 and "said" in log and "REPORT" in log
assert not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/quiet")["logGroups"]
# A role that is gone: nobody can act as it.
iam.delete_role(RoleName="runner")
lam.update_function_code(FunctionName="quiet", ZipFile=zipped(bootstrap="y"))
active("quiet")
assert refused("AccessDeniedException", lam.invoke, FunctionName="quiet") == cannot
"##,
    );
}
