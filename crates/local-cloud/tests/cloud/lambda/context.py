"""The context object, as AWS's runtime makes it."""
me = role()
code = '''
def lambda_handler(event, context):
    context.log("one\\nevent")
    client, identity = context.client_context, context.identity
    return {"text": str(context), "identity": [identity.cognito_identity_id, identity.cognito_identity_pool_id], "w3c": context.w3c(),
            "client": client and [client.custom, client.env, client.client and client.client.app_title, str(client)]}
'''
python("f", me, code)
given = {"custom": {"k": "v"}, "env": {"e": "1"}, "client": {"app_title": "t"}, "w3c": {"baggage": "b", "other": "c"}}
response, answer, log = invoke("f", {}, ClientContext=base64.b64encode(json.dumps(given).encode()).decode())
assert answer["text"].startswith(f"LambdaContext([aws_request_id={response['ResponseMetadata']['RequestId']},log_group_name=/aws/lambda/f,"), answer
assert (f"function_name=f,memory_limit_in_mb=128,function_version=$LATEST,invoked_function_arn={ARN}f,client_context=ClientContext([custom="
    in answer["text"]), answer
assert answer["text"].endswith(
    "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),tenant_id=None])"), answer
assert answer["identity"] == [None, None] and answer["w3c"] == {"baggage": "b"}, answer
client = ("ClientContext([custom={'k': 'v'},env={'e': '1'},client=Client([installation_id=None,app_title=t,app_version_name=None,"
          "app_version_code=None,app_package_name=None])])")
assert answer["client"] == [{"k": "v"}, {"e": "1"}, "t", client], answer
assert "one\nevent\n" in log, log
assert invoke("f", {})[1]["client"] is None
assert invoke("f", {}, ClientContext=base64.b64encode(b'{"custom": {}}').decode())[1]["client"][2] is None
python("builtin", me, "x = 1", Handler="sys.path")
assert invoke("builtin", {})[1]["errorType"] == "Runtime.BuiltInModuleConflict"
