import os
import sys
from botocore.exceptions import ClientError

# aws:SecureTransport is whether a request came over TLS: at the server's own port, or at the host of AWS's that it is.
trusted, plain = sys.argv[1], os.environ["AWS_ENDPOINT_URL"]
secure = plain.replace("http://", "https://")
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="bkt")
iam.create_user(UserName="u")
key = iam.create_access_key(UserName="u")["AccessKey"]
keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def over_tls(call):
    """Returns whether a call is over TLS, by what may be done under conditions on it."""
    seen = set()
    for wanted in ("true", "false"):
        condition = {"Bool": {"aws:SecureTransport": wanted}}
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy("*", "*", Condition=condition))
        try:
            call()
            seen.add(wanted)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied", error
    assert len(seen) == 1, seen
    return seen == {"true"}


def client(service, url):
    return boto3.client(service, config=config, endpoint_url=url, verify=trusted, **keys)


for service, call in (("s3", lambda s3: s3.list_objects_v2(Bucket="bkt")), ("iam", lambda iam: iam.list_users())):
    assert not over_tls(lambda: call(client(service, plain)))
    assert over_tls(lambda: call(client(service, secure)))
    assert over_tls(lambda: call(client(service, secure.replace("127.0.0.1", "localhost"))))
os.environ["HTTPS_PROXY"] = plain
assert over_tls(lambda: client("iam", "https://iam.amazonaws.com").list_users())
del os.environ["HTTPS_PROXY"]

# AWS's recommended policy: nothing but TLS.
s3.put_bucket_policy(Bucket="bkt", Policy=policy(
    "s3:*", ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"], effect="Deny", Principal="*",
    Condition={"Bool": {"aws:SecureTransport": "false"}}))
assert refused("AccessDenied", s3.put_object, Bucket="bkt", Key="k", Body=b"x").endswith(
    "with an explicit deny in a resource-based policy")
boto3.client("s3", config=config, endpoint_url=secure, verify=trusted).put_object(Bucket="bkt", Key="k", Body=b"x")

# What the cloud runs has an endpoint without TLS where AWS would give it one with TLS, and isn't denied for that.
iam.create_role(RoleName="f", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
iam.put_role_policy(RoleName="f", PolicyName="p", PolicyDocument=policy("s3:*", "*"))
code = """
import boto3

def handler(event, context):
    return boto3.client("s3").get_object(Bucket="bkt", Key="k")["Body"].read().decode()
"""
lam.create_function(
    FunctionName="f", Runtime="python3.12", Role="arn:aws:iam::123456789012:role/f", Handler="f.handler", Timeout=20,
    Code={"ZipFile": zipped(f__py=code)})
lam.get_waiter("function_active_v2").wait(FunctionName="f")
answer = lam.invoke(FunctionName="f")["Payload"].read()
assert answer == b'"x"', answer
