"""A URL outlives the server, and ends with its configuration."""
url = lam.get_function_url_config(FunctionName="f")["FunctionUrl"]
assert json.loads(send(url + "event")[2])["rawPath"] == "/event"
changed = lam.update_function_url_config(FunctionName="f", AuthType="AWS_IAM")
assert (changed["FunctionUrl"], changed["AuthType"]) == (url, "AWS_IAM") and changed["LastModifiedTime"] > changed["CreationTime"]
status, _, body = send(url + "event")
assert (status, json.loads(body)) == (403, FORBIDDEN)
lam.delete_function_url_config(FunctionName="f")
refused("ResourceNotFoundException", lam.delete_function_url_config, FunctionName="f")
refused("ResourceNotFoundException", lam.update_function_url_config, FunctionName="f", AuthType="NONE")
assert send(url)[0] == 403
