"""The notebook of a course, as people write it with SageMaker's SDK 2: nothing in it knows the local cloud."""
import io
import json
import os
import random
import sys
import tempfile

import boto3
import sagemaker
from PIL import Image
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.predictor import Predictor
from sagemaker.pytorch import PyTorch, PyTorchModel
from sagemaker.serializers import IdentitySerializer, JSONSerializer
from sagemaker.deserializers import JSONDeserializer
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner

source = sys.argv[1]
N = str(os.getpid())
session = sagemaker.Session()
bucket = session.default_bucket()
role = boto3.client("iam").create_role(
    RoleName="notebook"+N,
    AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}),
)["Role"]["Arn"]
boto3.client("iam").attach_role_policy(RoleName="notebook"+N, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
boto3.client("iam").attach_role_policy(RoleName="notebook"+N, PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")

folder = tempfile.mkdtemp()
colors = {"red": (200, 30, 30), "blue": (30, 30, 200)}
for name, color in colors.items():
    os.makedirs(f"{folder}/{name}")
    for number in range(8):
        shade = tuple(max(0, min(255, part + random.randint(-20, 20))) for part in color)
        Image.new("RGB", (24, 24), shade).save(f"{folder}/{name}/{number}.jpg")
inputs = session.upload_data(folder, bucket=bucket, key_prefix="pictures")
print("uploaded", inputs)

common = dict(
    entry_point="hpo.py", source_dir=source, role=role, framework_version="2.5", py_version="py311",
    instance_type="ml.m5.large", metric_definitions=[{"Name": "Test Loss", "Regex": "Testing Loss: ([0-9\\.]+)"}],
)
tuner = HyperparameterTuner(
    PyTorch(instance_count=1, **common), "Test Loss",
    {"learning_rate": ContinuousParameter(0.001, 0.1), "batch_size": CategoricalParameter([4, 8])},
    metric_definitions=common["metric_definitions"], max_jobs=2, max_parallel_jobs=2, objective_type="Minimize",
)
tuner.fit({"training": inputs}, wait=True)
best = tuner.best_estimator()
found = best.hyperparameters()
print("best", found)
table = tuner.analytics().dataframe()
assert len(table) == 2 and set(table["TrainingJobStatus"]) == {"Completed"}, table

values = {"batch_size": int(found["batch_size"].strip('"')), "learning_rate": float(found["learning_rate"]), "epochs": 5}
estimator = PyTorch(instance_count=1, hyperparameters=values, **common)
estimator.fit({"training": inputs}, wait=True)
losses = TrainingJobAnalytics(estimator.latest_training_job.name, ["Test Loss"]).dataframe()
assert len(losses) >= 1, losses
print(losses)
twice = PyTorch(instance_count=2, hyperparameters={"epochs": 1}, **common)
twice.fit({"training": inputs}, wait=True)

model = PyTorchModel(
    model_data=estimator.model_data, role=role, entry_point="inference.py", source_dir=source, framework_version="2.5",
    py_version="py311", predictor_cls=Predictor,
)
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
picture = io.BytesIO()
Image.new("RGB", (24, 24), colors["blue"]).save(picture, "JPEG")
predictor.serializer, predictor.deserializer = IdentitySerializer("image/jpeg"), JSONDeserializer()
blue, red = predictor.predict(picture.getvalue())[0]
assert blue > red, (blue, red)
predictor.serializer = JSONSerializer()
blue, red = predictor.predict({"color": colors["red"]})[0]
assert red > blue, (blue, red)
try:
    predictor.serializer = IdentitySerializer("text/csv")
    predictor.predict(b"1,2")
    raise SystemExit("a type that input_fn refuses was accepted")
except predictor.sagemaker_session.sagemaker_runtime_client.exceptions.ModelError as error:
    assert "Requested unsupported ContentType: text/csv" in str(error), error
predictor.delete_model()
predictor.delete_endpoint(delete_endpoint_config=True)
print("\ndone")
