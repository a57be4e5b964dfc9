"""What a URL's settings say to browsers."""
python("f", role(), """
def lambda_handler(event, context):
    return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://mine.test"}, "body": event["requestContext"]["http"]["method"]}
""")
url = lam.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
open_to_all("f")
asks = dict(Origin="https://a.test", Access_Control_Request_Method="POST")
# Without settings, the function answers.
status, headers, body = send(url, None, "OPTIONS", **asks)
assert (body, headers["access-control-allow-origin"]) == (b"OPTIONS", "https://mine.test")
cors = {"AllowOrigins": ["https://a.test"], "AllowMethods": ["POST"], "AllowHeaders": ["x-a", "x-b"], "ExposeHeaders": ["x-c"], "MaxAge": 5}
assert lam.update_function_url_config(FunctionName="f", Cors=cors)["Cors"] == cors
status, headers, body = send(url, None, "OPTIONS", **asks)
assert (status, body, headers["access-control-allow-origin"]) == (200, b"", "https://a.test")
assert (headers["access-control-allow-methods"], headers["access-control-allow-headers"]) == ("POST", "x-a,x-b")
assert headers["access-control-max-age"] == "5"
status, headers, body = send(url, b"{}", "POST", Origin="https://a.test")
assert (body, headers["access-control-allow-origin"], headers["access-control-expose-headers"]) == (b"POST", "https://a.test", "x-c")
assert send(url, Origin="https://b.test")[1]["access-control-allow-origin"] is None
refused("ValidationException", lam.update_function_url_config, FunctionName="f", Cors={"AllowMethods": ["OPTIONS"]})
assert "Cors" not in lam.update_function_url_config(FunctionName="f", Cors={})
