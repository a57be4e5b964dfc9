import asyncio, collections, urllib.parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
deploy()
url = os.environ["AWS_ENDPOINT_URL"]
def signed(body):
    request = AWSRequest("POST", url + "/endpoints/e/invocations", data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(boto3.Session().get_credentials(), "sagemaker", "us-east-1").add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    host = urllib.parse.urlsplit(url).netloc
    return (f"POST /endpoints/e/invocations HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n{head}\r\n").encode() + body
async def one(request):
    reader, writer = await asyncio.open_connection("127.0.0.1", urllib.parse.urlsplit(url).port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer
async def all(count, request):
    return await asyncio.gather(*(one(request) for _ in range(count)))
# 32 at the instance and 256 that wait for it are answered, in their order; the others are refused at once.
answers = asyncio.run(all(320, signed(b"wait 300")))
statuses = collections.Counter(int(answer.split()[1]) for answer in answers)
assert statuses[200] >= 288 and statuses[503] >= 10 and sum(statuses.values()) == 320 == statuses[200] + statuses[503], statuses
refusal = next(answer for answer in answers if b" 503 " in answer[:20])
assert b"ServiceUnavailable" in refusal and b"more requests than they can take" in refusal, refusal
invoke()
