"""The beginning of SageMaker's test programs. Every answer is checked against botocore's model."""
import re
import time

from botocore.validate import ParamValidator

sagemaker, runtime = (boto3.client(name, config=config) for name in ("sagemaker", "sagemaker-runtime"))
s3 = boto3.client("s3", config=config)

# Syntax of Java's regular expressions that Python's lack.
JAVA = ((r"\p{L}\p{Z}\p{N}", r"\w\s"), (r"\p{Print}", r"[ -~]"), (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


def faults(shape, value, path=""):
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}.{name} is unknown"
            else:
                yield from faults(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from faults(shape.member, item, path + "[]")
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value} is not in {shape.enum}"
        for java, python in (JAVA if pattern else ()):
            pattern = pattern.replace(java, python)
        if pattern and not re.fullmatch(pattern, value):
            yield f"{path}: {value} does not match {pattern}"


def check(model, parsed, http_response, **_):
    if http_response.status_code < 300 and model.output_shape:
        members = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        report = ParamValidator().validate(members, model.output_shape)
        assert not report.has_errors(), (model.name, report.generate_report())
        assert not list(faults(model.output_shape, members)), (model.name, list(faults(model.output_shape, members)))


sagemaker.meta.events.register("after-call.sagemaker", check)


def setup(actions=("s3:*",), resource="*"):
    s3.create_bucket(Bucket="data-bucket")
    for name in ("train/a/1.png", "train/b/2.png", "valid/a/3.png"):
        s3.put_object(Bucket="data-bucket", Key=f"set/{name}", Body=name.encode())
    role = iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=trust({"Service": "sagemaker.amazonaws.com"}))
    iam.put_role_policy(RoleName="trainer", PolicyName="data", PolicyDocument=policy(list(actions), resource))
    return role["Role"]["Arn"]


def job(name, role, mode="ok", **more):
    arguments = dict(
        TrainingJobName=name, RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": "opsml-worker", "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "test_accuracy", "Regex": "(?:^|[ ;])test_accuracy=([0-9.]+)"}]},
        HyperParameters={"mode": mode},
        InputDataConfig=[{"ChannelName": "training", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/set"}}}],
        OutputDataConfig={"S3OutputPath": "s3://data-bucket/out"},
        ResourceConfig={"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 300})
    arguments.update(more)
    return sagemaker.create_training_job(**arguments)


def until(found, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} s")


def ended(name):
    def look():
        described = sagemaker.describe_training_job(TrainingJobName=name)
        return described if described["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None
    return until(look)


def training(name):
    until(lambda: sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training")


def log(group, stream):
    return [event["message"] for event in logs.filter_log_events(logGroupName=group, logStreamNamePrefix=stream)["events"]]
