# What AWS answers, in moto's tests that are verified on AWS, where it isn't plain from the API reference.


def error(call, **arguments):
    try:
        call(**arguments)
    except ClientError as failed:
        return {**failed.response["Error"], "Status": failed.response["ResponseMetadata"]["HTTPStatusCode"],
                "Headers": failed.response["ResponseMetadata"]["HTTPHeaders"]}
    raise AssertionError("not refused")


# Where a bucket may be. A bucket of another region is one that this cloud lacks.
unchecked = boto3.client("s3", config=config.merge(Config(parameter_validation=False)))
named = lambda region: {"Bucket": "bucket-1", "CreateBucketConfiguration": {"LocationConstraint": region}}
refused("InvalidLocationConstraint", unchecked.create_bucket, **named("us-east-1"))
elsewhere = error(s3.create_bucket, **named("eu-central-1"))
assert elsewhere["Code"] == "NotImplemented" and "eu-central-1" in elsewhere["Message"], elsewhere
assert error(s3.create_bucket, Bucket="under_score")["Message"] == "The specified bucket is not valid."
assert "x-amz-bucket-namespace" in error(s3.create_bucket, Bucket="bucket-1", BucketNamespace="account-regional")["Message"]
assert s3.create_bucket(Bucket="bucket-1")["BucketArn"] == "arn:aws:s3:::bucket-1"
k = {"Bucket": "bucket-1", "Key": "k"}

# Settings.
refused("InvalidRequest", s3.put_public_access_block, Bucket="bucket-1", PublicAccessBlockConfiguration={})
rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
s3.put_bucket_encryption(Bucket="bucket-1", ServerSideEncryptionConfiguration={"Rules": [rule]})
s3.delete_bucket_encryption(Bucket="bucket-1")
assert s3.put_object(**k, Body=b"abc")["ServerSideEncryption"] == "AES256"
ownership = lambda name: {"Bucket": "bucket-1", "OwnershipControls": {"Rules": [{"ObjectOwnership": name}]}}
s3.put_bucket_ownership_controls(**ownership("BucketOwnerEnforced"))
refused("NotImplemented", s3.put_bucket_ownership_controls, **ownership("ObjectWriter"))
refused("InvalidRequest", s3.put_object, **k, Body=b"", ACL="private", GrantRead='id="x"')
assert error(s3.delete_bucket, Bucket="bucket-1")["Message"] == "The bucket you tried to delete is not empty"
tagged = lambda key: {"Bucket": "bucket-1", "Tagging": {"TagSet": [{"Key": key, "Value": "x"}]}}
assert s3.put_bucket_tagging(**tagged("team"))["ResponseMetadata"]["HTTPStatusCode"] == 204
assert error(s3.put_bucket_tagging, **tagged("aws:x"))["Message"] == "System tags cannot be added/updated by requester"
assert error(s3.put_object, **k, Body=b"", Tagging="aws:x=1")["Message"] == "Your TagKey cannot be prefixed with aws:"
assert s3.head_bucket(Bucket="bucket-1")["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/xml"

# Who completes an upload again, since the answer was lost, gets it again.
upload = {"Bucket": "bucket-1", "Key": "joined",
          "UploadId": s3.create_multipart_upload(Bucket="bucket-1", Key="joined", ChecksumAlgorithm="SHA256")["UploadId"]}
part = s3.upload_part(**upload, PartNumber=1, Body=b"abc", ChecksumAlgorithm="SHA256")
parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]}
beyond = error(s3.upload_part, **upload, PartNumber=10001, Body=b"")
assert beyond["ArgumentName"] == "partNumber" and beyond["ArgumentValue"] == "10001", beyond
joined = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
again = s3.complete_multipart_upload(**upload, MultipartUpload=parts, IfNoneMatch="*")
assert joined["ETag"] == again["ETag"], again
assert joined["ChecksumSHA256"].endswith("-1"), joined
shown = s3.get_object_attributes(Bucket="bucket-1", Key="joined", ObjectAttributes=["Checksum"])["Checksum"]
assert shown["ChecksumSHA256"] + "-1" == joined["ChecksumSHA256"] and shown["ChecksumType"] == "COMPOSITE", shown
s3.delete_object(Bucket="bucket-1", Key="joined")
refused("NoSuchUpload", s3.complete_multipart_upload, **upload, MultipartUpload=parts)

# Ranges. For one that is none, S3 returns the whole object; this cloud says that it doesn't.
for call in (s3.get_object, s3.head_object):
    assert call(**k, Range="bytes=1-9")["ContentRange"] == "bytes 1-2/3"
    assert error(call, **k, Range="bytes=2-1")["Status"] == 501
beyond = error(s3.get_object, **k, Range="bytes=7-9")
assert beyond["ActualObjectSize"] == "3" and beyond["RangeRequested"] == "bytes=7-9", beyond
assert "content-range" not in beyond["Headers"], beyond

# Copies.
etag = s3.head_object(**k)["ETag"]
for odd in (etag[1:], "two words"):
    assert "if-match" in error(s3.get_object, **k, IfMatch=odd)["Message"]
copy = {"Bucket": "bucket-1", "Key": "copy", "CopySource": "bucket-1/k"}
failed = error(s3.copy_object, **copy, CopySourceIfNoneMatch=etag)
assert failed["Condition"] == "x-amz-copy-source-If-None-Match", failed
assert error(s3.copy_object, **{**copy, "CopySource": "bucket-1/no where"})["Key"] == "no where"
s3.put_object(**k, Body=b"abc", ChecksumAlgorithm="SHA256")
assert "ChecksumSHA256" in s3.copy_object(**copy)["CopyObjectResult"]
itself = {**k, "CopySource": "bucket-1/k"}
refused("InvalidRequest", s3.copy_object, **itself)
s3.copy_object(**itself, StorageClass="STANDARD")

# Where a website would send its visitors is kept and shown, and not copied.
s3.put_object(**k, Body=b"abc", WebsiteRedirectLocation="/elsewhere")
assert s3.head_object(**k)["WebsiteRedirectLocation"] == s3.get_object(**k)["WebsiteRedirectLocation"] == "/elsewhere"
s3.copy_object(**copy)
assert "WebsiteRedirectLocation" not in s3.head_object(Bucket="bucket-1", Key="copy")
s3.copy_object(**itself, WebsiteRedirectLocation="/elsewhere")
refused("InvalidRedirectLocation", s3.put_object, **k, Body=b"", WebsiteRedirectLocation="elsewhere")

# Deletions with a condition.
both = {"Bucket": "bucket-1", "Key": "both"}
etag = s3.put_object(**both, Body=b"abc")["ETag"]
kept = error(s3.delete_object, **both, IfMatch='"other"')
assert kept["Status"] == 412 and kept["Condition"] == "If-Match", kept
named = lambda etag: {"Bucket": "bucket-1", "Delete": {"Objects": [{"Key": "both", "ETag": etag}]}}
assert s3.delete_objects(**named('"other"'))["Errors"][0]["Code"] == "PreconditionFailed"
assert s3.delete_objects(**named(etag))["Deleted"][0]["Key"] == "both"
refused("NoSuchKey", s3.delete_object, **both, IfMatch=etag)

# Pages: the token counts more than the key after which to start.
first = s3.list_objects_v2(Bucket="bucket-1", MaxKeys=1, StartAfter="a")
assert first["StartAfter"] == "a", first
second = s3.list_objects_v2(Bucket="bucket-1", MaxKeys=1, StartAfter="a", ContinuationToken=first["NextContinuationToken"])
assert [found["Key"] for found in second["Contents"]] == ["k"] and "StartAfter" not in second, second
refused("InvalidArgument", s3.list_objects_v2, Bucket="bucket-1", ContinuationToken="")

markers = s3.list_object_versions(Bucket="bucket-1")
assert markers["KeyMarker"] == markers["VersionIdMarker"] == "", markers

# Versions: ids that can be none, and the headers of delete markers.
assert error(s3.head_object, **k, VersionId="none")["Status"] == 400
assert error(s3.get_object, **k, VersionId="0" * 32)["Code"] == "NoSuchVersion"
s3.put_bucket_versioning(Bucket="bucket-1", VersioningConfiguration={"Status": "Enabled", "MFADelete": "Disabled"})
refused("NotImplemented", s3.put_bucket_versioning, Bucket="bucket-1",
        VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"})
marker = s3.delete_object(**k)["VersionId"]
read = error(s3.head_object, **k, VersionId=marker)
assert read["Status"] == 405, read
opened = error(s3.get_object, **k, VersionId=marker)
assert opened["Method"] == "GET" and opened["ResourceType"] == "DeleteMarker", opened
assert read["Headers"]["x-amz-delete-marker"] == "true" and read["Headers"]["allow"] == "DELETE", read
assert "You must delete all versions" in error(s3.delete_bucket, Bucket="bucket-1")["Message"]

# What is archived can be neither read nor copied, and each refusal has its code. A read says the class.
s3.create_bucket(Bucket="answers-archive")
s3.put_object(Bucket="answers-archive", Key="cold", Body=b"x", StorageClass="GLACIER")
cold = error(s3.get_object, Bucket="answers-archive", Key="cold")
assert (cold["Code"], cold["Status"], cold["StorageClass"]) == ("InvalidObjectState", 403, "GLACIER"), cold
assert "x-amz-storage-class" not in cold["Headers"], cold
refused("ObjectNotInActiveTierError", s3.copy_object, Bucket="answers-archive", Key="warm", CopySource="answers-archive/cold")

# An object is copied onto itself without a change only where the bucket's encryption was set.
s3.put_object(Bucket="answers-archive", Key="k", Body=b"x")
itself = {"Bucket": "answers-archive", "Key": "k", "CopySource": "answers-archive/k"}
refused("InvalidRequest", s3.copy_object, **itself)
rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
s3.put_bucket_encryption(Bucket="answers-archive", ServerSideEncryptionConfiguration=rules)
s3.copy_object(**itself)
s3.delete_bucket_encryption(Bucket="answers-archive")
refused("InvalidRequest", s3.copy_object, **itself)

# GetObjectAttributes writes the ETag without quotation marks.
etag = s3.head_object(Bucket="answers-archive", Key="k")["ETag"]
attributes = s3.get_object_attributes(Bucket="answers-archive", Key="k", ObjectAttributes=["ETag", "ObjectSize"])
assert attributes["ETag"] == etag.strip('"') and attributes["ObjectSize"] == 1, attributes

# Numbers in the query, and checksums that can be none.
upload = s3.create_multipart_upload(Bucket="answers-archive", Key="u")["UploadId"]
for value, message in ((-1, "Argument max-parts must be an integer between 0 and 2147483647"),
                       (1 << 31, "Provided max-parts not an integer or within integer range")):
    said = refused("InvalidArgument", unchecked.list_parts, Bucket="answers-archive", Key="u", UploadId=upload, MaxParts=value)
    assert said == message, said
assert refused("InvalidRequest", s3.put_object, Bucket="answers-archive", Key="k", Body=b"x", ChecksumSHA256="xx") == (
    "Value for x-amz-checksum-sha256 header is invalid.")
assert refused("InvalidRequest", unchecked.create_multipart_upload, Bucket="answers-archive", Key="u", ChecksumAlgorithm="SUM").startswith(
    "Checksum algorithm provided is unsupported.")
