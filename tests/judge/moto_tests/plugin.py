"""A pytest plugin that runs moto's tests, on moto itself or against local clouds, and records the calls of each test.

JUDGE_RECORD is the file to which it appends an object a line for each test. JUDGE_OPSML is the program that serves the
clouds; without it, the tests run on moto.
"""
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter

import boto3
import botocore.client
import botocore.exceptions
import pytest
import requests

import clouds

# A test that takes longer than this many seconds hangs. On moto itself, those that need Docker do, where there is none.
LIMIT, LIMIT_WITHOUT_DOCKER = 60, 3
# What moto's tests use as an image that exists. On AWS it'd be another one, as on the local cloud.
MOTOS_IMAGE = "ami-12c6146b"
# The services that take a role on, by the client that names it.
TRUSTED = {"sagemaker": "sagemaker.amazonaws.com", "lambda": "lambda.amazonaws.com"}
ROLE = re.compile(r"arn:aws:iam::123456789012:role/(?![\w+=,.@/-]*unknown)([\w+=,.@/-]+)")
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64"


class Judge:
    def __init__(self):
        self.record = open(os.environ["JUDGE_RECORD"], "a", encoding="utf-8", buffering=1)
        self.clouds, self.placed, self.of = None, 0, None
        self.calls, self.errors, self.names, self.made, self.exchanged, self.fault = [], [], {}, set(), False, None

    def on_clouds(self, opsml):
        folder = tempfile.mkdtemp(prefix="judge-moto-")
        self.clouds = clouds.Clouds(opsml, folder)
        os.environ.update(self.clouds.environment)
        disarm_moto()

    def begin(self, item):
        self.calls, self.errors, self.names, self.made, self.exchanged, self.fault = [], [], {}, set(), False, None
        if self.clouds is None:
            return
        os.environ["MOTO_TEST_ALLOW_AWS_REQUEST"] = str(marked(item, "aws_verified")).lower()
        # What a class has set up is for all of its tests.
        together = item.cls is not None and hasattr(item.cls, "setup_class")
        if not together or item.cls is not self.of:
            self.clouds.fresh()
            self.placed = 0
        self.of = item.cls

    def place(self, service, region):
        """Moves the cloud to the region of a test, which its first call of a service of regions says. S3's clients are
        often of another region than the test, so that those of other services count more."""
        rank = {"iam": 0, "sts": 0, "s3": 1}.get(service, 2)
        if self.placed < rank:
            self.placed = rank
            self.clouds.move(region)

    def call(self, send, client, operation, parameters):
        """Makes a call of boto3's, and records it."""
        service = client.meta.service_model.service_name
        made = f"{service}.{operation}"
        self.calls.append(made)
        if self.clouds:
            self.place(service, client.meta.region_name)
        if self.clouds and operation == "CreateBucket" and client.meta.region_name != self.clouds.region:
            # The test is of another region, in which its bucket is then, too.
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.clouds.region}}
            parameters = {**parameters, **(place if self.clouds.region != clouds.HOME_REGION else {})}
        if self.clouds and service in TRUSTED:
            self.roles(service, parameters)
        if self.clouds and operation == "CreateRole" and not is_policy(parameters.get("AssumeRolePolicyDocument")):
            parameters = {**parameters, "AssumeRolePolicyDocument": trust(*TRUSTED.values())}
        ours = self.images(client) if self.clouds and service in ("ec2", "autoscaling") else {}
        try:
            asked = exchanged(parameters, ours)
            self.exchanged |= asked != parameters
            answer = send(client, operation, asked)
            return exchanged(answer, {new: old for old, new in ours.items()} if self.exchanged else {})
        except botocore.exceptions.ClientError as error:
            found = error.response["Error"]
            self.errors.append({"call": made, "code": found.get("Code"), "message": found.get("Message")})
            raise

    def send(self, send, session, request, **named):
        """Sends a request that a test makes without boto3, and records the error that answers it."""
        answer = send(session, request, **named)
        if answer.status_code >= 400 and not named.get("stream"):
            found = [re.search(f"<{name}>(.*?)</{name}>", answer.text, re.DOTALL) for name in ("Code", "Message")]
            code, message = (match and match[1] for match in found)
            self.errors.append({"call": f"HTTP {request.method}", "code": code, "message": message})
        return answer

    def roles(self, service, parameters):
        """Makes the roles that a call names, and that moto takes for granted. On AWS they'd have to be there, too."""
        for name in set(ROLE.findall(json.dumps(parameters, default=str))) - self.made:
            self.made.add(name)
            calls, errors = self.calls, self.errors
            self.calls, self.errors = [], []
            path, _, last = f"/{name}".rpartition("/")
            try:
                boto3.client("iam").create_role(Path=f"{path}/", RoleName=last, AssumeRolePolicyDocument=trust(TRUSTED[service]))
            except botocore.exceptions.ClientError:
                pass  # It is there.
            self.calls, self.errors = calls, errors

    def images(self, client):
        """Returns the image of the local cloud that stands for moto's, whichever that is in the region."""
        if not self.names:
            self.names["asked"] = None
            ssm = boto3.client("ssm", region_name=self.clouds.region)
            image = ssm.get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]
            self.calls.pop()
            self.names = {MOTOS_IMAGE: image}
        return {} if "asked" in self.names else self.names

    def end(self, item, outcome, seconds):
        self.record.write(json.dumps({
            "id": item.nodeid, "outcome": outcome, "seconds": round(seconds, 2), "fault": self.fault,
            "verified": marked(item, "aws_verified"), "docker": marked(item, "requires_docker"),
            "calls": dict(Counter(self.calls)),
            "errors": self.errors,
        }) + "\n")


def is_policy(text):
    """Whether a text is a policy. moto takes any text for a trust policy ("some policy", "{}"), and AWS doesn't."""
    try:
        return bool(json.loads(text).get("Statement"))
    except (TypeError, ValueError, AttributeError):
        return False


def trust(*services):
    """Returns a trust policy."""
    statement = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def marked(item, name):
    return item.get_closest_marker(name) is not None


def exchanged(value, names):
    """Returns a value with other names in the place of some."""
    if not names:
        return value
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: exchanged(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [exchanged(item, names) for item in value]
    return value


def disarm_moto():
    """Makes mock_aws do nothing, so that boto3 goes where the environment says."""
    from moto.core.config import default_user_config
    from moto.core.models import ServerModeMockAWS
    default_user_config["core"]["mock_credentials"] = False
    for name in ("reset", "_enable_patching", "_disable_patching"):
        setattr(ServerModeMockAWS, name, lambda self, *arguments, **named: None)


class TooLong(Exception):
    """A test hangs."""


def ring(_signal, _frame):
    raise TooLong("the test takes too long")


JUDGE = Judge()


def pytest_configure(config):
    opsml = os.environ.get("JUDGE_OPSML")
    if opsml:
        JUDGE.on_clouds(opsml)
    send = botocore.client.BaseClient._make_api_call
    botocore.client.BaseClient._make_api_call = \
        lambda client, operation, parameters: JUDGE.call(send, client, operation, parameters)
    sent = requests.Session.send
    requests.Session.send = lambda session, request, **named: JUDGE.send(sent, session, request, **named)
    signal.signal(signal.SIGALRM, ring)


def pytest_unconfigure(config):
    if JUDGE.clouds:
        JUDGE.clouds.stop()
        shutil.rmtree(JUDGE.clouds.folder, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    JUDGE.begin(item)
    item.judged, started = "passed", time.monotonic()
    signal.alarm(LIMIT if JUDGE.clouds or not marked(item, "requires_docker") else LIMIT_WITHOUT_DOCKER)
    yield
    signal.alarm(0)
    JUDGE.end(item, item.judged, time.monotonic() - started)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.judged = "failed"
        # The first fault is the test's; one of its cleaning up may follow.
        JUDGE.fault = JUDGE.fault or f"{call.excinfo.typename}: {call.excinfo.value}"[:600]
    elif report.skipped and item.judged == "passed":
        item.judged = "skipped"
        JUDGE.fault = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)[:200]
