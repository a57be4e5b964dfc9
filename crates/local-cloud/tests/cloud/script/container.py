"""What a container sees: its own folders at /opt/ml, a /tmp of its own, and neither the home of the cloud's user nor its keys."""
import os
import sys

HOME, CLOUD = sys.argv[1:]
role = setup()
GROUP = "/aws/sagemaker/TrainingJobs"

look = f'''
import json, os, pathlib, tempfile
ml = pathlib.Path("/opt/ml")
assert pathlib.Path.cwd() == ml / "code" and os.environ["SM_MODEL_DIR"] == "/opt/ml/model", (os.getcwd(), os.environ)
assert json.loads((ml / "input/config/hyperparameters.json").read_text())["lr"] == "0.1"
assert (ml / "input/data/training/train/a/1.png").read_text() == "train/a/1.png"
assert not pathlib.Path({HOME!r}, ".cargo").exists()
assert os.listdir({CLOUD!r}) == ["training-jobs"], os.listdir({CLOUD!r})
assert not os.path.exists("/tmp/of-the-machine")
with open("/tmp/mine", "w") as mine:
    mine.write("x")
assert tempfile.gettempdir() == "/tmp"
try:
    open("/usr/written", "w")
    raise SystemExit("the machine can be written to")
except OSError:
    pass
(ml / "model").mkdir(exist_ok=True)
(ml / "model/weights").write_text("by its own path")
(ml / "output/tensorboard/events").write_text("a curve")
'''
script("sees", role, source("sees", train_py=look), parameters={"lr": "0.1"},
       TensorBoardOutputConfig={"S3OutputPath": "s3://data-bucket/board"})
result = ended("sees")
assert result["TrainingJobStatus"] == "Completed", (result["FailureReason"], log(GROUP, "sees/"))
model = s3.get_object(Bucket="data-bucket", Key="out/sees/output/model.tar.gz")["Body"].read()
with tarfile.open(fileobj=io.BytesIO(model)) as archive:
    assert archive.extractfile("weights").read() == b"by its own path"
assert s3.get_object(Bucket="data-bucket", Key="board/sees/tensorboard-output/events")["Body"].read() == b"a curve"
assert not os.path.exists("/tmp/mine")

# An entry point of one's own, which the toolkit doesn't run: the image's Python and pip are there.
run = "set -e; echo \"$0 and $1\"; python3 -c 'import torch; print(\"torch\")'; pip3 --version; echo bad >/opt/ml/output/failure; exit 4"
entry = {"TrainingImage": PYTORCH, "TrainingInputMode": "File",
         "ContainerEntrypoint": ["/bin/bash", "-c"], "ContainerArguments": [run, "first", "second"]}
job("entry", role, AlgorithmSpecification=entry, EnableNetworkIsolation=False)
result = ended("entry")
assert result["FailureReason"] == "AlgorithmError: bad, exit code: 4", (result, log(GROUP, "entry/"))
lines = log(GROUP, "entry/")
assert lines[:2] == ["first and second", "torch"] and lines[2].startswith("pip "), lines
entry["ContainerEntrypoint"] = ["no-such-program"]
job("no-entry", role, AlgorithmSpecification=entry)
reason = ended("no-entry")["FailureReason"]
assert "could not start the entry point no-such-program" in reason, reason
del entry["ContainerEntrypoint"]
assert "ContainerArguments without" in refused("UnknownOperationException", job, name="x", role=role, AlgorithmSpecification=entry)

# Without a network, and without credentials.
alone = '''
import os, socket
assert not any(name.startswith("AWS_") for name in os.environ), os.environ
try:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 5)
    raise SystemExit("reached")
except OSError:
    print("alone")
'''
port = boto3.client("s3").meta.endpoint_url.rsplit(":", 1)[1]
script("alone", role, source("alone", train_py=alone), EnableNetworkIsolation=True, Environment={"PORT": port})
result = ended("alone")
assert result["TrainingJobStatus"] == "Completed" and "alone" in log(GROUP, "alone/"), (result, log(GROUP, "alone/"))
