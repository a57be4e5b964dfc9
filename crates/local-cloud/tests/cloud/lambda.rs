//! Lambda through boto3: functions, and what becomes of their invocations.

use std::os::unix::fs::PermissionsExt as _;

use super::{PYTHONPATH, Server, python};

/// A server whose Python functions have boto3.
pub fn start() -> Server {
    start_in(tempfile::tempdir().unwrap())
}

pub fn start_in(dir: tempfile::TempDir) -> Server {
    // The server wants its folder for itself.
    let interpreter = std::env::temp_dir().join(format!("opsml-python-{}", std::process::id()));
    let script = format!("#!/bin/sh\nPYTHONPATH='{}' exec python3 \"$@\"\n", &*PYTHONPATH);
    if std::fs::read_to_string(&interpreter).ok().as_deref() != Some(&script) {
        let aside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(aside.path(), &script).unwrap();
        std::fs::set_permissions(aside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(aside.into_temp_path().keep().unwrap(), &interpreter).unwrap();
    }
    Server::start_with(dir, |settings| settings.python = Some(interpreter))
}

pub fn run(server: &Server, code: &str) {
    let code = format!("{}\n{code}", include_str!("lambda.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

/// Nothing of a function runs any more.
pub fn assert_nothing_runs(server: &Server) {
    let dir = format!("OPSML_INSTANCE_DIR={}", server.dir.path().display());
    super::wait_for(|| {
        let runs = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&dir)
        });
        (!runs).then_some(())
    });
}

#[test]
fn a_python_function_lives() {
    let server = start();
    run(
        &server,
        r##"
me = role("runner", policy("s3:GetObject", "arn:aws:s3:::bucket-1/*"))
code = '''
import boto3, json, logging, os
print("loaded")
def lambda_handler(event, context):
    if event == "fail":
        raise ValueError("no such picture")
    if event == "denied":
        boto3.client("s3").get_object(Bucket="bucket-2", Key="k")
    if event == "env":
        return dict(os.environ)
    print("got", event)
    logging.warning("one\\nevent")
    arn = boto3.client("sts").get_caller_identity()["Arn"]
    body = boto3.client("s3").get_object(Bucket="bucket-1", Key="k")["Body"].read().decode()
    return {"statusCode": 200, "arn": arn, "body": body, "version": context.function_version,
            "invoked": context.invoked_function_arn, "memory": context.memory_limit_in_mb, "name": context.function_name,
            "group": context.log_group_name, "stream": context.log_stream_name, "id": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(), "pid": os.getpid()}
'''
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="bucket-1")
s3.create_bucket(Bucket="bucket-2")
s3.put_object(Bucket="bucket-1", Key="k", Body=b"hello")
s3.put_object(Bucket="bucket-2", Key="k", Body=b"secret")
zip = zipped(lambda_function__py=code)
made = lam.create_function(FunctionName="f", Runtime="python3.12", Role=me, Handler="lambda_function.lambda_handler",
    Code={"ZipFile": zip}, Description="d", Timeout=20, MemorySize=256, Environment={"Variables": {"A_B": "c"}}, Tags={"k": "v"})
assert made["State"] == "Pending" and made["Version"] == "$LATEST" and made["FunctionArn"] == ARN + "f", made
import hashlib
assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(zip).digest()).decode() and made["CodeSize"] == len(zip)
lam.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
told = lam.get_function(FunctionName=ARN + "f")
assert told["Tags"] == {"k": "v"} and told["Configuration"]["MemorySize"] == 256, told
assert told["Configuration"]["Environment"] == {"Variables": {"A_B": "c"}}
assert "Function already exist: f" == refused("ResourceConflictException", lambda: python("f", me, code))

told, answer, log = invoke("f", {"url": "x"})
assert told["StatusCode"] == 200 and told["ExecutedVersion"] == "$LATEST" and "FunctionError" not in told, (told, answer)
assert answer["arn"] == "arn:aws:sts::123456789012:assumed-role/runner/f" and answer["body"] == "hello", answer
assert (answer["version"], answer["memory"], answer["name"]) == ("$LATEST", "256", "f")
assert answer["invoked"] == ARN + "f" and answer["group"] == "/aws/lambda/f" and 0 < answer["left"] <= 20000
assert answer["id"] == told["ResponseMetadata"]["RequestId"]
lines = log.splitlines()
assert lines[0] == f"START RequestId: {answer['id']} Version: $LATEST", lines
assert lines[1] == "got {'url': 'x'}" and lines[2].startswith("[WARNING]\t") and lines[2].endswith("\tone") and lines[3] == "event", lines
assert lines[4] == f"END RequestId: {answer['id']}" and lines[5].startswith(f"REPORT RequestId: {answer['id']}\tDuration: ")
assert "\tMemory Size: 256 MB\tMax Memory Used: " in lines[5] and "\tInit Duration: " in lines[5], lines[5]
# Warm: the same process, and no initialisation.
again, second, log = invoke("f", {})
assert second["pid"] == answer["pid"] and second["stream"] == answer["stream"] and "Init Duration" not in log
events = [event["message"] for event in logs.get_log_events(logGroupName="/aws/lambda/f", logStreamName=answer["stream"],
                                                            startFromHead=True)["events"]]
assert events[0].startswith("INIT_START Runtime Version: python:3."), events[0]
assert "the function asks for python3.12" in events[0] or "python:3.12." in events[0]
assert events[1] == "loaded" and sum(event.startswith("REPORT") for event in events) == 2, events
assert any(event.endswith("\tone\nevent") for event in events), "one event for a log record"

told, answer, log = invoke("f", "fail")
assert told["FunctionError"] == "Unhandled" and told["StatusCode"] == 200
assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no such picture") and answer["requestId"]
assert len(answer["stackTrace"]) == 1 and "in lambda_handler" in answer["stackTrace"][0], answer
assert "[ERROR] ValueError: no such picture" in log and "Traceback" in log and "Error Type: ValueError" in log
told, answer, log = invoke("f", "denied")
assert answer["errorType"] in ("AccessDenied", "ClientError"), answer
assert ("AccessDenied" in answer["errorMessage"] and "User: arn:aws:sts::123456789012:assumed-role/runner/f is not authorized to "
    'perform: s3:GetObject on resource: "arn:aws:s3:::bucket-2/k" because no identity-based policy allows' in answer["errorMessage"])
_, env, _ = invoke("f", "env")
assert env["A_B"] == "c" and env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12" and env["_HANDLER"] == "lambda_function.lambda_handler"
assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256" and env["AWS_ACCESS_KEY_ID"].startswith("ASIA")
assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand" and env["AWS_ENDPOINT_URL"] == lam.meta.endpoint_url

assert lam.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
before = len(logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="END")["events"])
assert lam.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
until(lambda: len(logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="END")["events"]) > before)
assert refused("InvalidRequestContentException", lam.invoke, FunctionName="f", Payload=b"nonsense").startswith(
    "Could not parse request body into json")
assert f"Function not found: {ARN}nobody" == refused("ResourceNotFoundException", lam.invoke, FunctionName="nobody")
assert f"Function not found: {ARN}f:9" == refused("ResourceNotFoundException", lam.invoke, FunctionName="f", Qualifier="9")

assert [each["FunctionName"] for each in lam.list_functions()["Functions"]] == ["f"]
lam.tag_resource(Resource=ARN + "f", Tags={"a": "b"})
lam.untag_resource(Resource=ARN + "f", TagKeys=["k", "z"])
assert lam.list_tags(Resource=ARN + "f")["Tags"] == {"a": "b"}
assert lam.get_account_settings()["AccountUsage"]["FunctionCount"] == 1

lam.delete_function(FunctionName="f")
assert f"Function not found: {ARN}f" == refused("ResourceNotFoundException", lam.get_function, FunctionName="f")
refused("ResourceNotFoundException", lam.delete_function, FunctionName="f")
assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"], "the log stays"
"##,
    );
    assert_nothing_runs(&server);
    let left =
        |folder: &str| std::fs::read_dir(server.dir.path().join("lambda").join(folder)).unwrap().count();
    super::wait_for(|| (left("code") == 0 && left("environments") == 0).then_some(()));
}

#[test]
fn a_function_may_bring_its_own_runtime() {
    let server = start();
    run(
        &server,
        r##"
me = role()
provided("own", me, "def work(event):\n    return event['answer'].encode()")
told, _, log = invoke("own", {"answer": "[1]"})
assert "FunctionError" not in told and "told 202" in log and "Init Duration" in log, log
# What isn't JSON passes: it is the function's own affair.
told = lam.invoke(FunctionName="own", Payload=json.dumps({"answer": "not JSON"}))
assert told["Payload"].read() == b"not JSON" and "FunctionError" not in told
context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
lam.invoke(FunctionName="own", Payload=json.dumps({"answer": "1"}), ClientContext=context)
refused("InvalidRequestContentException", lam.invoke, FunctionName="own", Payload=b"{}", ClientContext="e30x!")

# From S3, and what cannot be had from there.
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="code-bucket")
s3.put_object(Bucket="code-bucket", Key="f.zip", Body=zipped(bootstrap=BOOTSTRAP % "def work(event):\n    return b'2'"))
lam.update_function_code(FunctionName="own", S3Bucket="code-bucket", S3Key="f.zip")
active("own")
assert invoke("own")[1] == 2
message = refused("InvalidParameterValueException", lam.update_function_code, FunctionName="own", S3Bucket="code-bucket", S3Key="x")
assert message.startswith("Error occurred while GetObject. S3 Error Code: NoSuchKey."), message

def failure(name, **files):
    provided(name, me, "", Code={"ZipFile": zipped(**files)})
    told, answer, log = invoke(name)
    assert told["FunctionError"] == "Unhandled", told
    return answer, log
answer, log = failure("none", other="x")
assert answer["errorType"] == "Runtime.InvalidEntrypoint" and answer["errorMessage"].endswith(
    "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"), answer
assert failure("broken", bootstrap="\x7fELF nothing")[0]["errorMessage"].endswith("fork/exec /var/task/bootstrap: exec format error")
answer, log = failure("exits", bootstrap="#!/bin/sh\necho no model >&2\nexit 3\n")
assert answer["errorType"] == "Runtime.ExitError" and answer["errorMessage"].endswith(
    "Error: Runtime exited with error: exit status 3"), answer
assert answer["errorMessage"].startswith("RequestId: ") and "no model" in log and "Error Type: Runtime.ExitError" in log, log
assert failure("quits", bootstrap="#!/bin/sh\n")[0]["errorMessage"].endswith("Error: Runtime exited without providing a reason")
"##,
    );
}

#[test]
fn python_errors_are_told_as_on_aws() {
    let server = start();
    run(
        &server,
        r##"
me = role()
def failure(name, code, event=None, **more):
    python(name, me, code, **more)
    told, answer, log = invoke(name, event)
    assert told["FunctionError"] == "Unhandled", (told, answer)
    return answer, log
answer, log = failure("import", "import nothing_of_that_name")
assert answer["errorType"] == "Runtime.ImportModuleError" and answer["errorMessage"] == (
    "Unable to import module 'lambda_function': No module named 'nothing_of_that_name'"), answer
assert answer["requestId"] and "Phase: invoke\tStatus: error" in log, "it is tried again in the invocation"
assert failure("syntax", "def")[0]["errorType"] == "Runtime.UserCodeSyntaxError"
answer, _ = failure("missing", "x = 1")
assert (answer["errorType"], answer["errorMessage"]) == (
    "Runtime.HandlerNotFound", "Handler 'lambda_handler' missing on module 'lambda_function'"), answer
answer, _ = failure("handler", "x = 1", Handler="nodot")
assert answer["errorType"] == "Runtime.MalformedHandlerName" and "Bad handler 'nodot'" in answer["errorMessage"], answer
answer, log = failure("marshal", "def lambda_handler(event, context): return {1, 2}")
assert (answer["errorType"], answer["errorMessage"]) == (
    "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"), answer
answer, log = failure("exit", "import sys\ndef lambda_handler(event, context): sys.exit(1)")
assert answer["errorType"] == "Runtime.ExitError" and answer["errorMessage"].endswith(
    " Error: Runtime exited with error: exit status 1"), answer

# A time-out, and the process is gone.
answer, log = failure("slow", "import time\ndef lambda_handler(event, context):\n    print('began')\n    time.sleep(60)", Timeout=1)
request = log.split()[2]
assert answer == {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"}, answer
assert f"{request} Task timed out after 1.00 seconds" in log and "Duration: 1000.00 ms\t" in log and "Status: timeout" in log, log
assert "began" in log

# Memory: what is more than it may have kills it.
grow = "import time\nkept = []\ndef lambda_handler(event, context):\n    if event:\n        kept.append(bytearray(event << 20))\n        time.sleep(5)\n    return 1"
answer, log = failure("large", grow, 300)
assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed"), answer
assert "Max Memory Used: 128 MB" in log, log
lam.update_function_configuration(FunctionName="large", MemorySize=512)
active("large")
told, answer, log = invoke("large", 300)
assert answer == 1, "with more memory the same works"
used = int(log.split("Max Memory Used: ")[1].split()[0])
assert 300 <= used <= 400, used

# Six megabytes.
answer, _ = failure("big", "def lambda_handler(event, context): return 'x' * event", 6291600)
assert answer["errorType"] == "Function.ResponseSizeTooLarge" and answer["errorMessage"] == (
    "Response payload size (6291602 bytes) exceeded maximum allowed payload size (6291556 bytes)."), answer
assert len(invoke("big", 6291554)[1]) == 6291554
body = json.dumps("x" * 6291456)
message = refused("RequestEntityTooLargeException", lam.invoke, FunctionName="big", Payload=body)
assert message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation", message
refused("RequestEntityTooLargeException", lam.invoke, FunctionName="big", Payload=json.dumps("x" * 1048576), InvocationType="Event")
"##,
    );
    assert_nothing_runs_after(server);
}

/// Nothing of any function outlives the server.
fn assert_nothing_runs_after(server: Server) {
    let dir = server.dir.path().to_owned();
    drop(server);
    let wanted = format!("OPSML_INSTANCE_DIR={}", dir.display());
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environ).contains(&wanted), "{}", entry.path().display());
    }
}
