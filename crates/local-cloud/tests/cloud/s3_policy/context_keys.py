s3.put_object(Bucket="bkt", Key="tagged", Body=b"x", Tagging="team=dogs")
iam.create_user(UserName="u")
key = iam.create_access_key(UserName="u")["AccessKey"]
keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
mine = boto3.client("s3", config=config, **keys)
v4 = boto3.client("s3", config=Config(signature_version="s3v4"), **keys)
logs = boto3.client("logs", config=config, **keys)


def allowed(condition, call, **arguments):
    """Returns whether a call is allowed under a condition on all that the user may do."""
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy("*", "*", Condition=condition))
    try:
        call(**arguments)
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"].startswith("AccessDenied"), error
        return False


page = {"Bucket": "bkt", "Prefix": "", "Delimiter": "/", "MaxKeys": 5}
write = {"Bucket": "bkt", "Key": "w", "Body": b"", "ACL": "private", "ServerSideEncryption": "AES256",
         "StorageClass": "STANDARD_IA", "Tagging": "a=b"}
every = {
    "aws:UserAgent": "*Boto3*", "aws:SourceIp": "127.0.0.1", "aws:ViaAWSService": "false",
    "aws:PrincipalIsAWSService": "false", "aws:ResourceAccount": "123456789012", "aws:PrincipalType": "User",
    "aws:userid": "AIDA*", "aws:CurrentTime": "20*", "aws:EpochTime": "*", "aws:SecureTransport": "false",
}
signed = {"s3:authType": "REST-HEADER", "s3:signatureversion": "AWS4-HMAC-SHA256", "s3:ResourceAccount": "123456789012"}
for call, arguments, values in (
    (mine.list_objects_v2, page, {**every, **signed, "s3:prefix": "", "s3:delimiter": "/", "s3:max-keys": "5"}),
    (mine.list_object_versions, page, {"s3:prefix": "", "s3:delimiter": "/", "s3:max-keys": "5"}),
    (mine.put_object, write, {
        **every, **signed, "s3:x-amz-acl": "private", "s3:x-amz-server-side-encryption": "AES256",
        "s3:x-amz-storage-class": "STANDARD_IA", "s3:RequestObjectTag/a": "b", "s3:RequestObjectTagKeys": "a"}),
    (mine.get_object, {"Bucket": "bkt", "Key": "tagged"}, {"s3:ExistingObjectTag/team": "dogs"}),
    (mine.copy_object, {"Bucket": "bkt", "Key": "c", "CopySource": "bkt/tagged"}, {"s3:x-amz-copy-source": "bkt/tagged"}),
    (logs.describe_log_groups, {}, every),
):
    for name, value in values.items():
        several = "ForAnyValue:" if name.endswith("TagKeys") else ""
        assert allowed({f"{several}StringLike": {name: value}}, call, **arguments), name
        assert not allowed({f"{several}StringLike": {name: "other"}}, call, **arguments), name
        assert not allowed({"Null": {name: "true"}}, call, **arguments), name
        assert allowed({"Null": {name: "false"}}, call, **arguments), name
# What a request doesn't say isn't there.
for name in ("s3:prefix", "s3:delimiter", "s3:max-keys", "s3:x-amz-acl", "s3:signatureAge", "aws:MultiFactorAuthPresent"):
    assert allowed({"Null": {name: "true"}}, mine.list_objects_v2, Bucket="bkt"), name

# An upload with tags must be allowed both.
iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy("s3:PutObject", "*"))
refused("AccessDenied", mine.put_object, **write)
# Presigned URLs say so.
def fetched(client, condition):
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy("*", "*", Condition=condition))
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bkt", "Key": "k"})
    try:
        return urllib.request.urlopen(url).read() == b"hello"
    except urllib.error.HTTPError:
        return False
assert fetched(v4, {"StringEquals": {"s3:authType": "REST-QUERY-STRING", "s3:signatureversion": "AWS4-HMAC-SHA256"}})
assert fetched(v4, {"NumericLessThan": {"s3:signatureAge": "600000"}})
assert not fetched(v4, {"StringEquals": {"s3:authType": "REST-HEADER"}})

# Unsigned requests have the keys of every request too.
unblock()
put({"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringEquals": {"aws:PrincipalType": "Anonymous"}}})
assert anonymous("/bkt/k") == b"hello"
put({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})
assert anonymous("/bkt/k") == 403
