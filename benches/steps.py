"""Times whole runs of runbooks that are many `command` steps: does the engine cost what the document is long? And the check of
the main runbook, which an editor may call at each save.

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
FIRST_GOAL = 0.1
CHECK_GOAL = 0.03
REPORT_GOAL = 0.5
PROJECT = pathlib.Path(__file__).parent.parent / "runbooks/project.md"


def runbook(steps):
    blocks = [f"```opsml s{i}\ncommand:\n  run: ['true']\n```\n" for i in range(steps)]
    return "---\ntitle: Many steps\n---\n\n" + "\n".join(blocks)


def seconds(opsml, verb, folder, environment, *options):
    start = time.perf_counter()
    done = subprocess.run([opsml, verb, "many.md", *options], cwd=folder, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-2000:]
    return took


def first_step(opsml, folder, environment):
    """The seconds until a run with nothing to do has looked at its first step."""
    start = time.perf_counter()
    with subprocess.Popen(
        [opsml, "run", "many.md"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        line = run.stdout.readline()
        took = time.perf_counter() - start
        assert line.startswith("= s0: kept"), line
        run.stdout.read()
    return took


def once(opsml, steps):
    """The seconds of each verb on one runbook: check, a first run, a second, its first step, plan, report."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "many.md").write_text(runbook(steps))
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "OPSML_CLOUD_DIR": f"{folder}/cloud"}
        took = lambda verb: seconds(opsml, verb, folder, environment)
        try:
            return [
                took("check"), took("run"), took("run"), first_step(opsml, folder, environment), took("plan"),
                seconds(opsml, "report", folder, environment, "--format", "md,html"),
            ]
        finally:
            subprocess.run([opsml, "cloud", "stop"], env=environment, capture_output=True)


def check_of_project(opsml):
    """The seconds of the fastest of twenty checks, since other programs may slow down the rest."""
    def once():
        start = time.perf_counter()
        subprocess.run([opsml, "check", PROJECT], check=True, capture_output=True)
        return time.perf_counter() - start

    return min(once() for _ in range(20))


def sections():
    """A runbook of 60 sections with 30 figures: tables of a kind of step that calls nothing."""
    prose = "The figure below says what was chosen, of what, and why. " * 8
    choice = "choose_instance: {candidates: [ml.t2.medium, ml.t3.medium, ml.m5.large], vcpus: 2}"
    step = lambda number: f"```opsml s{number}\n{choice}\n```\n\n{{{{ ref('s{number}') }}}} shows {{{{ s{number}.why }}}}.\n"
    parts = [f"## Section {n}\n\n{prose}\n\n{step(n) if n % 2 else prose}\n" for n in range(60)]
    return "---\ntitle: Sections\n---\n\n" + "\n".join(parts)


def report_of_sections(opsml):
    """The seconds of the fastest of five reports in all formats."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "many.md").write_text(sections())
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "OPSML_CLOUD_DIR": f"{folder}/cloud"}
        try:
            seconds(opsml, "run", folder, environment)
            return min(seconds(opsml, "report", folder, environment) for _ in range(5))
        finally:
            subprocess.run([opsml, "cloud", "stop"], env=environment, capture_output=True)


def main(opsml, repeats="3"):
    opsml = os.path.abspath(opsml)
    print(f"check of project.md: {check_of_project(opsml):.3f} s (goal ≤ {CHECK_GOAL:.2f} s)")
    print(f"report of 60 sections with 30 figures, all formats: {report_of_sections(opsml):.2f} s (goal ≤ {REPORT_GOAL} s)\n")
    print("| steps | check | first run | goal | a second run | goal | its first step | goal | plan | report |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for steps in SIZES:
        medians = map(statistics.median, zip(*(once(opsml, steps) for _ in range(int(repeats)))))
        check, first, again, looked, plan, report = medians
        print(
            f"| {steps:,} | {check:.2f} s | {first:.2f} s | ≤ {steps * STEP_GOAL:.1f} s | {again:.2f} s"
            f" | ≤ {AGAIN_GOAL:.0f} s | {looked:.2f} s | ≤ {FIRST_GOAL:.1f} s | {plan:.2f} s | {report:.2f} s |",
            flush=True,
        )


main(*sys.argv[1:])
