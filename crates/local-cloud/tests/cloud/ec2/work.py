"""User data that looks at its instance from the inside, and writes what it sees to S3."""
script = f"""
export PYTHONPATH={os.environ['PYTHONPATH']}
export AWS_DEFAULT_REGION=us-east-1
echo on stdout; echo on stderr >&2
python3 - <<'END'
import boto3, json, os, urllib.request
from botocore.exceptions import ClientError
seen = {{"environment": dict(os.environ)}}
base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/"
def ask(path, method="GET", **headers):
    request = urllib.request.Request(base + path, method=method, headers={{k.replace("_", "-"): v for k, v in headers.items()}})
    try:
        return urllib.request.urlopen(request).read().decode()
    except urllib.error.HTTPError as error:
        return error.code
put = urllib.request.Request(base + "api/token", method="PUT", headers={{"X-aws-ec2-metadata-token-ttl-seconds": "60"}})
with urllib.request.urlopen(put) as answer:
    token = answer.read().decode()
    seen["ttl"] = answer.headers["X-aws-ec2-metadata-token-ttl-seconds"]
def meta(path):
    return ask("meta-data/" + path, X_aws_ec2_metadata_token=token)
seen["refused"] = [ask("meta-data/"), ask("api/token", "PUT"), ask("meta-data/", X_aws_ec2_metadata_token="x"),
    ask("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60", X_Forwarded_For="10.0.0.1"), meta("spot/instance-action")]
for path in ("instance-id", "instance-type", "ami-id", "placement/region", "placement/availability-zone", "iam/info",
        "iam/security-credentials/", "local-ipv4", "public-keys/", "public-keys/0/openssh-key", "security-groups",
        "instance-life-cycle", ""):
    seen[path] = meta(path)
seen["document"] = json.loads(ask("dynamic/instance-identity/document", X_aws_ec2_metadata_token=token))
seen["user-data"] = ask("user-data", X_aws_ec2_metadata_token=token)[:11]
seen["caller"] = boto3.client("sts").get_caller_identity()["Arn"]
s3 = boto3.client("s3")
try:
    s3.put_object(Bucket="other", Key="x", Body=b"x")
except ClientError as error:
    seen["denied"] = str(error)
s3.put_object(Bucket="work", Key="seen", Body=json.dumps(seen).encode())
END
sudo -E env LATER=1 shutdown -h now
sleep 300
"""
