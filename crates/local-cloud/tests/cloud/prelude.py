"""The beginning of every Python program of the tests."""
import json
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator


def fits_model(model, parsed, http_response, **_):
    """Asserts that an answer has the shape of botocore's model: required members, types, lengths."""
    if http_response.status_code < 300 and model.output_shape:
        output = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        report = ParamValidator().validate(output, model.output_shape)
        assert not report.has_errors(), f"{model.name}: {report.generate_report()}"


# It runs before botocore's own handlers, which decode policy documents.
boto3.setup_default_session()
for service in ("iam", "sts", "logs"):
    boto3.DEFAULT_SESSION.events.register_first(f"after-call.{service}", fits_model)
config = Config(retries={"max_attempts": 0})
iam, sts, logs = (boto3.client(name, config=config) for name in ("iam", "sts", "logs"))


def refused(code, call, **arguments):
    """Asserts that a call fails with an error code, and returns the error's message."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response["Error"]["Message"]
    raise AssertionError(f"not refused with {code}")


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(action, resource, effect="Allow", **more):
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def as_role(name, service, session="test"):
    """Returns a client of `service` that acts as the role."""
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
    return boto3.client(
        service, config=config, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
