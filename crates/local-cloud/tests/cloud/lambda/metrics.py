"""What invocations leave in CloudWatch, and an alarm on it."""
import datetime
me = role()
cw = boto3.client("cloudwatch", config=config)
python("f", me, "def lambda_handler(event, context):\n    if event: raise ValueError(event)")
invoke("f", 0), invoke("f", 0), invoke("f", 1)
lam.publish_version(FunctionName="f")
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
invoke("f", 1, Qualifier="live")
lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
refused("TooManyRequestsException", lam.invoke, FunctionName="f")
now = datetime.datetime.now(datetime.timezone.utc)


def points(name, **dimensions):
    response = cw.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()], Period=7200,
        Statistics=["Sum", "SampleCount", "Maximum"])
    found = response["Datapoints"]
    return sum(point["Sum"] for point in found), sum(point["SampleCount"] for point in found), {point["Unit"] for point in found}


for dimensions, invocations, errors, throttles, tried in [
    ({}, 4, 2, 1, 5), ({"FunctionName": "f"}, 4, 2, 1, 5), ({"FunctionName": "f", "Resource": "f"}, 3, 1, 1, 4),
    ({"FunctionName": "f", "Resource": "f:live"}, 1, 1, 0, 1),
    ({"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": "1"}, 1, 1, 0, 1),
]:
    assert points("Invocations", **dimensions) == (invocations, invocations, {"Count"}), dimensions
    assert points("Errors", **dimensions) == (errors, invocations, {"Count"}), dimensions
    assert points("Throttles", **dimensions) == (throttles, tried, {"Count"}), dimensions
    total, count, unit = points("Duration", **dimensions)
    assert total > 0 and count == invocations and unit == {"Milliseconds"}, dimensions
    if "ExecutedVersion" not in dimensions:
        assert points("ConcurrentExecutions", **dimensions) == (invocations, invocations, {"Count"}), dimensions
cw.put_metric_alarm(
    AlarmName="errors", Namespace="AWS/Lambda", MetricName="Errors", Dimensions=[{"Name": "FunctionName", "Value": "f"}],
    Statistic="Sum", Period=60, EvaluationPeriods=5, DatapointsToAlarm=1, Threshold=0, ComparisonOperator="GreaterThanThreshold")
lam.delete_function_concurrency(FunctionName="f")
until(lambda: invoke("f", 1) and cw.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"] == "ALARM")
