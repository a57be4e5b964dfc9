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
