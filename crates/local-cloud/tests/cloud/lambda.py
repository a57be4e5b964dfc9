"""What the Lambda snippets start with: every answer is held against botocore's own model."""
import base64
import io
import time
import zipfile

from botocore.validate import ParamValidator

lam = boto3.client("lambda", config=config)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


def check(model, parsed, http_response, **_):
    if http_response.status_code < 300 and model.output_shape:
        told = {name: value for name, value in parsed.items() if name not in ("ResponseMetadata", "Payload")}
        report = ParamValidator().validate(told, model.output_shape)
        assert not report.has_errors(), (model.name, report.generate_report())
        unknown = set(told) - set(model.output_shape.members)
        assert not unknown, (model.name, unknown)


lam.meta.events.register("after-call.lambda", check)


def zipped(**files):
    """A zip of files, whose names have `__` for a dot."""
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
    raise AssertionError("waited in vain")


def active(name):
    until(lambda: (told := lam.get_function_configuration(FunctionName=name))["State"] == "Active"
          and told["LastUpdateStatus"] == "Successful")


def python(name, role, code, **more):
    """A Python function of this source."""
    arguments = dict(FunctionName=name, Runtime="python3.12", Role=role, Handler="lambda_function.lambda_handler",
                     Code={"ZipFile": zipped(lambda_function__py=code)}, Timeout=30)
    made = lam.create_function(**{**arguments, **more})
    active(name)
    return made


def invoke(name, event=None, **more):
    """The answer, its payload as JSON, and its log."""
    told = lam.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **more)
    log = base64.b64decode(told.get("LogResult", "")).decode()
    payload = told["Payload"].read()
    return told, json.loads(payload) if payload else None, log


# A runtime in a few lines, as anybody may write one: it answers with what `work` makes of an event.
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
    status, _, told = call("POST", f"invocation/{request}/response", work(json.loads(event)))
    print("told", status, flush=True)
"""


def provided(name, role, work, **more):
    """A function with a runtime of its own, whose `work` this is."""
    arguments = dict(FunctionName=name, Runtime="provided.al2023", Role=role, Handler="bootstrap", Timeout=30,
                     Code={"ZipFile": zipped(bootstrap=BOOTSTRAP % work)})
    made = lam.create_function(**{**arguments, **more})
    active(name)
    return made
