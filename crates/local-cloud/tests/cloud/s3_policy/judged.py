assert "no identity-based policy allows" in refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
put({"Principal": {"AWS": role}})
assert mine.get_object(Bucket="bkt", Key="k")["Body"].read() == b"hello"
refused("AccessDenied", mine.put_object, Bucket="bkt", Key="k", Body=b"")
# The bucket policy allows the whole account, so the caller's own policies must allow the action too.
put({"Principal": {"AWS": "123456789012"}})
refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("s3:*", "*"))
mine.get_object(Bucket="bkt", Key="k")
put({"Principal": {"AWS": role}, "Effect": "Deny"})
message = refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
assert message == ("User: arn:aws:sts::123456789012:assumed-role/r/test is not authorized to perform: s3:GetObject on "
                   'resource: "arn:aws:s3:::bkt/k" with an explicit deny in a resource-based policy'), message
mine.put_object(Bucket="bkt", Key="k", Body=b"")
# Conditions on transport and prefix.
put({"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
     "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bkt",
     "Condition": {"StringNotLike": {"s3:prefix": "data/*"}}})
mine.list_objects_v2(Bucket="bkt", Prefix="data/x")
refused("AccessDenied", mine.list_objects_v2, Bucket="bkt", Prefix="other/")
# A policy that denies everybody everything can still be deleted by the account's owner.
put({"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
     "Principal": {"AWS": role}})
refused("AccessDenied", mine.delete_bucket_policy, Bucket="bkt")
deleted = mine.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "k"}]})
assert deleted["Errors"][0]["Code"] == "AccessDenied" and "Deleted" not in deleted
s3.delete_bucket_policy(Bucket="bkt")
mine.get_object(Bucket="bkt", Key="k")
