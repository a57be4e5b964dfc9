"""Who may invoke a function."""
provided("f", role(), "def work(event):\n    return b'1'", Publish=True)
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))["Role"]["Arn"]
theirs = as_role("other", "lambda")
def denied(**more):
    return refused("AccessDeniedException", theirs.invoke, FunctionName="f", **more)
assert denied() == ("User: arn:aws:sts::123456789012:assumed-role/other/test is not authorized to perform: lambda:InvokeFunction on "
                    f"resource: {ARN}f because no identity-based policy allows the lambda:InvokeFunction action")
refused("ResourceNotFoundException", lam.get_policy, FunctionName="f")
response = lam.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction", Principal=other)
assert json.loads(response["Statement"]) == {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": other},
    "Action": "lambda:InvokeFunction", "Resource": ARN + "f"}
assert theirs.invoke(FunctionName="f")["StatusCode"] == 200
assert ARN + "f:live" in denied(Qualifier="live"), "the policy is for the function, not for the alias"
lam.add_permission(FunctionName="f", StatementId="live", Action="lambda:InvokeFunction", Principal="123456789012", Qualifier="live",
                   SourceAccount="123456789012", SourceArn="arn:aws:s3:::bucket")
live = json.loads(lam.get_policy(FunctionName="f", Qualifier="live")["Policy"])
[statement] = live["Statement"]
assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"} and statement["Resource"] == ARN + "f:live"
assert statement["Condition"] == {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}}
assert "already exists" in refused("ResourceConflictException", lam.add_permission, FunctionName="f", StatementId="other",
                                   Action="lambda:InvokeFunction", Principal=other)
assert refused("InvalidParameterValueException", lam.add_permission, FunctionName="f", StatementId="x", Action="lambda:InvokeFunction",
               Principal="arn:aws:iam::123456789012:role/nobody") == "The provided principal was invalid. Please check the principal and try again."
assert "not found in resource policy" in refused("ResourceNotFoundException", lam.remove_permission, FunctionName="f", StatementId="none")
lam.remove_permission(FunctionName="f", StatementId="other")
denied()
assert refused("ResourceNotFoundException", lam.remove_permission, FunctionName="f", StatementId="other") == (
    "No policy is associated with the given resource.")
# A deny in the caller's own policy wins over the function's policy.
lam.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction", Principal=other)
iam.put_role_policy(RoleName="other", PolicyName="p", PolicyDocument=policy("lambda:*", "*", "Deny"))
assert "explicit deny in an identity-based policy" in denied()
# Every operation needs a permission.
iam.put_role_policy(RoleName="other", PolicyName="p", PolicyDocument=policy("lambda:GetFunction", ARN + "f"))
assert theirs.get_function(FunctionName="f")
assert "lambda:PublishVersion" in refused("AccessDeniedException", theirs.publish_version, FunctionName="f")
assert "lambda:DeleteFunction" in refused("AccessDeniedException", theirs.delete_function, FunctionName="f")
refused("AccessDeniedException", theirs.get_function, FunctionName="g")
