"""Deregisters the target."""
import boto3

scaling = boto3.client("application-autoscaling")
target = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"][0]
scaling.deregister_scalable_target(
    **{key: target[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")})
