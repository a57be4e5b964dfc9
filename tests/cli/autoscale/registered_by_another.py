"""Registers the endpoint as a target, as someone other than opsml would."""
import boto3

name = boto3.client("sagemaker").list_endpoints()["Endpoints"][0]["EndpointName"]
boto3.client("application-autoscaling").register_scalable_target(
    ServiceNamespace="sagemaker", ResourceId=f"endpoint/{name}/variant/AllTraffic", MinCapacity=1, MaxCapacity=2,
    ScalableDimension="sagemaker:variant:DesiredInstanceCount")
