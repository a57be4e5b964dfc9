"""Times tuning with a frozen backbone: `features.py OPSML PYTHON FOLDER [REPEATS]`.

OPSML is opsml with opsml-worker beside it, PYTHON one with PyTorch and torchvision (`scripts/pytorch.sh` makes it), FOLDER a dataset
with train/, valid/ and test/. Six jobs, one after the other, share the features of the images through S3: the first computes them, and the later ones read
them. They are processes of the worker with the environment of a training job, and S3 is a local cloud of their own. PyTorch's
script trains once for each repeat, with the same settings, and would take six times as long for six trials.

It prints the medians of the repeats, and the ratios with their range: how many times as long the first job takes as a later one, and
PyTorch as opsml.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
GOAL = 20
TRIALS = 6
SETTINGS = {"arch": "resnet50", "fine_tune": "head", "transform": "resize", "image_size": 224, "batch_size": 32, "epochs": 1,
            "learning_rate": 0.001}
RUNBOOK = """# A bucket

```opsml bucket
bucket: {}
```
"""


class Cloud:
    """A local cloud with one bucket."""

    def __init__(self, opsml, folder):
        self.opsml, self.folder = opsml, folder
        self.environment = {**os.environ, "OPSML_CLOUD_DIR": str(folder / "cloud")}
        (folder / "bucket.md").write_text(RUNBOOK, encoding="utf-8")
        self.run("run", "bucket.md")
        shown = json.loads(self.run("show", "bucket.md", "bucket", "--format", "json"))
        self.bucket = shown["step"]["outputs"]["name"]
        exports = [line.removeprefix("export ").partition("=") for line in self.run("cloud", "env").splitlines()]
        self.variables = {name: value for name, _, value in exports if name.startswith("AWS_")} | {"NO_PROXY": "127.0.0.1"}

    def run(self, *arguments):
        done = subprocess.run([self.opsml, *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    def end(self):
        self.run("down", "bucket.md")
        self.run("cloud", "stop")


def train(worker, folder, weights, settings, variables):
    """Returns the seconds of a whole job, its log, and its model's weights if it had none."""
    with tempfile.TemporaryDirectory() as job:
        base = Path(job)
        (base / "input/config").mkdir(parents=True)
        (base / "input/data").mkdir()
        (base / "input/data/training").symlink_to(Path(folder).absolute())
        if weights:
            (base / "input/data/weights").symlink_to(weights)
        texts = {name: str(value) for name, value in settings.items()}
        (base / "input/config/hyperparameters.json").write_text(json.dumps(texts), encoding="utf-8")
        environment = {**os.environ, **variables, "SAGEMAKER_BASE_DIR": job}
        began = time.monotonic()
        done = subprocess.run([worker, "train"], env=environment, check=True, capture_output=True, text=True)
        seconds = time.monotonic() - began
        made = None if weights else (base / "model/model.safetensors").read_bytes()
        return seconds, done.stdout, made


def tune(worker, folder, weights, place, variables):
    """Returns the seconds of each trial."""
    seconds = []
    for trial in range(TRIALS):
        settings = {**SETTINGS, "features": place, "learning_rate": 0.001 * (trial + 1)}
        took, log, _ = train(worker, folder, weights, settings, variables)
        wanted = "and left at s3://" if trial == 0 else "features=read_from_s3://"
        assert wanted in log and (trial == 0 or "were computed" not in log), log
        seconds.append(took)
    return seconds


def line(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def spread(ratios):
    return f"{statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f}"


def main(opsml, python, folder, repeats=3):
    opsml = Path(opsml).absolute()
    worker = opsml.with_name("opsml-worker")
    firsts, laters, alls, theirs = [], [], [], []
    with tempfile.TemporaryDirectory() as root:
        weights = Path(root, "weights")
        weights.mkdir()
        # Random weights cost as much as others to be read and to compute with.
        _, _, made = train(worker, folder, None, {**SETTINGS, "image_size": 32}, {})
        (weights / "model.safetensors").write_bytes(made)
        cloud = Cloud(opsml, Path(root))
        try:
            for repeat in range(int(repeats)):
                first, *later = tune(worker, folder, weights, f"s3://{cloud.bucket}/features/{repeat}", cloud.variables)
                firsts.append(first)
                laters.append(statistics.median(later))
                alls.append(first + sum(later))
                began = time.monotonic()
                subprocess.run([python, HERE / "torch_train.py", folder, json.dumps(SETTINGS)], check=True, stdout=subprocess.DEVNULL)
                theirs.append(TRIALS * (time.monotonic() - began))
        finally:
            cloud.end()
    middle = statistics.median
    line("ResNet-50 at 224, head alone, no augmentation, 1 epoch", "without", "opsml, shared", "ratio", "range", "goal")
    line(*["---"] * 6)
    line("a later trial, beside the first", f"{middle(firsts):.1f} s", f"{middle(laters):.2f} s",
         spread([one / other for one, other in zip(firsts, laters)]), f"≥ {GOAL}")
    line(f"{TRIALS} trials, beside PyTorch's script {TRIALS} times", f"{middle(theirs):.0f} s", f"{middle(alls):.1f} s",
         spread([one / other for one, other in zip(theirs, alls)]), f"≥ {GOAL}")


if __name__ == "__main__":
    main(*sys.argv[1:])
