"""The Runtime API of a function's environment, which stays after an invocation."""
python("f", role(), """
import os
def lambda_handler(event, context):
    return os.environ["AWS_LAMBDA_RUNTIME_API"]
""")
_, api, log = invoke("f")
port = int(api.rsplit(":", 1)[1])
for status, answer in is_guarded(port, "/2018-06-01/runtime/invocation/x/response", method="POST"):
    assert status == 400 and "Invalid request ID" in answer, answer
for status, answer in is_guarded(port, "/"):
    assert status == 404, answer
# None of this has reached the function.
_, again, log = invoke("f")
assert again == api and "Init Duration" not in log, (again, log)
lam.delete_function(FunctionName="f")
