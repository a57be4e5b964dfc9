"""Times whole trainings by the worker and by PyTorch, in turns: `training.py WORKER PYTHON FOLDER [REPEATS]`.

WORKER is opsml-worker, PYTHON one with PyTorch and torchvision (`scripts/pytorch.sh` makes it), FOLDER a dataset with train/, valid/
and test/. For each case it prints the median of the ratios and their range: how many times as long PyTorch takes.
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
CASES = {
    "ResNet-50 at 224, head alone, 1 epoch": {
        "arch": "resnet50", "fine_tune": "head", "image_size": 224, "batch_size": 32, "epochs": 1, "learning_rate": 0.001},
    "ResNet-18 at 32, all weights, 2 epochs": {
        "arch": "resnet18", "fine_tune": "full", "image_size": 32, "batch_size": 64, "epochs": 2, "learning_rate": 0.001},
}


def timed(command, **environment):
    began = time.monotonic()
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def ours(worker, folder, settings):
    with tempfile.TemporaryDirectory() as job:
        base = Path(job)
        (base / "input/config").mkdir(parents=True)
        (base / "input/data").mkdir()
        (base / "input/data/training").symlink_to(Path(folder).absolute())
        texts = {name: str(value) for name, value in settings.items()}
        (base / "input/config/hyperparameters.json").write_text(json.dumps(texts), encoding="utf-8")
        return timed([worker, "train"], SAGEMAKER_BASE_DIR=job)


def main(worker, python, folder, repeats=3):
    print("| training | opsml | PyTorch | ratio | range |\n| --- | --- | --- | --- | --- |")
    for name, settings in CASES.items():
        pairs = []
        for _ in range(int(repeats)):
            ended = ours(worker, folder, settings)
            pairs.append((ended, timed([python, HERE / "torch_train.py", folder, json.dumps(settings)])))
        ratios = [theirs / our for our, theirs in pairs]
        medians = [statistics.median(times) for times in zip(*pairs)]
        print(f"| {name} | {medians[0]:.1f} s | {medians[1]:.1f} s | {statistics.median(ratios):.2f} | "
              f"{min(ratios):.2f} to {max(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
