"""A function with a runtime of its own, code from S3, and bootstraps that cannot be run."""
me = role()
provided("own", me, "def work(event):\n    return event['answer'].encode()")
response, _, log = invoke("own", {"answer": "[1]"})
assert "FunctionError" not in response and "status 202" in log and "Init Duration" in log, log
# A response need not be JSON.
response = lam.invoke(FunctionName="own", Payload=json.dumps({"answer": "not JSON"}))
assert response["Payload"].read() == b"not JSON" and "FunctionError" not in response
context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
lam.invoke(FunctionName="own", Payload=json.dumps({"answer": "1"}), ClientContext=context)
refused("InvalidRequestContentException", lam.invoke, FunctionName="own", Payload=b"{}", ClientContext="e30x!")

# Code from S3, and an object that does not exist.
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
    response, answer, log = invoke(name)
    assert response["FunctionError"] == "Unhandled", response
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
