"""Everything in the account, by kind, as JSON."""
import json
import boto3

sagemaker, s3, iam, logs, ec2 = (boto3.client(name) for name in ("sagemaker", "s3", "iam", "logs", "ec2"))


def names(call, listed, name):
    return [one[name] for one in call()[listed]]


jobs = sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
tuning = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
instances = [one for made in ec2.describe_instances()["Reservations"] for one in made["Instances"]]
spot = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
print(json.dumps({
    "buckets": names(s3.list_buckets, "Buckets", "Name"),
    "roles": names(iam.list_roles, "Roles", "RoleName"),
    "instance_profiles": names(iam.list_instance_profiles, "InstanceProfiles", "InstanceProfileName"),
    "jobs": [job["TrainingJobName"] for job in jobs],
    "live_jobs": [job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] not in ("Failed", "Stopped")],
    "tuning_jobs": [job["HyperParameterTuningJobName"] for job in tuning],
    "notebooks": names(sagemaker.list_notebook_instances, "NotebookInstances", "NotebookInstanceName"),
    "models": names(sagemaker.list_models, "Models", "ModelName"),
    "configs": names(sagemaker.list_endpoint_configs, "EndpointConfigs", "EndpointConfigName"),
    "endpoints": names(sagemaker.list_endpoints, "Endpoints", "EndpointName"),
    # The local cloud's own record of decisions isn't counted: no runbook created it.
    "log_groups": [name for name in names(logs.describe_log_groups, "logGroups", "logGroupName") if name != "opsml/decisions"],
    "instances": [one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"],
    "key_pairs": names(ec2.describe_key_pairs, "KeyPairs", "KeyName"),
    "security_groups": [one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]
                        if one["GroupName"] != "default"],
    "spot_requests": [one["SpotInstanceRequestId"] for one in spot if one["State"] in ("open", "active")],
}))
