deploy(2)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda _: invoke(b"wait 50"), range(30)))
for _ in range(3):
    refused("ModelError", invoke, body=b"bad")
assert total("Invocations") == 33 and abs(total("InvocationsPerInstance") - 16.5) < 1e-6
assert (total("Invocation4XXErrors"), total("Invocation5XXErrors")) == (3, 0)
assert total("ModelLatency", statistic="SampleCount") == 33 and total("ModelLatency") >= 30 * 50_000
refused("ModelError", invoke, body=b"die")
assert total("Invocation5XXErrors") == 1
until(lambda: total("MemoryUtilization", "/aws/sagemaker/Endpoints", "SampleCount") >= 2)
found = cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=[{"Name": "EndpointName", "Value": "e"}])["Metrics"]
assert sorted(metric["MetricName"] for metric in found) == [
    "Invocation4XXErrors", "Invocation5XXErrors", "Invocations", "InvocationsPerInstance", "ModelLatency"], found

# Data points of one second each, as a report's figure needs them.
now = datetime.datetime.now(datetime.timezone.utc)
def data(**more):
    stat = {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": DIMENSIONS},
            "Period": 1, "Stat": "Sum", **more}
    return dict(MetricDataQueries=[{"Id": "i", "MetricStat": stat}], ScanBy="TimestampAscending",
                StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(seconds=5))
[result] = cloudwatch.get_metric_data(**data())["MetricDataResults"]
assert sum(result["Values"]) == 34 and result["Timestamps"] == sorted(result["Timestamps"]), result
assert (result["Label"], result["StatusCode"]) == ("Invocations", "Complete")
refused("ValidationError", cloudwatch.get_metric_data, **data(Stat="Median"))
refused("ValidationError", cloudwatch.get_metric_data, **data(Period=7))

# Custom metrics, put in all three forms, and an alarm on them.
def put(*data):
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[dict(each, MetricName="m") for each in data])
put({"Value": 2.0, "Unit": "Seconds"}, {"Values": [1.0, 4.0], "Counts": [2, 1], "Unit": "Seconds"},
    {"StatisticValues": {"SampleCount": 2, "Sum": 10.0, "Minimum": 3.0, "Maximum": 7.0}, "Unit": "Seconds"})
def statistics(**more):
    return cloudwatch.get_metric_statistics(**dict(dict(
        Namespace="Own", MetricName="m", Period=3600, StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(hours=1),
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"]), **more))["Datapoints"]
points = statistics()
assert sum(point["SampleCount"] for point in points) == 6 and sum(point["Sum"] for point in points) == 18, points
assert min(point["Minimum"] for point in points) == 1 and max(point["Maximum"] for point in points) == 7
assert {point["Unit"] for point in points} == {"Seconds"} and not statistics(Unit="Bytes")
message = refused("InvalidParameterCombination", statistics, Period=1)
assert "exceeds the limit of 1,440" in message, message
refused("InvalidParameterValue", statistics, Period=61)
refused("InvalidParameterValue", statistics, EndTime=now - datetime.timedelta(hours=2))
refused("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/Own", MetricData=[{"MetricName": "m", "Value": 1}])
refused("MissingParameter", cloudwatch.put_metric_data, Namespace="Own", MetricData=[{"MetricName": "m"}])

def alarm(**more):
    cloudwatch.put_metric_alarm(**dict(dict(
        AlarmName="own", Namespace="Own", MetricName="m", Statistic="Maximum", Period=60, EvaluationPeriods=1,
        Threshold=5.0, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching"), **more))
alarm()
def state():
    return cloudwatch.describe_alarms(AlarmNames=["own"])["MetricAlarms"][0]["StateValue"]
until(lambda: state() == "OK")
def alarmed():
    put({"Value": 6.0})
    return state() == "ALARM"
until(alarmed)
until(lambda: state() == "OK")
[named] = cloudwatch.describe_alarms_for_metric(Namespace="Own", MetricName="m")["MetricAlarms"]
assert named["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:own"
cloudwatch.set_alarm_state(AlarmName="own", StateValue="ALARM", StateReason="a test")
assert cloudwatch.describe_alarm_history(AlarmName="own")["AlarmHistoryItems"][0]["HistoryItemType"] == "StateUpdate"
refused("UnknownOperationException", alarm, AlarmActions=["arn:aws:sns:us-east-1:123456789012:t"])
refused("InvalidParameterValue", alarm, Period=61)
refused("ValidationError", cloudwatch.put_metric_alarm, AlarmName="x", Namespace="Own")
cloudwatch.delete_alarms(AlarmNames=["own"])
refused("ResourceNotFound", cloudwatch.delete_alarms, AlarmNames=["own"])

# A request in CBOR is refused, and the error names the protocol.
import urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
request = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"] + "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                     headers={"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}, data=b"\xa0")
SigV4Auth(boto3.Session().get_credentials(), "monitoring", "us-east-1").add_auth(request)
try:
    urllib.request.urlopen(urllib.request.Request(request.url, b"\xa0", dict(request.headers)))
    raise AssertionError("answered")
except urllib.error.HTTPError as error:
    assert error.code == 501 and b"rpc-v2-cbor" in error.read()
