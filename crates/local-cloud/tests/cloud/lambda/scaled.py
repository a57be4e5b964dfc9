"""Provisioned concurrency that Application Auto Scaling scales."""
import threading

autoscaling, cloudwatch = (boto3.client(each, config=config) for each in ("application-autoscaling", "cloudwatch"))
provided("f", role(), "def work(event):\n    time.sleep(event.get('seconds', 0))\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'].encode().join([b'\"'] * 2)", Publish=True)
lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
TARGET = dict(ServiceNamespace="lambda", ScalableDimension="lambda:function:ProvisionedConcurrency", ResourceId="function:f:live")


def provisioned():
    config = lam.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    return config["RequestedProvisionedConcurrentExecutions"], config["AvailableProvisionedConcurrentExecutions"], config["Status"]


def activities():
    return autoscaling.describe_scaling_activities(ServiceNamespace="lambda")["ScalingActivities"]


for resource in ("function:f:nobody", "function:f:$LATEST", "function:g:live"):
    refused("ValidationException", autoscaling.register_scalable_target, **dict(TARGET, ResourceId=resource), MinCapacity=1, MaxCapacity=4)
refused("ValidationException", autoscaling.register_scalable_target, **dict(TARGET, ResourceId="function:f"), MinCapacity=1, MaxCapacity=4)
autoscaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=3)
until(lambda: activities() and activities()[0]["StatusCode"] == "Successful")
assert provisioned() == (1, 1, "READY")
assert activities()[0]["Description"] == "Setting desired concurrency to 1." and activities()[0]["Cause"] == "minimum capacity was set to 1"
assert invoke("f", {}, Qualifier="live")[1] == "provisioned-concurrency"
[target] = autoscaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == ("function:f:live", 1, 3)
assert target["RoleARN"].endswith("_LambdaConcurrency")
assert autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def track(metric):
    return autoscaling.put_scaling_policy(
        **TARGET, PolicyName="track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.5, "ScaleInCooldown": 0, "ScaleOutCooldown": 0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric}})


message = refused("ValidationException", track, metric="SageMakerVariantInvocationsPerInstance")
assert "only supports the following predefined metric types: LambdaProvisionedConcurrencyUtilization" in message, message
alarms = track("LambdaProvisionedConcurrencyUtilization")["Alarms"]
described = cloudwatch.describe_alarms(AlarmNames=[each["AlarmName"] for each in alarms])["MetricAlarms"]
assert {each["MetricName"] for each in described} == {"ProvisionedConcurrencyUtilization"}
assert described[0]["Dimensions"] == [{"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": "f:live"}]

# While all environments are in use, there are more each period, up to the maximum.
stop = threading.Event()


def load():
    own = boto3.client("lambda", config=config)
    while not stop.is_set():
        own.invoke(FunctionName="f", Qualifier="live", Payload=b'{"seconds": 0.05}')


threads = [threading.Thread(target=load) for _ in range(3)]
[thread.start() for thread in threads]
until(lambda: provisioned() == (3, 3, "READY"))
stop.set()
[thread.join() for thread in threads]
assert "in state ALARM triggered policy track" in activities()[0]["Cause"], activities()[0]
autoscaling.delete_scaling_policy(**TARGET, PolicyName="track")
until(lambda: {each["StatusCode"] for each in activities()} == {"Successful"})

# In steps, by an alarm of one's own; nothing waits any more, so that is set to the minimum.
autoscaling.register_scalable_target(**TARGET, MinCapacity=0)
policy_arn = autoscaling.put_scaling_policy(
    **TARGET, PolicyName="none", PolicyType="StepScaling", StepScalingPolicyConfiguration={
        "AdjustmentType": "ExactCapacity", "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}]})["PolicyARN"]
cloudwatch.put_metric_alarm(
    AlarmName="idle", Namespace="Own", MetricName="waiting", Statistic="Maximum", Period=60, EvaluationPeriods=1, Threshold=1,
    ComparisonOperator="LessThanThreshold", TreatMissingData="breaching", AlarmActions=[policy_arn])


def ended():
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "waiting", "Value": 0}])
    return lam.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"] == []


until(ended)
assert invoke("f", {}, Qualifier="live")[1] == "on-demand"
autoscaling.deregister_scalable_target(**TARGET)
