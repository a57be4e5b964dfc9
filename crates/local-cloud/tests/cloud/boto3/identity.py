"""Who the caller is, signatures that are refused, and operations that the cloud lacks."""
import urllib.error
import urllib.request

from botocore import UNSIGNED

me = sts.get_caller_identity()
assert me["Account"] == "123456789012" and me["Arn"] == "arn:aws:iam::123456789012:user/opsml", me
assert me["UserId"].startswith("AIDA") and len(me["UserId"]) == 21
assert iam.get_user()["User"]["UserName"] == "opsml"

def other(service, **keys):
    both = {"aws_access_key_id": "AKIA" + "A" * 16, "aws_secret_access_key": "x" * 40, **keys}
    return boto3.client(service, config=config, **both)
own = boto3.Session().get_credentials()
assert "security token" in refused("InvalidClientTokenId", other("sts").get_caller_identity)
refused("UnrecognizedClientException", other("logs").describe_log_groups)
wrong = {"aws_access_key_id": own.access_key}
refused("SignatureDoesNotMatch", other("sts", **wrong).get_caller_identity)
refused("InvalidSignatureException", other("logs", **wrong).describe_log_groups)
stray = {"aws_access_key_id": own.access_key, "aws_secret_access_key": own.secret_key, "aws_session_token": "x"}
refused("InvalidClientTokenId", other("sts", **stray).get_caller_identity)
elsewhere = boto3.client("logs", config=config, region_name="eu-west-1")
assert "eu-west-1" in refused("InvalidSignatureException", elsewhere.describe_log_groups)
# IAM is of no region, and STS of all.
assert boto3.client("iam", config=config, region_name="eu-west-1").get_user()["User"]["UserName"] == "opsml"
assert boto3.client("sts", config=config, region_name="eu-west-1").get_caller_identity()["Arn"] == me["Arn"]

unsigned = boto3.client("sts", config=Config(signature_version=UNSIGNED))
refused("MissingAuthenticationToken", unsigned.get_caller_identity)
federated = {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "name", "WebIdentityToken": "token"}
assert "AssumeRoleWithWebIdentity" in refused("UnknownOperationException", unsigned.assume_role_with_web_identity, **federated)

# A presigned URL is valid for its method and parameters, until it expires.
url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
assert b"user/opsml" in urllib.request.urlopen(url).read()
def status(url, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code
assert status(url.replace("GetCallerIdentity", "GetSessionToken")) == 403
assert status(url, Host="evil.example") == 403

# The error about an operation that the cloud lacks is in the client's own protocol.
assert "does not support" in refused("UnknownOperationException", iam.list_saml_providers)
assert "does not support" in refused("UnknownOperationException", logs.describe_metric_filters)
assert "does not support" in refused("UnknownOperationException", boto3.client("sns", config=config).list_topics)
assert "does not support" in refused("UnknownOperationException", boto3.client("ecr", config=config).describe_repositories)
