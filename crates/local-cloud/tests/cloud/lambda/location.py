"""The very zip can be downloaded, from the location that GetFunction gives."""
me = role()
first = zipped(bootstrap=BOOTSTRAP % "def work(event):\n    return b'1'", data__txt="1")
provided("f", me, "", Code={"ZipFile": first}, Publish=True)
location = lam.get_function(FunctionName="f")["Code"]["Location"]
get = lambda url: send(url)[2]
assert location.startswith("https://awslambda-us-east-1-tasks.s3.us-east-1.amazonaws.com/snapshots/123456789012/f-"), location
assert get(location) == first
second = zipped(bootstrap=BOOTSTRAP % "def work(event):\n    return b'2'")
lam.update_function_code(FunctionName="f", ZipFile=second)
active("f")
assert get(lam.get_function(FunctionName="f")["Code"]["Location"]) == second
assert get(lam.get_function(FunctionName=ARN + "f:1")["Code"]["Location"]) == first == get(location)
# Code of S3 is the same.
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="code")
s3.put_object(Bucket="code", Key="g.zip", Body=second)
provided("g", me, "", Code={"S3Bucket": "code", "S3Key": "g.zip"})
assert get(lam.get_function(FunctionName="g")["Code"]["Location"]) == second

code, _, body = send(location[:-1] + ("0" if location[-1] != "0" else "1"))
assert code == 403 and b"<Code>AccessDenied</Code>" in body, body
assert send(location.split("?")[0])[0] == 403
lam.delete_function(FunctionName="f")
until(lambda: send(location)[0] == 404)
refused("InvalidParameterValueException", lam.put_function_concurrency, FunctionName="g:1", ReservedConcurrentExecutions=1)
