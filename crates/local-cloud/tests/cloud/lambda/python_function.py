"""A Python function: created, invoked in all ways, listed, tagged, deleted."""
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
response = lam.get_function(FunctionName=ARN + "f")
assert response["Tags"] == {"k": "v"} and response["Configuration"]["MemorySize"] == 256, response
assert response["Configuration"]["Environment"] == {"Variables": {"A_B": "c"}}
assert "Function already exist: f" == refused("ResourceConflictException", lambda: python("f", me, code))

response, answer, log = invoke("f", {"url": "x"})
assert response["StatusCode"] == 200 and response["ExecutedVersion"] == "$LATEST" and "FunctionError" not in response, (response, answer)
assert answer["arn"] == "arn:aws:sts::123456789012:assumed-role/runner/f" and answer["body"] == "hello", answer
assert (answer["version"], answer["memory"], answer["name"]) == ("$LATEST", "256", "f")
assert answer["invoked"] == ARN + "f" and answer["group"] == "/aws/lambda/f" and 0 < answer["left"] <= 20000
assert answer["id"] == response["ResponseMetadata"]["RequestId"]
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

response, answer, log = invoke("f", "fail")
assert response["FunctionError"] == "Unhandled" and response["StatusCode"] == 200
assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no such picture") and answer["requestId"]
assert len(answer["stackTrace"]) == 1 and "in lambda_handler" in answer["stackTrace"][0], answer
assert "[ERROR] ValueError: no such picture" in log and "Traceback" in log and "Error Type: ValueError" in log
response, answer, log = invoke("f", "denied")
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
