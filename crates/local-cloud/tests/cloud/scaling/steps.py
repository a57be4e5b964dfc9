"""A policy with steps acts through the alarm that a user makes for it, on any metric."""
deploy(1)
register(1, 4)


def steps(name, *steps, kind="ChangeInCapacity", **more):
    keys = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    adjustments = [{key: value for key, value in zip(keys, step) if value is not None} for step in steps]
    return autoscaling.put_scaling_policy(**TARGET, PolicyName=name, PolicyType="StepScaling", StepScalingPolicyConfiguration=dict(
        AdjustmentType=kind, StepAdjustments=adjustments, **more))


out = steps("out", (0, 10, 1), (10, None, 2), Cooldown=300)
assert out["Alarms"] == [] and out["PolicyARN"].endswith(":policyName/out")
assert steps("out", (0, 10, 1), (10, None, 2), Cooldown=300)["PolicyARN"] == out["PolicyARN"]
for wrong in ([], [(5, 1, 1)], [(0, 5, 1), (6, None, 1)]):
    refused("ValidationException", lambda: steps("wrong", *wrong))
assert "Step scaling policy configuration" in refused("ValidationException", autoscaling.put_scaling_policy, **TARGET, PolicyName="wrong")


def alarm(name, policy, comparison, threshold):
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="Own", MetricName="waiting", Statistic="Maximum", Period=60, EvaluationPeriods=1,
        Threshold=threshold, ComparisonOperator=comparison, TreatMissingData="notBreaching", AlarmActions=[policy["PolicyARN"]])


alarm("waiting", out, "GreaterThanOrEqualToThreshold", 5.0)
[described] = autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]
assert described["PolicyType"] == "StepScaling" and described["StepScalingPolicyConfiguration"]["Cooldown"] == 300
assert [each["AlarmName"] for each in described["Alarms"]] == ["waiting"]


def until_scaled(value, to):
    def scaled():
        if counts()[1] != to:
            cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "waiting", "Value": value}])
        return counts() == (to, to) and in_service()
    until(scaled)


# Twelve beyond the threshold are two more.
until_scaled(17.0, 3)
[first] = activities()
assert first["Cause"] == "monitor alarm waiting in state ALARM triggered policy out", first
assert first["Description"] == "Setting desired instance count to 3."
cloudwatch.delete_alarms(AlarmNames=["waiting"])

# Nothing waits: half of them go, and the range holds.
into = steps("in", (None, 0, -67), kind="PercentChangeInCapacity", Cooldown=0)
alarm("idle", into, "LessThanThreshold", 1.0)
until_scaled(0.0, 1)
assert {each["PolicyName"] for each in autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]} == {"out", "in"}
until(lambda: {each["StatusCode"] for each in activities()} == {"Successful"})
# A policy that tracks a target may be beside them. The alarms of users stay when a policy goes.
track(10.0)
autoscaling.delete_scaling_policy(**TARGET, PolicyName="in")
assert [each["AlarmName"] for each in cloudwatch.describe_alarms(AlarmNamePrefix="idle")["MetricAlarms"]] == ["idle"]
