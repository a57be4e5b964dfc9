until(lambda: counts() == (2, 2) and in_service())
[activity] = until(lambda: (found := activities())[0]["StatusCode"] == "Successful" and found)
assert activity["Cause"] == "minimum capacity was set to 2", activity
[target] = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 2)
[policy] = autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]
assert len(cloudwatch.describe_alarms(ActionPrefix=policy["PolicyARN"])["MetricAlarms"]) == 2
assert total("Invocations") >= 10

# The endpoint still scales.
register(1, 3)
with Load(40) as load:
    until(lambda: counts() == (3, 3))
until(lambda: counts() == (1, 1))
