"""Times whole runs of runbooks that are many `command` steps: does the engine cost what the document is long?

Usage: benches/steps.py OPSML [REPEATS]. Prints a table, each figure the median of the repeats, with its goal beside it.
Every repeat has a folder, a home and a local cloud of its own.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SIZES = (100, 1_000, 10_000)
# Seconds. A first run writes two events a step, each flushed to the disk: its goal is per step.
STEP_GOAL = 0.005
AGAIN_GOAL = 1.0


def runbook(steps):
    blocks = [f"```opsml s{i}\ncommand:\n  run: ['true']\n```\n" for i in range(steps)]
    return "---\ntitle: Many steps\n---\n\n" + "\n".join(blocks)


def seconds(opsml, verb, folder, environment):
    start = time.perf_counter()
    done = subprocess.run([opsml, verb, "many.md"], cwd=folder, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-2000:]
    return took


def once(opsml, steps):
    """The seconds of each verb on one runbook: a first run, a second, plan, check, report."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "many.md").write_text(runbook(steps))
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "OPSML_CLOUD_DIR": f"{folder}/cloud"}
        verbs = ("check", "run", "run", "plan", "report")
        try:
            return [seconds(opsml, verb, folder, environment) for verb in verbs]
        finally:
            subprocess.run([opsml, "cloud", "stop"], env=environment, capture_output=True)


def main(opsml, repeats="3"):
    opsml = os.path.abspath(opsml)
    print("| steps | check | first run | goal | a second run | goal | plan | report |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for steps in SIZES:
        medians = map(statistics.median, zip(*(once(opsml, steps) for _ in range(int(repeats)))))
        check, first, again, plan, report = medians
        print(
            f"| {steps:,} | {check:.2f} s | {first:.2f} s | ≤ {steps * STEP_GOAL:.1f} s | {again:.2f} s"
            f" | ≤ {AGAIN_GOAL:.0f} s | {plan:.2f} s | {report:.2f} s |",
            flush=True,
        )


main(*sys.argv[1:])
