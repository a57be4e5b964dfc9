"""An instance works on 32 requests at once, and 256 more may wait. Those beyond are refused at once."""
import asyncio, collections, pathlib, tempfile, urllib.parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

ADMITTED, REFUSED = 32 + 256, 32
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


async def rush(request, gate):
    """Sends all requests at once. The accepted ones wait for the gate, which opens when the others were refused."""
    early = []
    sent = [asyncio.create_task(one(request)) for _ in range(ADMITTED + REFUSED)]
    for first in asyncio.as_completed(sent):
        early.append(await first)
        if len(early) == REFUSED:
            gate.touch()
    return early[:REFUSED], early[REFUSED:]


with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # the containers have a /tmp of their own
    gate = pathlib.Path(folder) / "gate"
    refused_answers, answers = asyncio.run(rush(signed(f"until {gate}".encode()), gate))
statuses = [collections.Counter(int(answer.split()[1]) for answer in each) for each in (refused_answers, answers)]
assert statuses == [{503: REFUSED}, {200: ADMITTED}], statuses
refusal = refused_answers[0]
assert b"ServiceUnavailable" in refusal and b"more requests than they can take" in refusal, refusal
invoke()
