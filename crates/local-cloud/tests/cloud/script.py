"""The beginning of the test programs for script mode: training jobs with AWS's PyTorch image, and source archives."""
import io
import tarfile
import zipfile

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311-ubuntu20.04-sagemaker"


def source(name, **files):
    """Uploads an archive of these files (`train_py="…"` is train.py), and returns its URI."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, content in files.items():
            content = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(file.replace("__", "/").replace("_", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    s3.put_object(Bucket="data-bucket", Key=f"code/{name}/sourcedir.tar.gz", Body=packed.getvalue())
    return f"s3://data-bucket/code/{name}/sourcedir.tar.gz"


def script(name, role, uri, program="train.py", parameters=(), **more):
    quoted = {"sagemaker_program": program, "sagemaker_submit_directory": uri, "sagemaker_job_name": name,
              "sagemaker_region": "us-east-1"}
    hyperparameters = {key: json.dumps(value) for key, value in quoted.items()}
    hyperparameters.update({"sagemaker_container_log_level": "20", **dict(parameters)})
    return job(name, role, HyperParameters=hyperparameters, AlgorithmSpecification={
        "TrainingImage": PYTORCH, "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}, **more)


def wheel(name, code):
    """Returns a wheel of one module, which pip can install."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{name}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return packed.getvalue()
