"""Policies with a mistake, and the message with which each is refused."""
iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
def put(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return refused("MalformedPolicyDocument", iam.put_role_policy, RoleName="r", PolicyName="p", PolicyDocument=text)
good = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
def one(**change):
    return {"Version": "2012-10-17", "Statement": {key: value for key, value in {**good, **change}.items() if value is not None}}
for document, message in [
    ("{", "Syntax errors in policy."),
    ("[]", "Syntax errors in policy."),
    ({"Version": "2012-10-17"}, "Syntax errors in policy."),
    ({"Version": "2012-10-17", "Statement": []}, "Syntax errors in policy."),
    ({**one(), "Extra": 1}, "Syntax errors in policy."),
    ({**one(), "Version": "2020-01-01"}, "Syntax errors in policy."),
    ({**one(), "Version": "2008-10-17"}, "Policy document must be version 2012-10-17 or greater."),
    (one(Extra=1), "Syntax errors in policy."),
    (one(Effect="Maybe"), "Syntax errors in policy."),
    (one(Effect="allow"), "The policy failed legacy parsing"),
    (one(Effect=None), "Syntax errors in policy."),
    (one(NotAction="s3:*"), "Syntax errors in policy."),
    (one(Action=None), "Policy statement must contain actions."),
    (one(Action=[]), "Policy statement must contain actions."),
    (one(Action="GetObject"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (one(Action="s3:a:b"), "Actions/Condition can contain only one colon."),
    (one(Action="s 3:Get"), "Vendor s 3 is not valid"),
    (one(Action=3), "Syntax errors in policy."),
    (one(Resource=None), "Policy statement must contain resources."),
    (one(Resource="b"), 'Resource b must be in ARN format or "*".'),
    (one(Resource="arn:moon:s3:::b"), 'Partition "moon" is not valid for resource "arn:moon:s3:::b".'),
    (one(Resource="arn:aws:s*:::b"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (one(Resource="arn:aws:s3:us-east-1::b"), "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    (one(Resource="arn:aws:iam:us-east-1:1:role/r"), "IAM resource arn:aws:iam:us-east-1:1:role/r cannot contain region information."),
    (one(Resource="x:b:c"), 'Partition "b" is not valid for resource "arn:b:c:*:*:*".'),
    (one(Resource="x:aws:s3:::b"), 'Resource x:aws:s3:::b must be in ARN format or "*".'),
    (one(Action="GetObject", Resource=None), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (one(Action="s3:a:b", Resource="b"), 'Resource b must be in ARN format or "*".'),
    (one(Action=None, Resource="arn:aws:s3::b"), "The policy failed legacy parsing"),
    ({"Statement": one(Effect="denY")["Statement"]}, "Policy document must be version 2012-10-17 or greater."),
    ({"Version": "2012-10-17", "Statement": [{**good, "Sid": "a"}, {"Sid": "a", "Effect": "Allow"}]},
     "Statement IDs (SID) in a single policy must be unique."),
    *((one(Condition={"DateLessThan": {"aws:CurrentTime": date}}), "The policy failed legacy parsing")
      for date in ("soon", "2027-13-01", "2027-01-01T24:00", "2027-01-01T10:00:00+1", "9223372036854775808", ["2027", "x"])),
    (one(Principal="*"), "Policy document should not specify a principal."),
    (one(Sid="a b"), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
    ({"Version": "2012-10-17", "Statement": [{**good, "Sid": "a"}] * 2}, "Statement IDs (SID) in a single policy must be unique."),
    (one(Condition={"Similar": {"aws:username": "a"}}), "Syntax errors in policy."),
    (one(Condition={"StringEquals": "a"}), "Syntax errors in policy."),
]:
    assert put(document) == message, (document, put(document))
for condition in ({"Similar": {}}, {"DateLessThan": {"aws:CurrentTime": ["2027", "2027-1-2", "2027-01-01T10:00:00.5Z", "1800000000"]}}):
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(one(Condition=condition)))
iam.delete_role_policy(RoleName="r", PolicyName="p")
path = put(one(Resource="arn:aws:iam::123456789012:r"))
assert path.startswith('IAM resource path must either be "*" or start with user/, federated-user/, role/'), path
refused("MalformedPolicyDocument", iam.create_policy, PolicyName="p", PolicyDocument="{")
big = policy("s3:GetObject", ["arn:aws:s3:::" + "x" * 100] * 60)
assert "6144" in refused("LimitExceeded", iam.create_policy, PolicyName="p", PolicyDocument=big)

def trusting(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument=text)
service = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
for statement, message in [
    ({**service, "Resource": "*"}, "Has prohibited field Resource"),
    ({**service, "Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
    ({"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
    ({**service, "Effect": "Maybe"}, "Invalid effect: Maybe"),
    ({**service, "Extra": 1}, "Unknown field Extra"),
    ({**service, "Principal": {"Planet": "x"}}, 'Invalid principal in policy: {"Planet":"x"}'),
]:
    got = trusting({"Version": "2012-10-17", "Statement": [statement]})
    assert got == message, (statement, got)
assert trusting("{") == "This policy contains invalid Json"
assert trusting({"Version": "2012-10-17", "Statement": []}) == "Could not parse the policy: Statement is empty!"
assert 'Invalid principal in policy: "AWS":"nobody"' in trusting(json.loads(trust({"AWS": "nobody"})))
assert 'Invalid principal in policy: "SERVICE":"x.example"' in trusting(json.loads(trust({"Service": "x.example"})))
