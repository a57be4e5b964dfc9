"""Errors of Python functions, a time-out, and the limits of memory and payloads."""
me = role()
def failure(name, code, event=None, **more):
    python(name, me, code, **more)
    response, answer, log = invoke(name, event)
    assert response["FunctionError"] == "Unhandled", (response, answer)
    return answer, log
answer, log = failure("import", "import nothing_of_that_name")
assert answer["errorType"] == "Runtime.ImportModuleError" and answer["errorMessage"] == (
    "Unable to import module 'lambda_function': No module named 'nothing_of_that_name'"), answer
assert answer["requestId"] and "Phase: invoke\tStatus: error" in log, "the initialisation is repeated in the invocation"
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

# A process that exceeds its memory is killed.
grow = "import time\nkept = []\ndef lambda_handler(event, context):\n    if event:\n        kept.append(bytearray(event << 20))\n        time.sleep(5)\n    return 1"
answer, log = failure("large", grow, 300)
assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed"), answer
assert "Max Memory Used: 128 MB" in log, log
lam.update_function_configuration(FunctionName="large", MemorySize=512)
active("large")
response, answer, log = invoke("large", 300)
assert answer == 1, "with more memory the same invocation works"
used = int(log.split("Max Memory Used: ")[1].split()[0])
assert 300 <= used <= 400, used

# Payloads of six megabytes at most.
answer, _ = failure("big", "def lambda_handler(event, context): return 'x' * event", 6291600)
assert answer["errorType"] == "Function.ResponseSizeTooLarge" and answer["errorMessage"] == (
    "Response payload size (6291602 bytes) exceeded maximum allowed payload size (6291556 bytes)."), answer
assert len(invoke("big", 6291554)[1]) == 6291554
body = json.dumps("x" * 6291456)
message = refused("RequestEntityTooLargeException", lam.invoke, FunctionName="big", Payload=body)
assert message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation", message
refused("RequestEntityTooLargeException", lam.invoke, FunctionName="big", Payload=json.dumps("x" * 1048576), InvocationType="Event")
