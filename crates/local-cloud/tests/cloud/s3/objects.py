import os
s3.create_bucket(Bucket="bucket-1")
s3.create_bucket(Bucket="bucket-1")  # in us-east-1, creating one's own bucket again succeeds
assert s3.get_bucket_location(Bucket="bucket-1")["LocationConstraint"] is None
hostile = ["../../etc/passwd", "a/../b", "/abs", "a//b", "a" * 1024, "täst %2F+ &<>", "x\x01y", "a\n"]
for key in hostile:
    s3.put_object(Bucket="bucket-1", Key=key, Body=key.encode(), Metadata={"name": "value"}, ContentType="text/x")
for key in hostile:
    found = s3.get_object(Bucket="bucket-1", Key=key)
    assert found["Body"].read() == key.encode(), key
    assert found["Metadata"] == {"name": "value"} and found["ContentType"] == "text/x"
listed = [o["Key"] for o in s3.list_objects_v2(Bucket="bucket-1")["Contents"]]
assert listed == sorted(hostile, key=lambda k: k.encode()), listed

big = os.urandom(5_000_000)
import hashlib
etag = s3.put_object(Bucket="bucket-1", Key="big", Body=big)["ETag"]
assert etag == f'"{hashlib.md5(big).hexdigest()}"'
assert s3.get_object(Bucket="bucket-1", Key="big")["Body"].read() == big
part = s3.get_object(Bucket="bucket-1", Key="big", Range="bytes=1000000-2999999")
assert part["Body"].read() == big[1000000:3000000] and part["ContentRange"] == "bytes 1000000-2999999/5000000"
assert s3.get_object(Bucket="bucket-1", Key="big", Range="bytes=-5")["Body"].read() == big[-5:]
refused("InvalidRange", s3.get_object, Bucket="bucket-1", Key="big", Range="bytes=5000000-")
s3.put_object(Bucket="bucket-1", Key="empty", Body=b"")
assert s3.get_object(Bucket="bucket-1", Key="empty")["Body"].read() == b""

for algorithm in ("CRC32", "CRC64NVME", "SHA256", "SHA1", "CRC32C"):
    try:
        s3.put_object(Bucket="bucket-1", Key="sum", Body=b"abc", ChecksumAlgorithm=algorithm)
    except Exception as error:
        assert "crt" in str(error).lower(), error
refused("BadDigest", s3.put_object, Bucket="bucket-1", Key="bad", Body=b"abc", ChecksumCRC32="AAAAAA==")
refused("BadDigest", s3.put_object, Bucket="bucket-1", Key="bad", Body=b"abc", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
refused("NoSuchKey", s3.get_object, Bucket="bucket-1", Key="bad")
refused("NoSuchBucket", s3.get_object, Bucket="nobody-1", Key="bad")
refused("PreconditionFailed", s3.put_object, Bucket="bucket-1", Key="big", Body=b"", IfNoneMatch="*")

s3.copy_object(Bucket="bucket-1", Key="copy", CopySource={"Bucket": "bucket-1", "Key": "a/../b"})
assert s3.get_object(Bucket="bucket-1", Key="copy")["Metadata"] == {"name": "value"}
refused("BucketNotEmpty", s3.delete_bucket, Bucket="bucket-1")
s3.delete_object(Bucket="bucket-1", Key="x\x01y")  # such a key can't be written in XML
everything = [{"Key": o["Key"]} for o in s3.list_objects_v2(Bucket="bucket-1")["Contents"]]
assert len(s3.delete_objects(Bucket="bucket-1", Delete={"Objects": everything})["Deleted"]) == len(everything)
s3.delete_bucket(Bucket="bucket-1")
refused("404", s3.head_bucket, Bucket="bucket-1")
