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
