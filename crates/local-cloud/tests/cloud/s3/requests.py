import base64, datetime, os, urllib.error, urllib.request, zlib
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
s3.create_bucket(Bucket="bucket-1")
s3.put_object(Bucket="bucket-1", Key="k", Body=b"hello", Expires=datetime.datetime(2030, 1, 2))
head = s3.head_object(Bucket="bucket-1", Key="k")
assert head["ExpiresString"] == "Wed, 02 Jan 2030 00:00:00 GMT", head
changed, past = head["LastModified"], datetime.datetime(2020, 1, 1)


def error(call, **arguments):
    try:
        call(**arguments)
    except ClientError as failed:
        return {**failed.response["Error"], "Status": failed.response["ResponseMetadata"]["HTTPStatusCode"],
                "Headers": failed.response["ResponseMetadata"]["HTTPHeaders"]}
    raise AssertionError("not refused")


# Conditions: one by ETag counts more than one by time.
k = {"Bucket": "bucket-1", "Key": "k"}
for call in (s3.get_object, s3.head_object):
    unchanged = error(call, **k, IfModifiedSince=changed)
    assert unchanged["Status"] == 304 and unchanged["Headers"]["etag"] == head["ETag"], unchanged
    assert error(call, **k, IfUnmodifiedSince=past)["Status"] == 412
    call(**k, IfModifiedSince=past)
    call(**k, IfUnmodifiedSince=changed)
    call(**k, IfMatch=head["ETag"], IfUnmodifiedSince=past)
    call(**k, IfNoneMatch='"other"', IfModifiedSince=changed)
assert error(s3.get_object, **k, IfUnmodifiedSince=past)["Condition"] == "If-Unmodified-Since"
assert error(s3.put_object, **k, Body=b"", IfNoneMatch="*")["Condition"] == "If-None-Match"
copy = {"Bucket": "bucket-1", "Key": "copy", "CopySource": "bucket-1/k"}
assert error(s3.copy_object, **copy, CopySourceIfModifiedSince=changed)["Condition"] == "x-amz-copy-source-If-Modified-Since"
s3.copy_object(**copy, CopySourceIfUnmodifiedSince=changed)

# Errors name what isn't there.
assert error(s3.get_object, Bucket="bucket-1", Key="a <&> b")["Key"] == "a <&> b"
assert "Key" not in error(s3.get_object, Bucket="bucket-1", Key="x\x01y")  # XML can't carry it
assert error(s3.list_objects_v2, Bucket="nobody-1")["BucketName"] == "nobody-1"
s3.put_bucket_versioning(Bucket="bucket-1", VersioningConfiguration={"Status": "Enabled"})
s3.delete_object(Bucket="bucket-1", Key="copy")
gone = error(s3.get_object, Bucket="bucket-1", Key="copy")
assert gone["Code"] == "NoSuchKey" and gone["Headers"]["x-amz-delete-marker"] == "true", gone

# Owners and ACLs.
for call, more in ((s3.get_object, {}), (s3.put_object, {"Body": b""}), (s3.delete_object, {})):
    assert error(call, **k, ExpectedBucketOwner="111122223333", **more)["Code"] == "AccessDenied"
    call(**k, ExpectedBucketOwner="123456789012", **more)
s3.put_object(**k, Body=b"hello", ACL="private")
refused("AccessDenied", s3.copy_object, **copy, ExpectedSourceBucketOwner="111122223333")
s3.put_object(**k, Body=b"hello", ACL="bucket-owner-full-control")
for acl in ({"ACL": "public-read"}, {"GrantRead": 'id="x"'}):
    refused("AccessControlListNotSupported", s3.put_object, **k, Body=b"", **acl)
    refused("InvalidBucketAclWithObjectOwnership", s3.create_bucket, Bucket="bucket-2", **acl)
refused("NotImplemented", s3.create_bucket, Bucket="bucket-2", ObjectOwnership="ObjectWriter")
assert s3.list_objects_v2(Bucket="bucket-1", FetchOwner=True)["Contents"][0]["Owner"]["ID"]

# Settings that a bucket doesn't have.
for call, code in {
    "get_bucket_cors": "NoSuchCORSConfiguration", "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
}.items():
    found = error(getattr(s3, call), Bucket="bucket-1")
    assert found["Code"] == code and found["Status"] == 404 and found["BucketName"] == "bucket-1", found
    refused("NoSuchBucket", getattr(s3, call), Bucket="nobody-1")
for call in ("logging", "notification_configuration", "accelerate_configuration"):
    found = getattr(s3, f"get_bucket_{call}")(Bucket="bucket-1")
    assert set(found) == {"ResponseMetadata"}, found
assert s3.get_bucket_request_payment(Bucket="bucket-1")["Payer"] == "BucketOwner"
rules = s3.get_bucket_ownership_controls(Bucket="bucket-1")["OwnershipControls"]["Rules"]
assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
for kind in ("analytics", "inventory", "metrics", "intelligent_tiering"):
    assert getattr(s3, f"list_bucket_{kind}_configurations")(Bucket="bucket-1")["IsTruncated"] is False

# What isn't signed isn't believed.
v4 = boto3.client("s3", config=Config(signature_version="s3v4", retries={"max_attempts": 0}))
def send(url, body, headers, method="PUT"):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)).status, b""
    except urllib.error.HTTPError as failed:
        return failed.code, failed.read()
url = v4.generate_presigned_url("put_object", Params={"Bucket": "bucket-1", "Key": "p"})
assert send(url, b"abc", {"Content-Type": "text/plain"})[0] == 200
status, text = send(url, b"abc", {"x-amz-meta-a": "b", "x-amz-acl": "private"})
assert status == 403 and b"<HeadersNotSigned>x-amz-" in text, text
url = v4.generate_presigned_url("put_object", Params={"Bucket": "bucket-1", "Key": "p", "Metadata": {"a": "b"}})
assert send(url, b"abc", {"x-amz-meta-a": "b"})[0] == 200
assert s3.head_object(Bucket="bucket-1", Key="p")["Metadata"] == {"a": "b"}

# Bodies with trailers.
class Fixed(S3SigV4Auth):
    def payload(self, request):
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def _should_sha256_sign_payload(self, request):
        return True


def put(key, trailer, encoding="aws-chunked"):
    wire = b"6\r\nhello\n\r\n0\r\n" + trailer + b"\r\n"
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "6",
               "x-amz-trailer": "x-amz-checksum-crc32", "content-encoding": encoding}
    request = AWSRequest("PUT", f"{os.environ['AWS_ENDPOINT_URL']}/bucket-1/{key}", headers=headers, data=b"")
    Fixed(boto3.DEFAULT_SESSION.get_credentials(), "s3", "us-east-1").add_auth(request)
    status, text = send(request.url, wire, {n: v for n, v in request.headers.items() if n.lower() != "content-length"})
    return status if status == 200 else text.split(b"<Code>")[1].split(b"</Code>")[0].decode()


crc = lambda body: b"x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(body).to_bytes(4, "big")) + b"\r\n"
assert put("plain", crc(b"hello\n")) == 200
assert "ContentEncoding" not in s3.head_object(Bucket="bucket-1", Key="plain")
assert put("gzip", crc(b"hello\n"), "gzip, aws-chunked") == 200
assert s3.head_object(Bucket="bucket-1", Key="gzip")["ContentEncoding"] == "gzip"
assert put("wrong", crc(b"other")) == "BadDigest"
assert put("missing", b"") == "MalformedTrailerError"
for key in ("wrong", "missing"):
    refused("404", s3.head_object, Bucket="bucket-1", Key=key)
