assert "does not exist" in refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket="bkt")
refused("NoSuchBucketPolicy", s3.get_bucket_policy_status, Bucket="bkt")
put({"Principal": {"AWS": role}})
assert json.loads(s3.get_bucket_policy(Bucket="bkt")["Policy"])["Statement"][0]["Principal"] == {"AWS": role}
assert s3.get_bucket_policy_status(Bucket="bkt")["PolicyStatus"] == {"IsPublic": False}
s3.delete_bucket_policy(Bucket="bkt")
s3.delete_bucket_policy(Bucket="bkt")
refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket="bkt")
refused("NoSuchBucket", s3.get_bucket_policy, Bucket="none")
acl = s3.get_bucket_acl(Bucket="bkt")
assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"] and acl["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"

def wrong(policy):
    return refused("MalformedPolicy", s3.put_bucket_policy, Bucket="bkt", Policy=policy)
assert wrong("x") == "Policies must be valid JSON and the first byte must be '{'"
assert wrong(bucket_policy({"Principal": {"AWS": role + "x"}})) == "Invalid principal in policy"
assert wrong(bucket_policy({"Resource": "arn:aws:s3:::other/*"})) == "Policy has invalid resource"
assert wrong(bucket_policy({"Action": "ec2:RunInstances"})) == "Policy has invalid action"
assert wrong(bucket_policy({"Resource": "arn:aws:s3:::bkt"})) == "Action does not apply to any resource(s) in statement"
assert wrong(bucket_policy({"Effect": "Perhaps"})) == "Invalid effect: Perhaps"
assert wrong(policy("s3:GetObject", "arn:aws:s3:::bkt/*")) == "Missing required field Principal"
