"""Times uploads of many small files to the local cloud's S3: `upload.py OPSML PEERS [REPEATS]`.

PEERS is the folder of `scripts/python-env.sh bench`, which has s5cmd and the AWS CLI. Each repeat has a new local cloud. opsml's
`upload` step, `s5cmd cp` and `aws s3 sync` take turns with the same 8,351 files, as whole processes, and then all three again with
nothing changed, s5cmd by `sync`, which is the slower way to send files and the only one to compare them. It prints medians, and how
many times as long the others take as opsml, with the range.
"""
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES, FOLDERS, BYTES = 8351, 133, 4096
TOOLS = ["opsml", "s5cmd", "aws-cli"]
CASES = {"8,351 files of 4 KiB": "≥ 1", "again, nothing changed": "≥ 1"}
RUNBOOK = """---
title: An upload
---

```opsml bucket
bucket: {}
```

```opsml images
upload:
  source: files
  to: "{{ bucket.uri }}/data"
```
"""


def make_files(folder):
    chance = random.Random(1)
    for number in range(FILES):
        path = folder / f"files/{number % FOLDERS:03}/{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(BYTES))
    (folder / "upload.md").write_text(RUNBOOK, encoding="utf-8")


def timed(command, folder, environment):
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-1000:])
    return time.monotonic() - began


def once(opsml, peers, folder, turn):
    """Returns the seconds of each tool, of which another is the first in each turn: of the first upload, and of the second."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "OPSML_CLOUD_DIR": f"{home}/cloud", "PYTHONPATH": str(peers)}
        try:
            printed = subprocess.run([opsml, "cloud", "env"], env=environment, check=True, capture_output=True, text=True).stdout
            lines = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
            for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
                environment[name] = lines[name]
            aws = [sys.executable, "-m", "awscli", "s3"]
            timed(aws + ["mb", "s3://others"], folder, environment)
            s5cmd = [peers / "s5cmd/bin/s5cmd", "--endpoint-url", environment["AWS_ENDPOINT_URL"]]
            tools = lambda verb: {
                "opsml": [opsml, "run", "upload.md"],
                "s5cmd": s5cmd + [verb, "files/", "s3://others/s5cmd/"],
                "aws-cli": aws + ["sync", "files", "s3://others/aws-cli"],
            }
            order = TOOLS[turn % len(TOOLS):] + TOOLS[:turn % len(TOOLS)]
            return [{name: timed(tools(verb)[name], folder, environment) for name in order} for verb in ("cp", "sync")]
        finally:
            subprocess.run([opsml, "cloud", "stop"], env=environment, check=True, capture_output=True)
            subprocess.run(["rm", "-rf", folder / ".opsml"], check=True)


def main(opsml, peers, repeats=3):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_files(folder)
        rounds = [once(os.path.abspath(opsml), Path(peers), folder, turn) for turn in range(int(repeats))]
    print("| upload | opsml | s5cmd | aws-cli | s5cmd's ratio | range | aws-cli's ratio | goal |\n" + "| --- " * 8 + "|")
    for case, (name, goal) in enumerate(CASES.items()):
        of = lambda tool: [taken[case][tool] for taken in rounds]
        ratios = lambda tool: [theirs / ours for ours, theirs in zip(of("opsml"), of(tool))]
        medians = " | ".join(f"{statistics.median(of(tool)):.2f} s" for tool in TOOLS)
        against = ratios("s5cmd")
        print(f"| {name} | {medians} | {statistics.median(against):.2f} | {min(against):.2f} to {max(against):.2f} | "
              f"{statistics.median(ratios('aws-cli')):.1f} | {goal} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
