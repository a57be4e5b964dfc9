"""Requests that are refused, and roles that lack permissions."""
me = role("runner", logs=False)
good = dict(FunctionName="x", Runtime="provided.al2023", Role=me, Handler="bootstrap", Code={"ZipFile": zipped(bootstrap="x")})
def refusal(code="InvalidParameterValueException", **more):
    return refused(code, lam.create_function, **{**good, **more})
assert refusal(Runtime="python2.6").startswith("Value python2.6 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [")
assert "does not support the runtime nodejs22.x" in refusal("UnknownOperationException", Runtime="nodejs22.x")
assert "less than or equal to 10240" in refusal("ValidationException", MemorySize=10241)
assert "less than or equal to 900" in refusal("ValidationException", Timeout=901)
assert "regular expression pattern" in refusal("ValidationException", FunctionName="a b")
assert "less than or equal to 64" in refusal("ValidationException", FunctionName="a" * 65)
assert "Reserved keys used in this request: AWS_REGION" in refusal(Environment={"Variables": {"AWS_REGION": "x", "OWN": "y"}})
assert "exceeded the 4KB limit" in refusal(Environment={"Variables": {"AB": "x" * 4100}})
assert "regular expression" in refusal("ValidationException", Environment={"Variables": {"1": "x"}})
assert refusal(Code={"ZipFile": b"no zip"}).startswith("Could not unzip uploaded file.")
assert refusal(Code={"ZipFile": zipped()}) == "Uploaded file must be a non-empty zip"
assert refusal(Code={}) == "Please provide a source for function code."
cannot = "The role defined for the function cannot be assumed by Lambda."
assert refusal(Role="arn:aws:iam::123456789012:role/nobody") == cannot
stranger = iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]["Arn"]
assert refusal(Role=stranger) == cannot
assert refusal("AccessDeniedException", Role="arn:aws:iam::111122223333:role/r") == "Cross-account pass role is not allowed."
for more in (dict(Layers=["arn:aws:lambda:us-east-1:123456789012:layer:l:1"]), dict(TracingConfig={"Mode": "Active"}),
             dict(SnapStart={"ApplyOn": "PublishedVersions"}), dict(Code={"ImageUri": "x"}, PackageType="Image")):
    assert "does not support" in refusal("UnknownOperationException", **more)
refused("UnknownOperationException", lam.list_layers)

iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy("lambda:*", "*"))
limited = as_role("limited", "lambda")
assert "iam:PassRole on resource: " + me in refused("AccessDeniedException", limited.create_function, **good)
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=policy(["lambda:CreateFunction", "iam:PassRole"], "*"))
limited.create_function(**good)
assert "lambda:TagResource" in refused("AccessDeniedException", limited.create_function, **{**good, "FunctionName": "y", "Tags": {"a": "b"}})
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="code-bucket")
s3.put_object(Bucket="code-bucket", Key="f.zip", Body=zipped(bootstrap="x"))
message = refused("AccessDeniedException", limited.create_function, **{**good, "FunctionName": "y", "Code": {"S3Bucket": "code-bucket", "S3Key": "f.zip"}})
assert message.startswith("Your access has been denied by S3"), message

# Without permission there is no log, but still a tail.
provided("quiet", me, "def work(event):\n    print('printed')\n    return b'1'")
response, answer, log = invoke("quiet")
assert answer == 1 and "printed" in log and "REPORT" in log
assert not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/quiet")["logGroups"]
# A role that was deleted cannot be assumed.
iam.delete_role(RoleName="runner")
lam.update_function_code(FunctionName="quiet", ZipFile=zipped(bootstrap="y"))
active("quiet")
assert refused("AccessDeniedException", lam.invoke, FunctionName="quiet") == cannot
