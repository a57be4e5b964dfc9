"""Statistics that need every value, in both operations that read metrics and in an alarm."""
now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
at = now - datetime.timedelta(minutes=3)


def put(name, **datum):
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[dict(datum, MetricName=name, Timestamp=at)])


for value in range(1, 101):
    put("m", Value=value)
put("counted", Values=[1.0, 10.0], Counts=[95, 5])
put("summed", StatisticValues={"SampleCount": 3, "Sum": 6.0, "Minimum": 1.0, "Maximum": 3.0})
window = dict(StartTime=at, EndTime=at + datetime.timedelta(minutes=1))


def points(name, **more):
    return cloudwatch.get_metric_statistics(Namespace="Own", MetricName=name, Period=60, **window, **more)["Datapoints"]


[point] = points("m", ExtendedStatistics=["p50", "p99", "p99.9", "tm90"], Statistics=["Sum"])
assert point["ExtendedStatistics"] == {"p50": 50, "p99": 99, "p99.9": 100, "tm90": 45.5} and point["Sum"] == 5050, point
[point] = points("counted", ExtendedStatistics=["p95", "p96"])
assert point["ExtendedStatistics"] == {"p95": 1, "p96": 10}, point
# Of a statistic set, single values aren't known.
[point] = points("summed", ExtendedStatistics=["p50"], Statistics=["Maximum"])
assert "ExtendedStatistics" not in point and point["Maximum"] == 3, point
for wrong in ("Sum", "p101", "Median"):
    refused("InvalidParameterValue", points, name="m", ExtendedStatistics=[wrong])


def data(name, stat):
    metric = {"Namespace": "Own", "MetricName": name}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
    return cloudwatch.get_metric_data(MetricDataQueries=[query], **window)["MetricDataResults"][0]["Values"]


assert [data("m", stat) for stat in ("p10", "TM(10%:90%)", "IQM", "PR(:20)", "TC(90:)", "WM90")] == [[10], [50.5], [50.5], [20], [10], [45.5 * .9 + 9]], [
    data("m", stat) for stat in ("p10", "TM(10%:90%)", "IQM", "PR(:20)", "TC(90:)", "WM90")]
assert data("summed", "p50") == []

alarm = dict(AlarmName="slow", Namespace="Own", MetricName="latency", ExtendedStatistic="p90", Period=60, EvaluationPeriods=1,
             Threshold=5.0, ComparisonOperator="GreaterThanThreshold")
cloudwatch.put_metric_alarm(**alarm)
refused("ValidationError", cloudwatch.put_metric_alarm, **alarm, Statistic="Sum")


def slow():
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "latency", "Values": [1.0, 9.0], "Counts": [8, 2]}])
    [described] = cloudwatch.describe_alarms(AlarmNames=["slow"])["MetricAlarms"]
    assert described["ExtendedStatistic"] == "p90"
    return described["StateValue"] == "ALARM"


until(slow)


# Expressions over other queries, of which the request may keep some to itself.
def calculated(expression, **more):
    queries = [{"Id": name, "ReturnData": False, "MetricStat": {
        "Metric": {"Namespace": "Own", "MetricName": name}, "Period": 60, "Stat": "Sum"}} for name in ("m", "counted")]
    queries += [{"Id": "e", "Expression": expression, "Label": "ratio"}, {"Id": "twice", "Expression": "e * 2"}]
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, **dict(window, **more))["MetricDataResults"]
    assert [each["Id"] for each in results] == ["e", "twice"] and [each["Label"] for each in results] == ["ratio", "twice"]
    assert results[1]["Values"] == [2 * value for value in results[0]["Values"]]
    return results[0]["Values"]


assert calculated("100 * counted / m") == [100 * 145 / 5050]
assert calculated("m") == [5050]
for wrong in ("m +", "m + nobody", "twice"):
    refused("ValidationError", lambda: calculated(wrong))
for lacking in ("SELECT AVG(m) FROM Own", "ANOMALY_DETECTION_BAND(m)"):
    refused("UnknownOperationException", lambda: calculated(lacking))
assert "must not equal" in refused("ValidationError", lambda: calculated("m", EndTime=at))
assert "must be greater than StartTime" in refused("ValidationError", lambda: calculated("m", EndTime=at - datetime.timedelta(hours=1)))
assert "mutually exclusive" in refused("InvalidParameterValue", lambda: put("x", Value=1.0, Values=[1.0]))
assert "mutually exclusive" in refused("InvalidParameterCombination", lambda: put(
    "x", Value=1.0, StatisticValues={"SampleCount": 1, "Sum": 1.0, "Minimum": 1.0, "Maximum": 1.0}))
assert "of the same size" in refused("InvalidParameterValue", lambda: put("x", Values=[1.0], Counts=[1, 2]))
