"""A URL that everybody may use."""
CODE = """
import base64, time
def lambda_handler(event, context):
    path = event["rawPath"]
    if path == "/event":
        return event
    if path == "/said":
        return {"statusCode": 302, "headers": {"location": "/event", "content-type": "text/plain"}, "cookies": ["a=1", "b=2"],
                "body": base64.b64encode(b"\\xff\\xfe").decode(), "isBase64Encoded": True}
    if path == "/wrong":
        return {"statusCode": "many"}
    if path == "/text":
        return "text"
    raise ValueError(path)
"""
me = role()
python("f", me, CODE)
refused("ResourceNotFoundException", lam.get_function_url_config, FunctionName="f")
assert lam.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"] == []
made = lam.create_function_url_config(FunctionName="f", AuthType="NONE")
url = made["FunctionUrl"]
host = url.removeprefix("https://").removesuffix("/")
identity = host.removesuffix(".lambda-url.us-east-1.on.aws")
assert len(identity) == 32 and identity.isalnum() and identity.islower() or identity.isdigit(), url
assert (made["FunctionArn"], made["AuthType"], made["InvokeMode"]) == (ARN + "f", "NONE", "BUFFERED")
assert "FunctionUrlConfig exists for this Lambda function" in refused(
    "ResourceConflictException", lam.create_function_url_config, FunctionName="f", AuthType="NONE")
assert "Function does not exist" in refused(
    "ResourceNotFoundException", lam.create_function_url_config, FunctionName="nobody", AuthType="NONE")
refused("UnknownOperationException", lam.update_function_url_config, FunctionName="f", InvokeMode="RESPONSE_STREAM")
refused("ValidationException", lam.create_function_url_config, FunctionName="f:1", AuthType="NONE")

# Nobody may use it yet, and one of the two permissions isn't enough.
status, headers, body = send(url)
assert (status, json.loads(body), headers["x-amzn-errortype"]) == (403, FORBIDDEN, "AccessDeniedException"), body
lam.add_permission(FunctionName="f", StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
assert send(url)[0] == 403
added = lam.add_permission(FunctionName="f", StatementId="function", Action="lambda:InvokeFunction", Principal="*",
                           InvokedViaFunctionUrl=True)
assert json.loads(added["Statement"])["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
[first, _] = json.loads(lam.get_policy(FunctionName="f")["Policy"])["Statement"]
assert first["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
refused("InvalidParameterValueException", lam.add_permission, FunctionName="f", StatementId="x", Action="lambda:InvokeFunction",
        Principal="*", FunctionUrlAuthType="NONE")

status, headers, body = send(url + "event?a=1&a=2", b'{"x": 1}', "POST", Content_Type="application/json", Cookie="c=1; d=2", X_Mine="y")
event = json.loads(body)
assert (status, headers["content-type"]) == (200, "application/json"), (status, body)
assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/event", "a=1&a=2")
assert (event["queryStringParameters"], event["cookies"]) == ({"a": "1,2"}, ["c=1", "d=2"])
assert (event["body"], event["isBase64Encoded"], event["headers"]["x-mine"]) == ('{"x": 1}', False, "y")
assert (event["headers"]["host"], event["headers"]["x-forwarded-proto"]) == (host, "https")
context = event["requestContext"]
assert (context["domainName"], context["apiId"], context["accountId"]) == (host, identity, "anonymous"), context
assert (context["http"]["method"], context["http"]["path"], context["routeKey"]) == ("POST", "/event", "$default")
assert headers["x-amzn-requestid"] == context["requestId"]
picture = json.loads(send(url + "event", b"\x89PNG", "PUT", Content_Type="image/png")[2])
assert (base64.b64decode(picture["body"]), picture["isBase64Encoded"]) == (b"\x89PNG", True)

status, headers, body = send(url + "said")
assert (status, headers["location"], headers["content-type"], body) == (302, "/event", "text/plain", b"\xff\xfe")
assert headers.get_all("set-cookie") == ["a=1", "b=2"]
assert send(url + "text")[2] == b"text"
for path in ("wrong", "raises"):
    status, _, body = send(url + path)
    assert (status, body) == (502, b"Internal Server Error"), (path, status, body)
assert send(url, b"x" * 6_291_457, "POST")[0] == 413

# It is throttled as any invocation is.
lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
assert send(url)[0] == 429
lam.delete_function_concurrency(FunctionName="f")

# Whoever may only use the URL can't call Invoke.
other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
refused("AccessDeniedException", as_role("other", "lambda").invoke, FunctionName="f")

# An alias has a URL of its own, which goes with it.
python("g", me, "def lambda_handler(event, context):\n    return context.invoked_function_arn", Publish=True)
lam.create_alias(FunctionName="g", Name="live", FunctionVersion="1")
alias = lam.create_function_url_config(FunctionName="g", Qualifier="live", AuthType="NONE")
assert alias["FunctionArn"] == ARN + "g:live"
open_to_all("g", Qualifier="live")
assert send(alias["FunctionUrl"])[2].decode() == ARN + "g:live"
assert [each["FunctionArn"] for each in lam.list_function_url_configs(FunctionName="g")["FunctionUrlConfigs"]] == [ARN + "g:live"]
lam.delete_alias(FunctionName="g", Name="live")
status, _, body = send(alias["FunctionUrl"])
assert (status, json.loads(body)) == (403, {"Message": None}), body
