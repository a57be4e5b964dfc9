import io
from boto3.s3.transfer import TransferConfig
s3.create_bucket(Bucket="bucket-1")
small = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
big = bytes(range(256)) * (6 << 12) * 2 + b"tail"
s3.upload_fileobj(io.BytesIO(big), "bucket-1", "big", Config=small, ExtraArgs={"Tagging": "a=b", "StorageClass": "STANDARD_IA"})
# A move of a big object copies its parts.
s3.copy({"Bucket": "bucket-1", "Key": "big"}, "bucket-1", "moved", Config=small)
assert s3.get_object(Bucket="bucket-1", Key="moved")["Body"].read() == big

part = s3.get_object(Bucket="bucket-1", Key="big", PartNumber=2)
assert part["Body"].read() == big[5 << 20:10 << 20] and part["PartsCount"] == 3
assert part["ContentRange"] == f"bytes {5 << 20}-{(10 << 20) - 1}/{len(big)}"
head = s3.head_object(Bucket="bucket-1", Key="big", PartNumber=3)
assert head["ContentLength"] == len(big) - (10 << 20) and head["PartsCount"] == 3
assert head["ResponseMetadata"]["HTTPStatusCode"] == 206 and head["ContentRange"].endswith(f"-{len(big) - 1}/{len(big)}")
assert s3.head_object(Bucket="bucket-1", Key="big", Range="bytes=2-3")["ContentLength"] == 2
refused("InvalidPartNumber", s3.get_object, Bucket="bucket-1", Key="big", PartNumber=4)
refused("InvalidRequest", s3.get_object, Bucket="bucket-1", Key="big", PartNumber=1, Range="bytes=0-1")
s3.put_object(Bucket="bucket-1", Key="whole", Body=b"hello")
whole = s3.get_object(Bucket="bucket-1", Key="whole", PartNumber=1)
assert whole["Body"].read() == b"hello" and "PartsCount" not in whole and whole["ContentRange"] == "bytes 0-4/5"
refused("InvalidPartNumber", s3.get_object, Bucket="bucket-1", Key="whole", PartNumber=2)
attributes = s3.get_object_attributes(Bucket="bucket-1", Key="big", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "StorageClass"])
assert attributes["ObjectSize"] == len(big) and attributes["ETag"].strip('"').endswith("-3")
assert attributes["ObjectParts"]["TotalPartsCount"] == 3 and attributes["StorageClass"] == "STANDARD_IA"

upload = s3.create_multipart_upload(Bucket="bucket-1", Key="k")["UploadId"]
copy = {"Bucket": "bucket-1", "Key": "k", "UploadId": upload, "PartNumber": 1, "CopySource": "bucket-1/big"}
for wrong in ("bytes=0-99999999", "bytes=5-", "bytes=-5", "0-5"):
    refused("InvalidArgument", s3.upload_part_copy, **copy, CopySourceRange=wrong)
refused("PreconditionFailed", s3.upload_part_copy, **copy, CopySourceIfNoneMatch=head["ETag"])
refused("NoSuchKey", s3.upload_part_copy, **{**copy, "CopySource": "bucket-1/none"})
one = s3.upload_part_copy(**copy, CopySourceRange="bytes=1-5242880")["CopyPartResult"]["ETag"]
s3.complete_multipart_upload(Bucket="bucket-1", Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": one}]})
assert s3.get_object(Bucket="bucket-1", Key="k")["Body"].read() == big[1:5242881]

s3.put_object(Bucket="bucket-1", Key="cold", Body=b"x", StorageClass="GLACIER")
# Tags and classes are kept, and go with a copy as AWS has it.
found = s3.head_object(Bucket="bucket-1", Key="big")
assert found["StorageClass"] == "STANDARD_IA"
assert s3.get_object(Bucket="bucket-1", Key="big")["TagCount"] == 1
tags = lambda key: s3.get_object_tagging(Bucket="bucket-1", Key=key)["TagSet"]
assert tags("big") == [{"Key": "a", "Value": "b"}]
s3.copy_object(Bucket="bucket-1", Key="copy", CopySource="bucket-1/big")
assert tags("copy") == tags("big") and "StorageClass" not in s3.head_object(Bucket="bucket-1", Key="copy")
s3.copy_object(Bucket="bucket-1", Key="copy", CopySource="bucket-1/big", TaggingDirective="REPLACE", Tagging="c=d%20e&f=")
assert tags("copy") == [{"Key": "c", "Value": "d e"}, {"Key": "f", "Value": ""}]
s3.put_object_tagging(Bucket="bucket-1", Key="copy", Tagging={"TagSet": [{"Key": "g", "Value": "h"}]})
assert tags("copy") == [{"Key": "g", "Value": "h"}]
s3.delete_object_tagging(Bucket="bucket-1", Key="copy")
assert tags("copy") == []
refused("InvalidTag", s3.put_object, Bucket="bucket-1", Key="x", Body=b"", Tagging="a=b&a=c")
refused("BadRequest", s3.put_object, Bucket="bucket-1", Key="x", Body=b"", Tagging="&".join(f"k{i}=v" for i in range(11)))
refused("InvalidStorageClass", s3.put_object, Bucket="bucket-1", Key="x", Body=b"", StorageClass="OUTPOSTS")
refused("InvalidObjectState", s3.get_object, Bucket="bucket-1", Key="cold")
classes = {o["Key"]: o["StorageClass"] for o in s3.list_objects_v2(Bucket="bucket-1")["Contents"]}
assert classes["cold"] == "GLACIER" and classes["big"] == "STANDARD_IA" and classes["whole"] == "STANDARD", classes
for key in classes:
    s3.delete_object(Bucket="bucket-1", Key=key)
