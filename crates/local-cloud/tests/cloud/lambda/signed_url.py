"""A URL whose requests must be signed, with what IAM allows their callers."""
from botocore.credentials import Credentials

me = role()
python("f", me, "def lambda_handler(event, context):\n    return event")
url = lam.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
own = boto3.DEFAULT_SESSION.get_credentials()
assert json.loads(send(url)[2]) == FORBIDDEN
status, _, body = signed(url + "a/b%20c?x=1&y=%2F", b'{"a": 1}', "POST", session=own)
assert status == 200, body
event = json.loads(body)
caller = sts.get_caller_identity()
who = event["requestContext"]["authorizer"]["iam"]
assert (who["userArn"], who["userId"], who["accessKey"]) == (caller["Arn"], caller["UserId"], own.access_key), who
assert event["requestContext"]["accountId"] == who["accountId"] == caller["Account"]


def message(code, status, headers, body):
    assert (status, headers["x-amzn-errortype"]) == (403, code), (status, dict(headers), body)
    return json.loads(body)["message"]


wrong = Credentials(own.access_key, "x" * 40)
assert "signature we calculated does not match" in message("InvalidSignatureException", *signed(url, session=wrong))
assert "correct service: 'lambda'" in message("InvalidSignatureException", *signed(url, session=own, service="s3"))
nobody = Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)
assert "security token included in the request is invalid" in message("UnrecognizedClientException", *signed(url, session=nobody))

# A role needs both actions, by its own policies or by the function's.
iam.create_role(RoleName="caller", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
keys = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/caller", RoleSessionName="mine")["Credentials"]
session = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
assert json.loads(signed(url, session=session)[2]) == FORBIDDEN
condition = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
iam.put_role_policy(RoleName="caller", PolicyName="url", PolicyDocument=policy("lambda:InvokeFunctionUrl", ARN + "f", Condition=condition))
assert signed(url, session=session)[0] == 403
lam.add_permission(FunctionName="f", StatementId="caller", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True,
                   Principal="arn:aws:iam::123456789012:role/caller")
status, _, body = signed(url, session=session)
assert status == 200 and json.loads(body)["requestContext"]["authorizer"]["iam"]["userArn"].endswith("assumed-role/caller/mine")
refused("AccessDeniedException", as_role("caller", "lambda").invoke, FunctionName="f")

# Who may create a URL can be held to one kind.
only = policy("lambda:CreateFunctionUrlConfig", "*", Condition=condition)
iam.put_role_policy(RoleName="caller", PolicyName="create", PolicyDocument=only)
lam.delete_function_url_config(FunctionName="f")
theirs = as_role("caller", "lambda")
refused("AccessDeniedException", theirs.create_function_url_config, FunctionName="f", AuthType="NONE")
assert theirs.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["AuthType"] == "AWS_IAM"
