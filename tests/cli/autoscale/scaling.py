"""Prints minimum and maximum of each target, the target value of each policy, and the number of alarms."""
import json
import boto3

scaling = boto3.client("application-autoscaling")
targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
print(json.dumps([
    [[target["MinCapacity"], target["MaxCapacity"]] for target in targets],
    [policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for policy in policies],
    len(alarms),
]))
