"""The beginning of the test programs for tuning."""


def search(strategy="Random", jobs=4, parallel=2, objective=("Minimize", "score"), seed=None, **ranges):
    config = {"Strategy": strategy, "ResourceLimits": {"MaxParallelTrainingJobs": parallel},
            "HyperParameterTuningJobObjective": {"Type": objective[0], "MetricName": objective[1]},
            "ParameterRanges": {f"{kind}ParameterRanges": list_ for kind, list_ in ranges.items()}}
    if jobs:
        config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = jobs
    if seed is not None:
        config["RandomSeed"] = seed
    return config


def numbers(name, low, high, scaling="Auto"):
    return [{"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}]


def choices(name, *values):
    return {"Name": name, "Values": list(values)}


def tune(name, role, config, statics=(("mode", "score"),), definition=(), **more):
    trial = {
        "StaticHyperParameters": dict(statics), "RoleArn": role,
        "AlgorithmSpecification": {
            "TrainingImage": "opsml-worker", "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.eE+-]+|NaN)"},
                                  {"Name": "never", "Regex": "no such line=([0-9.]+)"}]},
        "InputDataConfig": [{"ChannelName": "training", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/set"}}}],
        "OutputDataConfig": {"S3OutputPath": "s3://data-bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300}, **dict(definition)}
    return sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=config, TrainingJobDefinition=trial, **more)


def tuning(name):
    return sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def tuned(name):
    """Waits until the tuning job has ended, and returns its description."""
    def look():
        described = tuning(name)
        return described if described["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None
    return until(look, 120)


def trials(name, **more):
    return sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100, **more)["TrainingJobSummaries"]
