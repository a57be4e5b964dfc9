"""Everything in the account, by kind, as JSON."""
import json
import boto3

sagemaker, s3, iam, logs = (boto3.client(name) for name in ("sagemaker", "s3", "iam", "logs"))


def names(call, listed, name):
    return [one[name] for one in call()[listed]]


jobs = sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
print(json.dumps({
    "buckets": names(s3.list_buckets, "Buckets", "Name"),
    "roles": names(iam.list_roles, "Roles", "RoleName"),
    "jobs": [job["TrainingJobName"] for job in jobs],
    "live_jobs": [job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] not in ("Failed", "Stopped")],
    "models": names(sagemaker.list_models, "Models", "ModelName"),
    "configs": names(sagemaker.list_endpoint_configs, "EndpointConfigs", "EndpointConfigName"),
    "endpoints": names(sagemaker.list_endpoints, "Endpoints", "EndpointName"),
    "log_groups": names(logs.describe_log_groups, "logGroups", "logGroupName"),
}))
