"""Endpoints with AWS's PyTorch image: its defaults, a script's own functions, and its errors."""
import sys

role = setup()
SERVING = PYTORCH.replace("pytorch-training", "pytorch-inference")


def archive(name, **files):
    return source(name, **files)


def deploy(name, data, **environment):
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={
        "Image": SERVING, "ModelDataUrl": data, "Environment": environment})
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
        "VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def settled():
        described = sagemaker.describe_endpoint(EndpointName=name)
        return described if described["EndpointStatus"] in ("InService", "Failed") else None
    return until(settled, 120)


def invoke(name, body, content_type="application/json", **more):
    answer = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type, **more)
    return answer["ContentType"], answer["Body"].read()


def fails(name, body, content_type="application/json", **more):
    try:
        invoke(name, body, content_type, **more)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ModelError", error.response
        return error.response["OriginalMessage"]
    raise AssertionError("no ModelError")


# A script's own functions, one of which takes the context, beside what the model's folder has.
code = '''
import os, pathlib
def model_fn(model_dir):
    assert model_dir == "/opt/ml/model", model_dir
    assert not os.path.exists(%r + "/keys.json")
    return pathlib.Path(model_dir, "words").read_text()
def input_fn(body, content_type):
    if content_type != "text/plain":
        raise ValueError("only text")
    return body.decode()
def predict_fn(data, model, context):
    return model + " " + data + " " + (context.get_request_header(0, "Accept") or "none")
def output_fn(prediction, accept):
    return prediction.upper(), "text/x"
''' % sys.argv[1]
described = deploy("own", archive("own", words="model", code__inference_py=code))
assert described["EndpointStatus"] == "InService", (described, log("/aws/sagemaker/Endpoints/own", ""))
assert invoke("own", b"data", "text/plain", Accept="text/y") == ("text/x", b"MODEL DATA TEXT/Y")
assert fails("own", b"1").startswith("only text\nTraceback (most recent call last):\n"), fails("own", b"1")

# The image's defaults: a TorchScript module, JSON, CSV and NumPy's format.
script("makes", role, source("makes", train_py='''
import os, torch
class Twice(torch.nn.Module):
    def forward(self, x):
        return 2 * x
torch.jit.save(torch.jit.script(Twice()), os.environ["SM_MODEL_DIR"] + "/model.pth")
'''))
assert ended("makes")["TrainingJobStatus"] == "Completed", log("/aws/sagemaker/TrainingJobs", "makes/")
described = deploy("defaults", "s3://data-bucket/out/makes/output/model.tar.gz")
assert described["EndpointStatus"] == "InService", (described, log("/aws/sagemaker/Endpoints/defaults", ""))
assert invoke("defaults", b"[[1, 2.5]]") == ("application/json", b"[[2.0, 5.0]]")
assert invoke("defaults", b"1,2", "text/csv", Accept="text/csv") == ("text/csv", b"2.0\n4.0\n")
assert "Content type application/xml is not supported by this framework." in fails("defaults", b"<x/>", "application/xml")
assert "Content type image/png is not supported by this framework." in fails("defaults", b"[1]", Accept="image/png")

# What can't be served is told when it starts.
described = deploy("empty", archive("empty", readme_txt="no model"))
assert described["EndpointStatus"] == "Failed" and "did not pass the ping health check" in described["FailureReason"], described
assert "Exactly one .pth or .pt file is required for PyTorch models: []" in described["FailureReason"], described
both = "def transform_fn(*a): pass\ndef input_fn(*a): pass\ndef model_fn(d): pass\n"
described = deploy("both", archive("both", code__serve_py=both), SAGEMAKER_PROGRAM="serve.py")
assert "Cannot use transform_fn implementation in conjunction with" in described["FailureReason"], described
