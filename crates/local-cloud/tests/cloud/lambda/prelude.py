"""The beginning of Lambda's test programs. Every answer is checked against botocore's model."""
import base64
import io
import time
import zipfile

from botocore.validate import ParamValidator

lam = boto3.client("lambda", config=config)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


def check(model, parsed, http_response, **_):
    if http_response.status_code < 300 and model.output_shape:
        response = {name: value for name, value in parsed.items() if name not in ("ResponseMetadata", "Payload")}
        report = ParamValidator().validate(response, model.output_shape)
        assert not report.has_errors(), (model.name, report.generate_report())
        unknown = set(response) - set(model.output_shape.members)
        assert not unknown, (model.name, unknown)


lam.meta.events.register("after-call.lambda", check)


def zipped(**files):
    """Returns a zip of files. In their names `__` stands for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name.replace("__", "."))
            info.external_attr = 0o755 << 16
            archive.writestr(info, text)
    return out.getvalue()


def role(name="runner", *statements, logs=True):
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    if logs:
        iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=policy("logs:*", "*"))
    for number, statement in enumerate(statements):
        iam.put_role_policy(RoleName=name, PolicyName=str(number), PolicyDocument=statement)
    return made["Role"]["Arn"]


def until(found, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} s")


def active(name):
    until(lambda: (response := lam.get_function_configuration(FunctionName=name))["State"] == "Active"
          and response["LastUpdateStatus"] == "Successful")


def python(name, role, code, **more):
    """Creates a Python function with this source."""
    arguments = dict(FunctionName=name, Runtime="python3.12", Role=role, Handler="lambda_function.lambda_handler",
                     Code={"ZipFile": zipped(lambda_function__py=code)}, Timeout=30)
    made = lam.create_function(**{**arguments, **more})
    active(name)
    return made


def invoke(name, event=None, **more):
    """Invokes a function; returns the response, its payload as JSON, and the log."""
    response = lam.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **more)
    log = base64.b64decode(response.get("LogResult", "")).decode()
    payload = response["Payload"].read()
    return response, json.loads(payload) if payload else None, log


# A runtime in a few lines: it answers with what `work` returns for an event.
BOOTSTRAP = """#!/usr/bin/env python3
import http.client, json, os, sys, time
def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
%s
while True:
    _, headers, event = call("GET", "invocation/next")
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    status, _, response = call("POST", f"invocation/{request}/response", work(json.loads(event)))
    print("status", status, flush=True)
"""


def provided(name, role, work, **more):
    """Creates a function with a runtime of its own, whose `work` is given."""
    arguments = dict(FunctionName=name, Runtime="provided.al2023", Role=role, Handler="bootstrap", Timeout=30,
                     Code={"ZipFile": zipped(bootstrap=BOOTSTRAP % work)})
    made = lam.create_function(**{**arguments, **more})
    active(name)
    return made
