"""Tests of the judge: it must find the fault in each wrong request and answer here, and none in the right ones."""
import json
import sys
import tempfile
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))

import proxy
from models import Exchange, Judge

JOB = {
    "TrainingJobName": "job", "RoleArn": "arn:aws:iam::123456789012:role/r",
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 300}}
ENDPOINT = {
    "EndpointName": "e", "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
    "EndpointConfigName": "c", "EndpointStatus": "InService", "CreationTime": 1.5, "LastModifiedTime": 2}
ROLE = """<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><Path>/</Path>
<RoleName>r</RoleName><RoleId>AROAEXAMPLEEXAMPLE12</RoleId><Arn>arn:aws:iam::123456789012:role/r</Arn>
<CreateDate>2026-11-21T01:02:03Z</CreateDate></Role></GetRoleResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetRoleResponse>"""
LIST = """<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><KeyCount>1</KeyCount>
<Contents><Key>k</Key><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"""
ANSWERED = {"x-amzn-requestid": "1"}


def sagemaker(operation, body):
    headers = {"x-amz-target": f"SageMaker.{operation}", "content-type": "application/x-amz-json-1.1"}
    return Exchange("POST", "/", headers, json.dumps(body).encode())


def iam(**form):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Exchange("POST", "/", headers, urlencode({"Version": "2010-05-08", **form}).encode())


def s3(method, target, body=b"", **headers):
    signed = "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/s3/aws4_request"
    return Exchange(method, target, {"authorization": signed, **{n.replace("_", "-"): v for n, v in headers.items()}}, body)


def answered(exchange, body, status=200, headers=ANSWERED):
    exchange.status, exchange.answer_headers = status, headers
    exchange.answer = body if isinstance(body, bytes) else json.dumps(body).encode()
    return exchange


class Judged(unittest.TestCase):
    judge = Judge()

    def request(self, exchange, operation, *faults):
        self.assert_faults(exchange, operation, self.judge.request, faults)

    def answer(self, exchange, operation, *faults):
        self.assert_faults(exchange, operation, self.judge.answer, faults)

    def assert_faults(self, exchange, operation, rules, faults):
        """Asserts that each fault found contains one of `faults`, and that each of `faults` is found."""
        found = self.judge.operation(exchange)
        self.assertEqual(found and found.name, operation)
        found_faults = rules(found, exchange)
        for fault in faults:
            self.assertTrue(any(fault in one for one in found_faults), (fault, found_faults))
        for one in found_faults:
            self.assertTrue(any(fault in one for fault in faults), one)

    def test_json_requests(self):
        def job(*faults, **changed):
            members = {name: value for name, value in {**JOB, **changed}.items() if value is not None}
            self.request(sagemaker("CreateTrainingJob", members), "sagemaker.CreateTrainingJob", *faults)
        job()
        job("RoleArn", RoleArn=None)
        job("Colour is unknown", Colour="blue")
        job("does not match", TrainingJobName="a_b")
        job("does not match", "above the most", TrainingJobName="a" * 64)
        job("does not match", RoleArn="arn:aws:s3:::not-a-role-at-all")
        job("is not one of", ResourceConfig={**JOB["ResourceConfig"], "InstanceType": "ml.m5.huge"})
        job("valid min value", ResourceConfig={**JOB["ResourceConfig"], "VolumeSizeInGB": -1})
        job("Invalid type", StoppingCondition={"MaxRuntimeInSeconds": "300"})
        job("Invalid type", StoppingCondition=[])
        job("valid min value", StoppingCondition={"MaxRuntimeInSeconds": 0})
        job("above the most", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)])
        job("does not match", Tags=[{"Key": "k", "Value": "a;b"}])
        job(Tags=[{"Key": "k", "Value": "Größe 1/é+-@"}])
        wrong = sagemaker("CreateTrainingJob", JOB)
        wrong.headers["content-type"] = "application/json"
        self.request(wrong, "sagemaker.CreateTrainingJob", "content-type")
        wrong.headers["content-type"] = "application/x-amz-json-1.1"
        wrong.body = b"{"
        self.request(wrong, "sagemaker.CreateTrainingJob", "no JSON", "Missing required")
        self.assertIsNone(self.judge.operation(sagemaker("TrainHarder", {})))

    def test_json_answers(self):
        def endpoint(*faults, status=200, headers=ANSWERED, without=(), **changed):
            members = {name: value for name, value in {**ENDPOINT, **changed}.items() if name not in without}
            exchange = answered(sagemaker("DescribeEndpoint", {"EndpointName": "e"}), members, status, headers)
            self.answer(exchange, "sagemaker.DescribeEndpoint", *faults)
        endpoint()
        endpoint("EndpointStatus", without=("EndpointStatus",))
        endpoint("is not one of", EndpointStatus="Fine")
        endpoint("Mood is unknown", Mood="good")
        endpoint("does not match", EndpointArn="arn:of:an:endpoint:of:ours")
        endpoint("no timestamp", CreationTime="2026-11-21T00:00:00Z")
        endpoint("Invalid type", EndpointConfigName=7)
        endpoint("no request id", headers={})
        empty = {"message": "why"}
        for body, fault in (({**empty, "__type": "Nonsense"}, "no error of this"), ({"__type": "ValidationException"}, "code and message")):
            self.answer(answered(sagemaker("DescribeEndpoint", {}), body, 400), "sagemaker.DescribeEndpoint", fault)
        self.answer(answered(sagemaker("DescribeEndpoint", {}), {**empty, "__type": "ValidationException"}, 400), "sagemaker.DescribeEndpoint")

    def test_forms_and_their_answers(self):
        create = {"Action": "CreateRole", "RoleName": "r", "AssumeRolePolicyDocument": "{}"}
        self.request(iam(**create), "iam.CreateRole")
        self.request(iam(**create, **{"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}), "iam.CreateRole")
        self.request(iam(**create, **{"Tags.member.2.Key": "a"}), "iam.CreateRole", "Tags.member.2.Key is unknown")
        self.request(iam(**create, **{"Tags.member.1.Key": "a"}), "iam.CreateRole", "Value")
        self.request(iam(**create, MaxSessionDuration="long"), "iam.CreateRole", "is no integer")
        self.request(iam(**{**create, "RoleName": "r r"}), "iam.CreateRole", "does not match")
        self.request(iam(Action="CreateRole", RoleName="r"), "iam.CreateRole", "AssumeRolePolicyDocument")

        def role(old, new, *faults):
            self.assertIn(old, ROLE)
            exchange = answered(iam(Action="GetRole", RoleName="r"), ROLE.replace(old, new).encode())
            self.answer(exchange, "iam.GetRole", *faults)
        role("", "")
        role("<Path>/</Path>", "", "Path")
        role("<Path>", "<Way/><Path>", "Way is unknown")
        role("2026-11-21T01:02:03Z", "yesterday", "botocore cannot read it")
        role("AROA", "-", "does not match")
        role("iam.amazonaws.com/doc", "example.org", "its root is")
        role("GetRoleResult>", "Result>", "botocore cannot read it")
        gone = """<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>
            <Code>NoSuchEntity</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
        for status, faults in ((404, ()), (400, ("not 404",))):
            self.answer(answered(iam(Action="GetRole", RoleName="r"), gone.encode(), status), "iam.GetRole", *faults)

    def test_s3(self):
        self.request(s3("PUT", "/b/a/b?x-id=PutObject", x_amz_checksum_crc32="AAAAAA=="), "s3.PutObject")
        self.request(s3("PUT", "/b/k?partNumber=1&uploadId=u"), "s3.UploadPart")
        self.request(s3("PUT", "/b/k", x_amz_copy_source="/c/d"), "s3.CopyObject")
        self.request(s3("GET", "/b?list-type=2&prefix=p"), "s3.ListObjectsV2")
        self.request(s3("GET", "/b/?versioning"), "s3.GetBucketVersioning")
        self.request(s3("HEAD", "/b"), "s3.HeadBucket")
        self.request(s3("PUT", "/b/k?x-id=GetObject"), "s3.PutObject", "calls itself GetObject")
        self.request(s3("PUT", "/b/k", x_amz_colour="blue"), "s3.PutObject", "x-amz-colour is unknown")
        self.request(s3("PUT", "/b/k", x_amz_storage_class="CHEAP"), "s3.PutObject", "is not one of")
        self.request(s3("GET", "/b?list-type=2&max-keys=few"), "s3.ListObjectsV2", "is no integer", "Invalid type")
        self.request(s3("GET", "/b?list-type=2&colour=blue"), "s3.ListObjectsV2", "colour is unknown")
        self.request(s3("GET", "/b/k", b"body"), "s3.GetObject", "a body")
        versioning = b"<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>"
        for status, sent, faults in ((b"Enabled", {"content_md5": "x"}, ()), (b"On", {"content_md5": "x"}, ("is not one of",)), (b"Enabled", {}, ("checksum",))):
            self.request(s3("PUT", "/b?versioning", versioning % status, **sent), "s3.PutBucketVersioning", *faults)
        self.request(s3("PUT", "/b?versioning", b"<Wrong><Odd/></Wrong>", content_md5="x"), "s3.PutBucketVersioning", "root", "Odd is unknown")

        def listed(old, new, *faults):
            self.assertIn(old, LIST)
            exchange = answered(s3("GET", "/b?list-type=2"), LIST.replace(old, new).encode(), headers={"x-amz-request-id": "1"})
            self.answer(exchange, "s3.ListObjectsV2", *faults)
        listed("", "")
        listed("STANDARD", "CHEAP", "is not one of")
        listed("<Name>", "<Age/><Name>", "Age is unknown")
        listed("<Key>", "<Kind/><Key>", "Kind is unknown")
        deleted = answered(s3("DELETE", "/b/k"), b"", 200, {"x-amz-request-id": "1"})
        self.answer(deleted, "s3.DeleteObject", "not 204")
        got = answered(s3("GET", "/b/k"), None, 200, {"x-amz-request-id": "1", "last-modified": "2026", "x-amz-mood": "good"})
        self.answer(got, "s3.GetObject", "is no timestamp", "x-amz-mood is unknown", "Invalid type")

    def test_invocations(self):
        invoked = Exchange("POST", "/endpoints/e/invocations", {"content-type": "image/png", "accept": "*/*"}, b"png")
        self.request(invoked, "sagemaker-runtime.InvokeEndpoint")
        self.answer(answered(invoked, b"[[1]]"), "sagemaker-runtime.InvokeEndpoint")
        failed = {"Message": "no", "OriginalStatusCode": "415", "Colour": 1}
        headers = {**ANSWERED, "x-amzn-errortype": "ModelError"}
        self.answer(answered(invoked, failed, 424, headers), "sagemaker-runtime.InvokeEndpoint", "Invalid type", "Colour is unknown")
        self.answer(answered(invoked, {"Message": "no"}, 400, headers), "sagemaker-runtime.InvokeEndpoint", "not 424")


class Wrong(BaseHTTPRequestHandler):
    """A server whose answers lack all required members."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("x-amzn-RequestId", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


class Proxied(unittest.TestCase):
    def test_findings_are_recorded(self):
        server = HTTPServer(("127.0.0.1", 0), Wrong)
        Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "record"
            between = proxy.start(f"http://127.0.0.1:{server.server_port}", record)
            client = HTTPConnection("127.0.0.1", between.server_port)
            wrong = sagemaker("DescribeEndpoint", {"Endpoint": "e"})
            for headers in (wrong.headers, {**wrong.headers, "x-amz-target": "SageMaker.Guess"}):
                client.request("POST", "/", wrong.body, headers)
                self.assertEqual(client.getresponse().read(), b"{}")
            # Closing the connection waits until its last exchange is recorded.
            client.close()
            between.shutdown()
            between.server_close()
            between.record.summary()
            lines = [json.loads(line) for line in record.read_text().splitlines()]
        server.shutdown()
        server.server_close()
        problems = [line["problem"] for line in lines if line["event"] == "finding"]
        for part in (".Endpoint is unknown", '"EndpointName"', '"EndpointStatus"', "no operation of botocore"):
            self.assertTrue(any(part in problem for problem in problems), (part, problems))
        summary = lines[-1]
        self.assertEqual(summary["calls"], {"none": 1, "sagemaker.DescribeEndpoint": 1})
        self.assertEqual(summary["findings"], len(problems))


if __name__ == "__main__":
    unittest.main()
