# Targets that are refused: one whose endpoint doesn't exist, and resources that can't be targets.
message = refused("ValidationException", register, least=1, most=2)
assert message == "SageMaker variant does not exist: endpoint/e/variant/AllTraffic", message
deploy(2)
sagemaker.create_endpoint_config(EndpointConfigName="t2", ProductionVariants=[{
    "VariantName": "AllTraffic", "ModelName": "e", "InitialInstanceCount": 1, "InstanceType": "ml.t2.medium"}])
sagemaker.create_endpoint(EndpointName="t2", EndpointConfigName="t2")
def registering(**more):
    return dict(TARGET, **dict(dict(MinCapacity=1, MaxCapacity=2), **more))
call = autoscaling.register_scalable_target
other = registering(ResourceId="endpoint/e/variant/other")
assert "does not exist: endpoint/e/variant/other" in refused("ValidationException", call, **other)
for change in ({"ResourceId": "endpoint/e"}, {"ScalableDimension": "ecs:service:DesiredCount"}):
    message = refused("ValidationException", call, **registering(**change))
    assert message == "Unsupported service namespace, resource type or scalable dimension", message
for change in ({"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"},
               {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}):
    message = refused("UnknownOperationException", call, **registering(**change))
    assert "does not support" in message and (change.get("ServiceNamespace") or change["ScalableDimension"]) in message
message = refused("ValidationException", register, least=3, most=2)
assert message == "Maximum capacity cannot be less than minimum capacity", message
refused("ValidationException", register, least=0, most=2)
refused("ValidationException", call, **dict(TARGET, MinCapacity=1))
until(lambda: in_service("t2"))
message = refused("ValidationException", call, **registering(ResourceId="endpoint/t2/variant/AllTraffic"))
assert "burstable instances such as T2" in message, message
assert not autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
def missing(call, words, **more):
    message = refused("ObjectNotFoundException", call, **TARGET, **more)
    assert message.startswith(words + " for service namespace: sagemaker, resource ID: endpoint/e/variant/AllTraffic, "
                              "scalable dimension: sagemaker:variant:DesiredInstanceCount"), message
missing(autoscaling.deregister_scalable_target, "No scalable target found")
missing(autoscaling.delete_scaling_policy, "No scaling policy found", PolicyName="p")
message = refused("ObjectNotFoundException", track, value=5.0)
assert message.startswith("No scalable target registered for service namespace: sagemaker"), message

# A target. Both its minimum and its maximum change the capacity at once.
arn = register(1, 3, Tags={"a": "1"})["ScalableTargetARN"]
assert register(1, 3)["ScalableTargetARN"] == arn and not activities()
assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"a": "1"}
autoscaling.tag_resource(ResourceARN=arn, Tags={"b": "2"})
autoscaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
refused("ResourceNotFoundException", autoscaling.list_tags_for_resource, ResourceARN=arn + "x")
register(3, 3)
until(lambda: counts() == (3, 3) and in_service())
autoscaling.register_scalable_target(**TARGET, MinCapacity=1)
autoscaling.register_scalable_target(**TARGET, MaxCapacity=2)
until(lambda: counts() == (2, 2) and in_service())
until(lambda: {activity["StatusCode"] for activity in activities()} == {"Successful"})
assert [activity["Cause"] for activity in activities()] == \
    ["maximum capacity was set to 2", "minimum capacity was set to 3"], activities()
[target] = autoscaling.describe_scalable_targets(
    ServiceNamespace="sagemaker", ResourceIds=[TARGET["ResourceId"]])["ScalableTargets"]
assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
assert target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")

# A policy and its alarms.
tracking = track(10.0, ScaleInCooldown=300, ScaleOutCooldown=30)
again = track(20.0, ScaleInCooldown=300, ScaleOutCooldown=30)
assert again["PolicyARN"] == tracking["PolicyARN"] and again["Alarms"] != tracking["Alarms"]
[scaling_policy] = autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]
assert scaling_policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 20.0
assert scaling_policy["Alarms"] == again["Alarms"] and scaling_policy["PolicyType"] == "TargetTrackingScaling"
assert ":scalingPolicy:" in tracking["PolicyARN"]
assert tracking["PolicyARN"].endswith(":resource/sagemaker/endpoint/e/variant/AllTraffic:policyName/p")
alarms = cloudwatch.describe_alarms(ActionPrefix=tracking["PolicyARN"])["MetricAlarms"]
assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 2
rule = {alarm["AlarmName"].split("-")[2]: (
    alarm["EvaluationPeriods"], alarm["Period"], alarm["Threshold"], alarm["ComparisonOperator"]) for alarm in alarms}
assert rule == {"AlarmHigh": (3, 60, 20.0, "GreaterThanThreshold"), "AlarmLow": (15, 60, 18.0, "LessThanThreshold")}, rule
assert all(alarm["AlarmName"].startswith("TargetTracking-endpoint/e/variant/AllTraffic-Alarm") and
           alarm["AlarmDescription"] == f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {tracking['PolicyARN']}."
           for alarm in alarms), alarms
def put(**more):
    return dict(dict(TARGET, PolicyName="p", PolicyType="TargetTrackingScaling",
                     TargetTrackingScalingPolicyConfiguration={"TargetValue": 1.0, "PredefinedMetricSpecification": {
                         "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}), **more)
call = autoscaling.put_scaling_policy
assert refused("ValidationException", call, **put(PolicyName="q")) == \
    "Only one TargetTrackingScaling policy for a given metric specification is allowed."
refused("ValidationException", call, **put(PolicyType="StepScaling"))
wrong = {"TargetValue": 1.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}}
assert "only supports the following predefined metric types" in refused(
    "ValidationException", call, **put(TargetTrackingScalingPolicyConfiguration=wrong))
refused("ValidationException", track, value=0.0)
refused("ValidationException", track, value=1.0, ScaleInCooldown=-1)
names = lambda: [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
before = names()
assert track(20.0, ScaleInCooldown=300, ScaleOutCooldown=30)["PolicyARN"] == tracking["PolicyARN"] and names() == before, "the request was repeated"
track(30.0, ScaleInCooldown=300, ScaleOutCooldown=30)
assert not set(names()) & set(before), "the policy has changed"
track(20.0, DisableScaleIn=True)
assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1

# Permissions, with AWS's error messages.
iam.create_role(RoleName="weak", AssumeRolePolicyDocument=trust({"AWS": "123456789012"}))
iam.put_role_policy(RoleName="weak", PolicyName="p", PolicyDocument=policy_of(
    "sagemaker:*", "application-autoscaling:Describe*"))
weak = as_role("weak", "application-autoscaling")
assert weak.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
message = refused("AccessDeniedException", weak.register_scalable_target, **registering())
assert "is not authorized to perform: application-autoscaling:RegisterScalableTarget on resource: " + arn in message
message = refused("AccessDeniedException", as_role("weak", "cloudwatch").list_metrics)
assert "cloudwatch:ListMetrics" in message, message
# Deleting an endpoint deregisters its target, so the caller must be allowed to do that.
message = refused("AccessDeniedException", as_role("weak", "sagemaker").delete_endpoint, EndpointName="e")
assert "application-autoscaling:DeregisterScalableTarget" in message, message
message = refused("ValidationException", sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="t2")
assert 'The variant(s) "[AllTraffic]" must be deregistered as scalable targets' in message, message

# The quota is enforced, and the scaling activity reports it.
autoscaling.register_scalable_target(**TARGET, MinCapacity=21, MaxCapacity=30)
failed = activities()[0]
assert failed["StatusCode"] == "Failed" and failed["StatusMessage"].startswith(
    "Failed to set desired instance count to 21. Reason: The account-level service limit 'ml.m5.large for endpoint usage' "
    "is 20 Instances"), failed
assert "Error Code: ResourceLimitExceeded" in failed["StatusMessage"] and counts() == (2, 2)
pages = autoscaling.describe_scaling_activities(**TARGET, MaxResults=2)
more = autoscaling.describe_scaling_activities(**TARGET, NextToken=pages["NextToken"])
assert len(pages["ScalingActivities"]) == 2 and len(more["ScalingActivities"]) == 1
refused("InvalidNextTokenException", autoscaling.describe_scaling_activities, **TARGET, NextToken="x")

# Deregistering a target deletes its policies and alarms, and deleting an endpoint deregisters its target.
register(1, 2)
autoscaling.delete_scaling_policy(**TARGET, PolicyName="p")
assert not cloudwatch.describe_alarms()["MetricAlarms"]
track(20.0)
autoscaling.deregister_scalable_target(**TARGET)
assert not cloudwatch.describe_alarms()["MetricAlarms"]
assert not autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
register(1, 2)
track(20.0)
sagemaker.delete_endpoint(EndpointName="e")
assert not autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
assert not cloudwatch.describe_alarms()["MetricAlarms"]
