"""Trust policies with conditions."""
def trusted(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]})
me = sts.get_caller_identity()["Arn"]
def assume(name, **more):
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    return sts.assume_role(RoleArn=arn, RoleSessionName="s-1", **more)
iam.create_role(RoleName="a", AssumeRolePolicyDocument=trusted(
    {"Principal": {"AWS": me}, "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}))
refused("AccessDenied", assume, name="a")
refused("AccessDenied", assume, name="a", ExternalId="43")
assume("a", ExternalId="42")
iam.create_role(RoleName="b", AssumeRolePolicyDocument=trusted(
    {"Principal": {"AWS": "*"}, "Condition": {"StringLike": {"sts:RoleSessionName": "s-*"}}}))
assume("b")
iam.update_assume_role_policy(RoleName="b", PolicyDocument=trusted(
    {"Principal": {"AWS": "*"}, "Condition": {"StringLike": {"sts:RoleSessionName": "t-*"}}}))
refused("AccessDenied", assume, name="b")
# Their own policies allow everything, but the trust policy allows nobody.
iam.create_role(RoleName="c", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
refused("AccessDenied", assume, name="c")
