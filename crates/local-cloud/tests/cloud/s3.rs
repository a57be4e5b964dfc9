//! S3 through boto3.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("s3 = boto3.client('s3', config=config)\n{code}");
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

/// The files that hold objects' bytes, and those half written.
fn files(server: &Server) -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(server.dir.path().join("s3").join(folder)).unwrap().count();
    (count("objects"), count("new"))
}

#[test]
fn objects_come_back_as_they_went() {
    let server = Server::start();
    run(
        &server,
        r#"
import os
s3.create_bucket(Bucket="bucket-1")
s3.create_bucket(Bucket="bucket-1")  # us-east-1's quirk
assert s3.get_bucket_location(Bucket="bucket-1")["LocationConstraint"] is None
hostile = ["../../etc/passwd", "a/../b", "/abs", "a//b", "a" * 1024, "täst %2F+ &<>", "x\x01y", "a\n"]
for key in hostile:
    s3.put_object(Bucket="bucket-1", Key=key, Body=key.encode(), Metadata={"name": "value"}, ContentType="text/x")
for key in hostile:
    told = s3.get_object(Bucket="bucket-1", Key=key)
    assert told["Body"].read() == key.encode(), key
    assert told["Metadata"] == {"name": "value"} and told["ContentType"] == "text/x"
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
s3.delete_object(Bucket="bucket-1", Key="x\x01y")  # XML cannot name it
everything = [{"Key": o["Key"]} for o in s3.list_objects_v2(Bucket="bucket-1")["Contents"]]
assert len(s3.delete_objects(Bucket="bucket-1", Delete={"Objects": everything})["Deleted"]) == len(everything)
s3.delete_bucket(Bucket="bucket-1")
refused("404", s3.head_bucket, Bucket="bucket-1")
"#,
    );
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn listings_page_and_group() {
    let server = Server::start();
    run(
        &server,
        r#"
s3.create_bucket(Bucket="bucket-1")
keys = sorted([f"train/{c}/{i}.png" for c in "abc" for i in range(5)] + ["top", "train.txt", "zoo/x"])
for key in keys:
    s3.put_object(Bucket="bucket-1", Key=key, Body=b"x")
for size in (1, 2, 7, 1000):
    for call, name in ((s3.list_objects_v2, "list_objects_v2"), (s3.list_objects, "list_objects")):
        pages = s3.get_paginator(name).paginate(Bucket="bucket-1", PaginationConfig={"PageSize": size})
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == keys, (name, size)
        pages = list(s3.get_paginator(name).paginate(Bucket="bucket-1", Prefix="t", Delimiter="/", PaginationConfig={"PageSize": size}))
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == ["top", "train.txt"], (name, size)
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["train/"], (name, size)
told = s3.list_objects_v2(Bucket="bucket-1", StartAfter="train/b/9", MaxKeys=2)
assert [o["Key"] for o in told["Contents"]] == ["train/c/0.png", "train/c/1.png"] and told["IsTruncated"]
assert s3.list_objects_v2(Bucket="bucket-1", MaxKeys=0)["KeyCount"] == 0
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["bucket-1"]
"#,
    );
}

#[test]
fn versions_are_kept_and_markers_hide_them() {
    let server = Server::start();
    run(
        &server,
        r#"
s3.create_bucket(Bucket="bucket-1")
assert "Status" not in s3.get_bucket_versioning(Bucket="bucket-1")
s3.put_object(Bucket="bucket-1", Key="k", Body=b"null")
s3.put_bucket_versioning(Bucket="bucket-1", VersioningConfiguration={"Status": "Enabled"})
one = s3.put_object(Bucket="bucket-1", Key="k", Body=b"one")["VersionId"]
two = s3.put_object(Bucket="bucket-1", Key="k", Body=b"two")["VersionId"]
read = lambda **more: s3.get_object(Bucket="bucket-1", Key="k", **more)["Body"].read()
assert (read(), read(VersionId=one), read(VersionId="null")) == (b"two", b"one", b"null")
marker = s3.delete_object(Bucket="bucket-1", Key="k")
assert marker["DeleteMarker"]
refused("NoSuchKey", s3.get_object, Bucket="bucket-1", Key="k")
assert "Contents" not in s3.list_objects_v2(Bucket="bucket-1")
refused("BucketNotEmpty", s3.delete_bucket, Bucket="bucket-1")
for size in (1, 2, 1000):
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket="bucket-1", PaginationConfig={"PageSize": size}))
    versions = [v["VersionId"] for page in pages for v in page.get("Versions", [])]
    markers = [(v["VersionId"], v["IsLatest"]) for page in pages for v in page.get("DeleteMarkers", [])]
    assert versions == [two, one, "null"] and markers == [(marker["VersionId"], True)], (size, versions, markers)
s3.delete_object(Bucket="bucket-1", Key="k", VersionId=marker["VersionId"])
assert read() == b"two"
s3.delete_object(Bucket="bucket-1", Key="k", VersionId=two)
assert read() == b"one"
s3.put_bucket_versioning(Bucket="bucket-1", VersioningConfiguration={"Status": "Suspended"})
s3.put_object(Bucket="bucket-1", Key="k", Body=b"again")
assert (read(), read(VersionId="null"), read(VersionId=one)) == (b"again", b"again", b"one")
for page in s3.get_paginator("list_object_versions").paginate(Bucket="bucket-1"):
    s3.delete_objects(Bucket="bucket-1", Delete={"Objects": [
        {"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"] + page.get("DeleteMarkers", [])]})
s3.delete_bucket(Bucket="bucket-1")
"#,
    );
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn multipart_uploads_and_settings() {
    let server = Server::start();
    run(
        &server,
        r#"
import io, os
from boto3.s3.transfer import TransferConfig
s3.create_bucket(Bucket="bucket-1")
big = os.urandom(12 << 20)
s3.upload_fileobj(io.BytesIO(big), "bucket-1", "big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
told = s3.get_object(Bucket="bucket-1", Key="big")
assert told["ETag"].endswith('-3"') and told["Body"].read() == big
upload = s3.create_multipart_upload(Bucket="bucket-1", Key="k")["UploadId"]
part = s3.upload_part(Bucket="bucket-1", Key="k", UploadId=upload, PartNumber=2, Body=b"x")
assert [p["PartNumber"] for p in s3.list_parts(Bucket="bucket-1", Key="k", UploadId=upload)["Parts"]] == [2]
assert s3.list_multipart_uploads(Bucket="bucket-1")["Uploads"][0]["UploadId"] == upload
refused("InvalidPart", s3.complete_multipart_upload, Bucket="bucket-1", Key="k", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
s3.abort_multipart_upload(Bucket="bucket-1", Key="k", UploadId=upload)
refused("NoSuchUpload", s3.list_parts, Bucket="bucket-1", Key="k", UploadId=upload)

block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
s3.put_public_access_block(Bucket="bucket-1", PublicAccessBlockConfiguration=block)
assert s3.get_public_access_block(Bucket="bucket-1")["PublicAccessBlockConfiguration"] == block
s3.delete_public_access_block(Bucket="bucket-1")
refused("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket="bucket-1")
rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]}
s3.put_bucket_encryption(Bucket="bucket-1", ServerSideEncryptionConfiguration=rule)
assert s3.get_bucket_encryption(Bucket="bucket-1")["ServerSideEncryptionConfiguration"] == rule
refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="bucket-1")
s3.put_bucket_tagging(Bucket="bucket-1", Tagging={"TagSet": [{"Key": "opsml:stack", "Value": "x"}]})
assert s3.get_bucket_tagging(Bucket="bucket-1")["TagSet"] == [{"Key": "opsml:stack", "Value": "x"}]
refused("NotImplemented", s3.put_bucket_acl, Bucket="bucket-1", ACL="private")
s3.delete_object(Bucket="bucket-1", Key="big")
"#,
    );
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn policies_and_tokens_are_enforced() {
    let server = Server::start();
    run(
        &server,
        r#"
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
refused("AccessDenied", reader.get_object, Bucket="bucket-1", Key="a/none")  # not told that there is none
told = reader.delete_objects(Bucket="bucket-1", Delete={"Objects": [{"Key": "a/x"}]})
assert told["Errors"][0]["Code"] == "AccessDenied"
refused("AccessDenied", reader.copy_object, Bucket="bucket-1", Key="b", CopySource="bucket-1/a/x")

from botocore import UNSIGNED
anonymous = boto3.client("s3", config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}))
refused("AccessDenied", anonymous.get_object, Bucket="bucket-1", Key="a/x")
forged = boto3.client("s3", config=config, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
refused("InvalidAccessKeyId", forged.get_object, Bucket="bucket-1", Key="a/x")
import urllib.request
url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket-1", "Key": "a/x"})
assert urllib.request.urlopen(url).read() == b"x"
"#,
    );
}
