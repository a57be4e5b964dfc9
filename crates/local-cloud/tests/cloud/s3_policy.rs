//! boto3 drives bucket policies: kept, refused, judged with the caller's own, and public or not.

use super::Server;

const PRELUDE: &str = r#"
import urllib.request, urllib.error, os
boto3.DEFAULT_SESSION.events.register_first("after-call.s3", fits_model)
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="bkt")
s3.put_object(Bucket="bkt", Key="k", Body=b"hello")
def bucket_policy(*statements):
    defaults = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bkt/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**defaults, **each} for each in statements]})
def put(*statements):
    s3.put_bucket_policy(Bucket="bkt", Policy=bucket_policy(*statements))
def unblock(**but):
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket="bkt", PublicAccessBlockConfiguration={name: but.get(name, False) for name in names})
def anonymous(path):
    try:
        return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + path).read()
    except urllib.error.HTTPError as error:
        assert b"<Code>AccessDenied</Code>" in error.read()
        return error.code
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": sts.get_caller_identity()["Arn"]}))
role = iam.get_role(RoleName="r")["Role"]["Arn"]
mine = as_role("r", "s3")
"#;

fn python(code: &str) {
    Server::start().python(&format!("{PRELUDE}{code}"));
}

#[test]
fn bucket_policies_are_kept_and_told() {
    python(
        r#"
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
"#,
    );
}

#[test]
fn a_buckets_policy_is_judged_with_the_callers_own() {
    python(
        r#"
assert "no identity-based policy allows" in refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
put({"Principal": {"AWS": role}})
assert mine.get_object(Bucket="bkt", Key="k")["Body"].read() == b"hello"
refused("AccessDenied", mine.put_object, Bucket="bkt", Key="k", Body=b"")
# The account is trusted: then one's own policies must allow it too.
put({"Principal": {"AWS": "123456789012"}})
refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy("s3:*", "*"))
mine.get_object(Bucket="bkt", Key="k")
put({"Principal": {"AWS": role}, "Effect": "Deny"})
message = refused("AccessDenied", mine.get_object, Bucket="bkt", Key="k")
assert message == ("User: arn:aws:sts::123456789012:assumed-role/r/test is not authorized to perform: s3:GetObject on "
                   'resource: "arn:aws:s3:::bkt/k" with an explicit deny in a resource-based policy'), message
mine.put_object(Bucket="bkt", Key="k", Body=b"")
# Transport and prefix as conditions.
put({"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bkt",
     "Condition": {"StringNotLike": {"s3:prefix": "data/*"}}})
mine.list_objects_v2(Bucket="bkt", Prefix="data/x")
refused("AccessDenied", mine.list_objects_v2, Bucket="bkt", Prefix="other/")
# A policy that locks everybody out can still be taken away by who may.
put({"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
     "Principal": {"AWS": role}})
refused("AccessDenied", mine.delete_bucket_policy, Bucket="bkt")
deleted = mine.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "k"}]})
assert deleted["Errors"][0]["Code"] == "AccessDenied" and "Deleted" not in deleted
s3.delete_bucket_policy(Bucket="bkt")
mine.get_object(Bucket="bkt", Key="k")
"#,
    );
}

#[test]
fn what_is_public_is_blocked_restricted_or_open() {
    python(
        r#"
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
"#,
    );
}
