# What an answer that comes before the request's body was read does to the connection.
import http.client
import io
import time

s3.create_bucket(Bucket="bucket-1")
k = {"Bucket": "bucket-1", "Key": "k"}

# SDKs send a body that they read from a file only once they are told to continue. If the answer comes instead, the connection
# ends with it: what botocore keeps of it would spoil the next answer.
for body in (b"", b"x" * 300_000):
    refused("NoSuchBucket", s3.put_object, Bucket="nowhere-1", Key="k", Body=io.BytesIO(body))
    s3.put_object(**k, Body=io.BytesIO(b""))
    started = time.monotonic()
    s3.put_object(**k, Body=io.BytesIO(b"abcd"))
    assert time.monotonic() - started < 5 and s3.get_object(**k)["Body"].read() == b"abcd"

# A client that sends the body at once gets to read the answer, and keeps its connection.
connection = http.client.HTTPConnection("127.0.0.1", int(s3.meta.endpoint_url.rsplit(":", 1)[1]), timeout=30)
connection.connect()
socket = connection.sock
for _ in range(5):
    connection.request("PUT", "/bucket-1/k", body=b"x" * 20_000_000)
    answer = connection.getresponse()
    assert answer.status == 403 and b"AccessDenied" in answer.read(), answer.status
    assert connection.sock is socket
# Of a body that is too long, the rest isn't read.
connection.putrequest("PUT", "/bucket-1/k")
connection.putheader("Content-Length", str(1 << 40))
connection.putheader("Expect", "100-continue")
connection.endheaders()
answer = connection.getresponse()
assert answer.status == 403 and answer.headers["Connection"] == "close", answer.headers
