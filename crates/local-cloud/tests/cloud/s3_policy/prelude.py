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
