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
found = s3.list_objects_v2(Bucket="bucket-1", StartAfter="train/b/9", MaxKeys=2)
assert [o["Key"] for o in found["Contents"]] == ["train/c/0.png", "train/c/1.png"] and found["IsTruncated"]
assert s3.list_objects_v2(Bucket="bucket-1", MaxKeys=0)["KeyCount"] == 0
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["bucket-1"]
