"""How many images a core makes batches of, here and with torchvision: `loader.py LOADER PYTHON FOLDER [ROUNDS]`.

LOADER is the worker's `benches/loader.rs`, built; PYTHON one with PyTorch and torchvision; FOLDER a dataset with train/, valid/ and
test/. Both read, decode, crop or not, resize and make tensors of the same photographs, on the same core, in turns. It prints the
medians of the rounds, and the ratio with its range.
"""
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PASSES = "3"
GOAL = 2


def measured(command):
    """Returns the images a second of each case, on one core."""
    core = max(os.sched_getaffinity(0))
    pin = lambda: os.sched_setaffinity(0, {core})
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=pin).stdout
    return {name: float(rate) for name, rate in (line.split(": ") for line in printed.splitlines())}


def main(loader, python, folder, rounds=5):
    found = [
        (measured([loader, folder, PASSES]), measured([python, HERE / "torch_loader.py", folder, PASSES])) for _ in range(int(rounds))
    ]
    print("| images/s a core | opsml | torchvision | ratio | range | goal |\n" + "| --- " * 6 + "|")
    for name in found[0][0]:
        pairs = [(ours[name], theirs[name]) for ours, theirs in found]
        ratios = [our / their for our, their in pairs]
        medians = [statistics.median(rates) for rates in zip(*pairs)]
        print(f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} | {statistics.median(ratios):.2f} | "
              f"{min(ratios):.2f} to {max(ratios):.2f} | ≥ {GOAL} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
