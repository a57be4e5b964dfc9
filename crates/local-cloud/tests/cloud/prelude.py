"""What every Python snippet of the tests starts with."""
import json
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

config = Config(retries={"max_attempts": 0})
iam, sts, logs = (boto3.client(name, config=config) for name in ("iam", "sts", "logs"))


def refused(code, call, **arguments):
    """The message of the error that the call must answer."""
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
    """A client of `service` that acts as the role."""
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
    return boto3.client(
        service, config=config, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
