# The uploads of a bucket are listed by key and then by age, in pages, and grouped like objects.
from datetime import datetime, timezone

s3.create_bucket(Bucket="bkt")
me = sts.get_caller_identity()["Arn"]


def start(key, **more):
    return s3.create_multipart_upload(Bucket="bkt", Key=key, **more)["UploadId"]


def keys(answer):
    return [each["Key"] for each in answer.get("Uploads", [])]


def groups(answer):
    return [each["Prefix"] for each in answer.get("CommonPrefixes", [])]


assert keys(s3.list_multipart_uploads(Bucket="bkt")) == []
first = {key: start(key) for key in ("b", "a/1", "a/2", "a b", "c/d/e")}
again = start("b", ChecksumAlgorithm="SHA256")
order = ["a b", "a/1", "a/2", "b", "b", "c/d/e"]
answer = s3.list_multipart_uploads(Bucket="bkt")
assert keys(answer) == order and answer["IsTruncated"] is False and answer["MaxUploads"] == 1000, answer
assert answer["NextKeyMarker"] == "c/d/e" and answer["KeyMarker"] == "", answer
old, new = (each for each in answer["Uploads"] if each["Key"] == "b")
assert (old["UploadId"], new["UploadId"]) == (first["b"], again)
assert old["Initiator"] == {"ID": me, "DisplayName": me.rsplit("/")[-1]} and old["Owner"]["ID"], old
assert (new["ChecksumAlgorithm"], new["ChecksumType"]) == ("SHA256", "COMPOSITE") and "ChecksumType" not in old
assert (datetime.now(timezone.utc) - old["Initiated"]).total_seconds() < 60 and old["StorageClass"] == "STANDARD"

# In pages of each size, each upload comes once.
for size in range(1, 7):
    seen, marker = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket="bkt", MaxUploads=size, **marker)
        assert len(page["Uploads"]) <= size and page["MaxUploads"] == size
        seen += [(each["Key"], each["UploadId"]) for each in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert [key for key, _ in seen] == order and len(set(seen)) == 6, (size, seen)
found = s3.get_paginator("list_multipart_uploads").paginate(Bucket="bkt", PaginationConfig={"PageSize": 2})
assert [key for page in found for key in keys(page)] == order

# A key alone as the marker passes over all of its uploads. An id without a key means nothing.
assert keys(s3.list_multipart_uploads(Bucket="bkt", KeyMarker="b")) == ["c/d/e"]
assert keys(s3.list_multipart_uploads(Bucket="bkt", KeyMarker="b", UploadIdMarker=first["b"])) == ["b", "c/d/e"]
assert keys(s3.list_multipart_uploads(Bucket="bkt", UploadIdMarker=again)) == order

# By prefix and delimiter.
answer = s3.list_multipart_uploads(Bucket="bkt", Delimiter="/")
assert (keys(answer), groups(answer)) == (["a b", "b", "b"], ["a/", "c/"]) and answer["Delimiter"] == "/", answer
answer = s3.list_multipart_uploads(Bucket="bkt", Prefix="a/", Delimiter="/")
assert (keys(answer), groups(answer)) == (["a/1", "a/2"], []) and answer["Prefix"] == "a/"
assert groups(s3.list_multipart_uploads(Bucket="bkt", Prefix="c", Delimiter="d/")) == ["c/d/"]
page = s3.list_multipart_uploads(Bucket="bkt", Delimiter="/", MaxUploads=2)
assert (keys(page), groups(page), page["NextKeyMarker"]) == (["a b"], ["a/"], "a/"), page
rest = s3.list_multipart_uploads(Bucket="bkt", Delimiter="/", KeyMarker="a/")
assert (keys(rest), groups(rest)) == (["b", "b"], ["c/"]), rest
encoded = s3.list_multipart_uploads(Bucket="bkt", Prefix="a ", EncodingType="url")
assert keys(encoded) == ["a%20b"] and encoded["Prefix"] == "a%20", encoded

# An upload that has ended isn't listed.
s3.abort_multipart_upload(Bucket="bkt", Key="b", UploadId=again)
assert keys(s3.list_multipart_uploads(Bucket="bkt", Prefix="b")) == ["b"]

# Parts, in pages.
for number in (1, 2, 5):
    s3.upload_part(Bucket="bkt", Key="b", UploadId=first["b"], PartNumber=number, Body=b"x" * number)
page = s3.list_parts(Bucket="bkt", Key="b", UploadId=first["b"], MaxParts=2)
assert [each["PartNumber"] for each in page["Parts"]] == [1, 2] and page["IsTruncated"] and page["NextPartNumberMarker"] == 2
page = s3.list_parts(Bucket="bkt", Key="b", UploadId=first["b"], PartNumberMarker=2)
assert [(each["PartNumber"], each["Size"]) for each in page["Parts"]] == [(5, 5)] and not page["IsTruncated"]
assert page["Initiator"]["ID"] == me and page["Owner"]["ID"] and page["PartNumberMarker"] == 2
refused("NoSuchUpload", s3.list_parts, Bucket="bkt", Key="b", UploadId=again)
refused("NoSuchBucket", s3.list_multipart_uploads, Bucket="none")

# What a completion says of the parts and of the whole object must be so. A refused one leaves the upload as it was.
sha = s3.create_multipart_upload(Bucket="bkt", Key="sums", ChecksumAlgorithm="SHA256")["UploadId"]
part = s3.upload_part(Bucket="bkt", Key="sums", UploadId=sha, PartNumber=1, Body=b"hello", ChecksumAlgorithm="SHA256")
listed = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
other = "A" * 43 + "="


def complete(part, **more):
    return s3.complete_multipart_upload(Bucket="bkt", Key="sums", UploadId=sha, MultipartUpload={"Parts": [part]}, **more)


refused("InvalidPart", complete, part={**listed, "ChecksumSHA256": other})
refused("InvalidRequest", complete, part=listed, MpuObjectSize=6)
refused("InvalidRequest", complete, part=listed, ChecksumType="FULL_OBJECT")
refused("BadDigest", complete, part=listed, ChecksumSHA256=other)
assert keys(s3.list_multipart_uploads(Bucket="bkt", Prefix="sums")) == ["sums"]
done = complete(listed, MpuObjectSize=5, ChecksumType="COMPOSITE")
assert done["ChecksumSHA256"].endswith("-1") and s3.get_object(Bucket="bkt", Key="sums")["Body"].read() == b"hello"
