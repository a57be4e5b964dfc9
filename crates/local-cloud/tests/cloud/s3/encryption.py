import io, sys, tempfile
from boto3.s3.transfer import TransferConfig
s3.create_bucket(Bucket="bucket-1")
text = b"a secret that stands in no file. "
kms = {"Bucket": "bucket-1", "ServerSideEncryption": "aws:kms"}
put = s3.put_object(**kms, Key="k", Body=text)
arn = put["SSEKMSKeyId"]
assert put["ServerSideEncryption"] == "aws:kms" and arn.startswith("arn:aws:kms:us-east-1:123456789012:key/"), put
# Pieces of every length come back, whole and by range.
big = text * 100_000
for key, body in {"empty": b"", "piece": big[:1 << 20], "more": big[:(1 << 20) + 1], "big": big}.items():
    s3.put_object(**kms, Key=key, Body=body, SSEKMSKeyId=arn)
    found = s3.get_object(Bucket="bucket-1", Key=key)
    assert found["Body"].read() == body and found["SSEKMSKeyId"] == arn, key
    assert s3.head_object(Bucket="bucket-1", Key=key)["ServerSideEncryption"] == "aws:kms"
for first, last in ((0, 0), (5, 2_000_000), ((1 << 20) - 1, 1 << 20), (1 << 20, 1 << 20), (2_500_000, len(big) - 1)):
    part = s3.get_object(Bucket="bucket-1", Key="big", Range=f"bytes={first}-{last}")["Body"].read()
    assert part == big[first:last + 1], (first, last)
# Multipart uploads and copies, from and to what isn't encrypted.
small = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
parts = (big * 4)[:11 << 20]
s3.upload_fileobj(io.BytesIO(parts), "bucket-1", "parts", Config=small, ExtraArgs={"ServerSideEncryption": "aws:kms"})
assert s3.get_object(Bucket="bucket-1", Key="parts")["Body"].read() == parts
pending = s3.create_multipart_upload(**kms, Key="pending")
assert pending["ServerSideEncryption"] == "aws:kms"
s3.upload_part(Bucket="bucket-1", Key="pending", UploadId=pending["UploadId"], PartNumber=1, Body=text)
s3.copy_object(**kms, Key="copy", CopySource="bucket-1/parts", SSEKMSKeyId="alias/aws/s3")
assert s3.get_object(Bucket="bucket-1", Key="copy")["Body"].read() == parts
s3.put_object(**kms, Key="out", Body=b"other")
plain = s3.copy_object(Bucket="bucket-1", Key="plain", CopySource="bucket-1/out")
assert plain["ServerSideEncryption"] == "AES256" and "SSEKMSKeyId" not in plain
assert s3.get_object(Bucket="bucket-1", Key="plain")["Body"].read() == b"other"
# A key of the customer's own needs a KMS.
own = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
assert own in refused("NotImplemented", s3.put_object, **kms, Key="k", Body=b"", SSEKMSKeyId=own)
assert "aws:kms:dsse" in refused("NotImplemented", s3.put_object, **{**kms, "ServerSideEncryption": "aws:kms:dsse"}, Key="k", Body=b"")
refused("InvalidArgument", s3.put_object, Bucket="bucket-1", Key="k", Body=b"", SSEKMSKeyId=arn)
# A bucket may have it as its default.
rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": False}]}
s3.put_bucket_encryption(Bucket="bucket-1", ServerSideEncryptionConfiguration=rule)
assert s3.get_bucket_encryption(Bucket="bucket-1")["ServerSideEncryptionConfiguration"] == rule
assert s3.put_object(Bucket="bucket-1", Key="default", Body=text)["SSEKMSKeyId"] == arn
assert s3.put_object(Bucket="bucket-1", Key="asked", Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
print(arn)
