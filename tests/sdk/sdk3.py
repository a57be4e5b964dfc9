"""The notebook of a course, as people write it with SageMaker's SDK 3: nothing in it knows the local cloud."""
import io
import json
import os
import random
import sys
import tempfile

import boto3
from PIL import Image
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core import image_uris
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

source = sys.argv[1]
N = str(os.getpid())
session = Session()
bucket, region = session.default_bucket(), session.boto_region_name
role = boto3.client("iam").create_role(
    RoleName="notebook" + N,
    AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}),
)["Role"]["Arn"]
for policy in ("AmazonSageMakerFullAccess", "AmazonS3FullAccess"):
    boto3.client("iam").attach_role_policy(RoleName="notebook" + N, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")

folder = tempfile.mkdtemp()
colors = {"red": (200, 30, 30), "blue": (30, 30, 200)}
for name, color in colors.items():
    os.makedirs(f"{folder}/{name}")
    for number in range(8):
        shade = tuple(max(0, min(255, part + random.randint(-20, 20))) for part in color)
        Image.new("RGB", (24, 24), shade).save(f"{folder}/{name}/{number}.jpg")
inputs = session.upload_data(folder, bucket=bucket, key_prefix="pictures")
print("uploaded", inputs)


def image(scope):
    return image_uris.retrieve(
        "pytorch", region, version="2.5", py_version="py311", image_scope=scope, instance_type="ml.m5.large")


def trainer(count, **hyperparameters):
    made = ModelTrainer(
        sagemaker_session=session, role=role, training_image=image("training"), base_job_name="colors",
        source_code=SourceCode(source_dir=source, entry_script="hpo.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=count), hyperparameters=hyperparameters,
    )
    return made.with_metric_definitions([MetricDefinition(name="Test Loss", regex="Testing Loss: ([0-9\\.]+)")])


training = InputData(channel_name="training", data_source=inputs)
one = trainer(1, epochs=5, batch_size=4, learning_rate=0.01)
one.train(input_data_config=[training], wait=True, logs=True)
job = one._latest_training_job
job.refresh()
assert job.training_job_status == "Completed", job
assert job.final_metric_data_list[0].metric_name == "Test Loss", job.final_metric_data_list
model_data = job.model_artifacts.s3_model_artifacts
print("model", model_data)
trainer(2, epochs=1).train(input_data_config=[training], wait=True, logs=False)

tuner = HyperparameterTuner(
    trainer(1, epochs=2), "Test Loss",
    {"learning_rate": ContinuousParameter(0.001, 0.1), "batch_size": CategoricalParameter([4, 8])},
    metric_definitions=[{"Name": "Test Loss", "Regex": "Testing Loss: ([0-9\\.]+)"}],
    max_jobs=2, max_parallel_jobs=2, objective_type="Minimize",
)
tuner.tune(inputs=[training], wait=True)
print("best", tuner.best_training_job())
table = tuner.analytics().dataframe()
assert len(table) == 2 and set(table["TrainingJobStatus"]) == {"Completed"}, table

builder = ModelBuilder(
    sagemaker_session=session, role_arn=role, image_uri=image("inference"), s3_model_data_url=model_data,
    source_code=SourceCode(source_dir=source, entry_script="inference.py"), instance_type="ml.m5.large",
)
builder.build(model_name="colors" + N)
endpoint = builder.deploy(endpoint_name="colors" + N, initial_instance_count=1, instance_type="ml.m5.large")
picture = io.BytesIO()
Image.new("RGB", (24, 24), colors["blue"]).save(picture, "JPEG")


def predict(body, content_type):
    answer = endpoint.invoke(body=body, content_type=content_type, accept="application/json")
    return json.loads(answer.body.read() if hasattr(answer.body, "read") else answer.body)[0]


blue, red = predict(picture.getvalue(), "image/jpeg")
assert blue > red, (blue, red)
blue, red = predict(json.dumps({"color": colors["red"]}), "application/json")
assert red > blue, (blue, red)
endpoint.delete()
print("\ndone")
