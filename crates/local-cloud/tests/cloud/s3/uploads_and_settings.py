import io, os
from boto3.s3.transfer import TransferConfig
s3.create_bucket(Bucket="bucket-1")
big = os.urandom(12 << 20)
s3.upload_fileobj(io.BytesIO(big), "bucket-1", "big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
found = s3.get_object(Bucket="bucket-1", Key="big")
assert found["ETag"].endswith('-3"') and found["Body"].read() == big
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
