s3.create_bucket(Bucket="bucket-1")
s3.put_object(Bucket="bucket-1", Key="a/x", Body=b"x")
iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy("s3:GetObject", "arn:aws:s3:::bucket-1/a/*"))
reader = as_role("reader", "s3")
assert reader.get_object(Bucket="bucket-1", Key="a/x")["Body"].read() == b"x"
message = refused("AccessDenied", reader.list_objects_v2, Bucket="bucket-1")
assert message == (
    'User: arn:aws:sts::123456789012:assumed-role/reader/test is not authorized to perform: s3:ListBucket on resource: '
    '"arn:aws:s3:::bucket-1" because no identity-based policy allows the s3:ListBucket action'), message
refused("AccessDenied", reader.put_object, Bucket="bucket-1", Key="a/x", Body=b"")
refused("AccessDenied", reader.get_object, Bucket="bucket-1", Key="a/none")  # it isn't shown that the object doesn't exist
found = reader.delete_objects(Bucket="bucket-1", Delete={"Objects": [{"Key": "a/x"}]})
assert found["Errors"][0]["Code"] == "AccessDenied"
refused("AccessDenied", reader.copy_object, Bucket="bucket-1", Key="b", CopySource="bucket-1/a/x")

from botocore import UNSIGNED
anonymous = boto3.client("s3", config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}))
refused("AccessDenied", anonymous.get_object, Bucket="bucket-1", Key="a/x")
forged = boto3.client("s3", config=config, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
refused("InvalidAccessKeyId", forged.get_object, Bucket="bucket-1", Key="a/x")
import urllib.request
url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket-1", "Key": "a/x"})
assert urllib.request.urlopen(url).read() == b"x"

# An operation that the cloud lacks is refused before permissions are checked.
message = refused("NotImplemented", reader.get_object_torrent, Bucket="bucket-1", Key="a/x")
assert message == "The local cloud does not support GetObjectTorrent of S3.", message
