"""A pytest plugin that runs moto's tests, on moto itself or against local clouds, and records the calls of each test.

JUDGE_RECORD is the file to which it appends an object a line for each test. JUDGE_OPSML is the program that serves the
clouds; without it, the tests run on moto. JUDGE_FACTS is the record of a run on moto: there a test's region is found.
"""
import json
import os
import signal
import tempfile
import time
from collections import Counter

import botocore.client
import botocore.exceptions
import pytest

import clouds

# A test that takes longer than this many seconds hangs. On moto itself, those that need Docker do, where there is none.
LIMIT, LIMIT_WITHOUT_DOCKER = 60, 3
# Services that aren't of a region, so that a client's region says nothing about a test's.
GLOBAL = {"iam", "sts"}
# What moto's tests use as images that exist. On AWS they'd be others, as on the local cloud.
MOTOS_IMAGES = ("ami-12c6146b", "ami-03cf127a")
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64"


class Judge:
    def __init__(self):
        self.record = open(os.environ["JUDGE_RECORD"], "a", encoding="utf-8", buffering=1)
        self.regions = facts(os.environ.get("JUDGE_FACTS"))
        self.clouds = None
        self.calls, self.names, self.fault = [], {}, None

    def on_clouds(self, opsml):
        folder = tempfile.mkdtemp(prefix="judge-moto-")
        self.clouds = clouds.Clouds(opsml, folder)
        os.environ.update(self.clouds.environment)
        disarm_moto()

    def begin(self, item):
        self.calls, self.names, self.fault = [], {}, None
        if self.clouds is None:
            return
        os.environ["MOTO_TEST_ALLOW_AWS_REQUEST"] = str(marked(item, "aws_verified")).lower()
        regions = self.regions.get(item.nodeid, [])
        region = regions[0] if len(regions) == 1 else clouds.HOME_REGION
        self.clouds.fresh(region)

    def call(self, send, client, operation, parameters):
        """Makes a call of boto3's, and records it."""
        service = client.meta.service_model.service_name
        made = {"call": f"{service}.{operation}", "region": None if service in GLOBAL else client.meta.region_name}
        self.calls.append(made)
        ours = self.images(client) if self.clouds and service in ("ec2", "autoscaling") else {}
        try:
            answer = send(client, operation, exchanged(parameters, ours))
            return exchanged(answer, {new: old for old, new in ours.items()})
        except botocore.exceptions.ClientError as error:
            made["code"] = error.response["Error"].get("Code")
            made["message"] = error.response["Error"].get("Message")
            made["status"] = error.response["ResponseMetadata"].get("HTTPStatusCode")
            raise

    def images(self, client):
        """Returns the image of the local cloud that stands for moto's, whichever that is in the region."""
        if not self.names:
            import boto3
            self.names["asked"] = None
            ssm = boto3.client("ssm", region_name=self.clouds.region)
            image = ssm.get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]
            self.calls.pop()
            self.names = {MOTOS_IMAGES[0]: image}
        return {} if "asked" in self.names else self.names

    def end(self, item, outcome, seconds):
        calls = [made for made in self.calls if "code" in made]
        self.record.write(json.dumps({
            "id": item.nodeid, "outcome": outcome, "seconds": round(seconds, 2), "fault": self.fault,
            "verified": marked(item, "aws_verified"), "docker": marked(item, "requires_docker"),
            "calls": dict(Counter(made["call"] for made in self.calls)),
            "regions": sorted({made["region"] for made in self.calls if made["region"]}),
            "errors": calls,
        }) + "\n")


def marked(item, name):
    return item.get_closest_marker(name) is not None


def facts(path):
    """Returns the regions of each test, as a run on moto recorded them."""
    if not path:
        return {}
    with open(path, encoding="utf-8") as lines:
        tests = [json.loads(line) for line in lines]
    return {test["id"]: test["regions"] for test in tests}


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
    os.environ["TEST_SERVER_MODE"] = "true"
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
    signal.signal(signal.SIGALRM, ring)


def pytest_unconfigure(config):
    if JUDGE.clouds:
        JUDGE.clouds.stop()


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
