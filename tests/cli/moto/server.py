"""moto with a bucket, on a port of its own; it prints its URL, and ends when its standard input does."""
import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%d" % server.get_host_and_port()
keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
s3 = boto3.client("s3", endpoint_url=url, **keys)
s3.create_bucket(Bucket="opsml-on-moto")
s3.put_object(Bucket="opsml-on-moto", Key="model.tar.gz", Body=b"a model")
print(url, flush=True)
sys.stdin.read()
