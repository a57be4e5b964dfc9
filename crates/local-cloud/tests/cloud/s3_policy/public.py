message = refused("AccessDenied", s3.put_bucket_policy, Bucket="bkt", Policy=bucket_policy({}))
assert message == ('User: arn:aws:iam::123456789012:user/opsml is not authorized to perform: s3:PutBucketPolicy on resource: '
                   '"arn:aws:s3:::bkt" because public policies are blocked by the BlockPublicPolicy block public access '
                   'setting.'), message
put({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})
assert s3.get_bucket_policy_status(Bucket="bkt")["PolicyStatus"]["IsPublic"] is False
unblock()
put({})
assert s3.get_bucket_policy_status(Bucket="bkt")["PolicyStatus"]["IsPublic"] is True
assert anonymous("/bkt/k") == b"hello"
assert anonymous("/bkt") == 403 and anonymous("/") == 403
mine.get_object(Bucket="bkt", Key="k")
unblock(RestrictPublicBuckets=True)
assert anonymous("/bkt/k") == 403
mine.get_object(Bucket="bkt", Key="k")
unblock(BlockPublicPolicy=True)
assert anonymous("/bkt/k") == b"hello"
refused("AccessDenied", s3.put_bucket_policy, Bucket="bkt", Policy=bucket_policy({}))
s3.delete_bucket_policy(Bucket="bkt")
assert anonymous("/bkt/k") == 403
s3.delete_public_access_block(Bucket="bkt")
put({"Principal": {"AWS": "*"}})
assert anonymous("/bkt/k") == b"hello"
