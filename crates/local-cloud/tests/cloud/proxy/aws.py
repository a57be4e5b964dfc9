import os
import ssl
import sys
import urllib.error
import urllib.request
from botocore.exceptions import SSLError

endpoint, trusted = os.environ["AWS_ENDPOINT_URL"], sys.argv[1]
account = sts.get_caller_identity()["Account"]
os.environ["HTTPS_PROXY"] = endpoint

# As SageMaker's SDK asks who calls.
url = "https://sts.us-east-1.amazonaws.com"
mine = boto3.client("sts", config=config, endpoint_url=url, verify=trusted)
for _ in range(2):
    assert mine.get_caller_identity()["Account"] == account

# Who doesn't trust the server's authority isn't deceived.
try:
    boto3.client("sts", config=config, endpoint_url=url).get_caller_identity()
    raise AssertionError("a certificate of nobody's was trusted")
except SSLError:
    pass

# As the SDK reports its use: an answer of this server, and not of AWS.
context = ssl.create_default_context(cafile=trusted)
context.verify_flags |= ssl.VERIFY_X509_STRICT
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"https": endpoint}), urllib.request.HTTPSHandler(context=context))


def status(url, **headers):
    try:
        return opener.open(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code


assert status("https://sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com/telemetry?x=1") in (403, 404)
# A tunnel is for its host alone.
assert status("https://sts.us-east-1.amazonaws.com/", Host="iam.amazonaws.com") == 400
