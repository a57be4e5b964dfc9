import sys
found = s3.get_object(Bucket="bucket-1", Key="k")
assert found["Body"].read() == b"a secret that stands in no file. " and found["SSEKMSKeyId"] == sys.argv[1].strip()
