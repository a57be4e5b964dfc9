"""moto's own tests against the local cloud, a fresh cloud for each: `make judge-moto`.

    run.py OPSML FOLDER [PYTEST'S ARGUMENT...]

FOLDER keeps what the tests call on moto itself (facts.jsonl, made once) and this run's record (record.jsonl). It prints
a table by service, and writes each test's verdict to FOLDER/verdicts.txt. With arguments (`-k tagging`, or files), only
those tests run. OPSML_JUDGE_MOTO and OPSML_TEST_MOTO are the folders that scripts/python-env.sh makes.
"""
import json
import os
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
SERVICES = {
    "sagemaker": ("test_sagemaker", "test_sagemakerruntime"), "s3": ("test_s3",), "iam": ("test_iam",),
    "sts": ("test_sts",), "lambda": ("test_awslambda",), "autoscaling": ("test_applicationautoscaling",),
    "cloudwatch": ("test_cloudwatch",), "logs": ("test_logs",), "ec2": ("test_ec2",),
}
FOLDERS = {folder: service for service, folders in SERVICES.items() for folder in folders}

# How the local cloud says that it lacks an operation, a member or a value.
REFUSED = ("local cloud", "is not recognized", "Unknown parameter '", "The filter '")
# The answer to HEAD has no body, so that its status must say it.
REFUSED_CODES = {"NotImplemented", "UnknownOperationException", "UnknownParameter", "501"}
# How AWS says that an input isn't what its own model allows.
UNFIT = ("failed to satisfy constraint", "The specified value for ")
# What a client says whose clock a test has moved. AWS refuses it, too.
CLOCK = ("Signature expired", "Signature not yet current", "request time is too far")

# What must hold: of the verified tests so many pass, and none has a wrong answer; and this part of the listed ones pass.
VERIFIED, LISTED = 80, 0.8


def main(opsml, folder, arguments):
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    facts = folder / "facts.jsonl"
    if not facts.exists():
        print("moto's tests on moto itself, to learn what they call (once) ...", file=sys.stderr)
        partial = folder / "facts.partial"
        pytest(partial, folder / "facts.log", [])
        partial.rename(facts)
    record = folder / "record.jsonl"
    pytest(record, folder / "record.log", arguments, JUDGE_OPSML=str(Path(opsml).absolute()),
           TEST_SERVER_MODE="true")
    known = {test["id"]: test for test in read(facts)}
    listed, left_out = operations(), reasons()
    tests = [Test(test, known.get(test["id"]), listed, left_out) for test in read(record)]
    with open(folder / "verdicts.txt", "w", encoding="utf-8") as out:
        for test in sorted(tests, key=lambda test: (test.verdict, test.id)):
            marks = "verified " * test.verified + "listed " * test.listed
            out.write(f"{test.verdict:9} {marks}{test.id}: {test.why}\n")
    table(tests)
    return 0 if arguments else fit(tests)


def pytest(record, log, arguments, **environment):
    """Runs moto's tests, which record themselves. Those that fail are no fault of the run."""
    record.unlink(missing_ok=True)
    root = next(Path(os.environ["OPSML_JUDGE_MOTO"]).glob("moto-*"))
    path = [HERE, os.environ["OPSML_JUDGE_MOTO"], os.environ["OPSML_TEST_MOTO"]]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_", "HTTP"))}
    environment = {
        **clean, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "JUDGE_RECORD": str(record), **environment}
    if not any(argument.startswith("tests/") for argument in arguments):
        arguments = [*arguments, *(f"tests/{name}" for name in FOLDERS)]
    command = [sys.executable, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider", "-q", "--color=no", "-W", "ignore"]
    with open(log, "w", encoding="utf-8") as out:
        ended = subprocess.run([*command, *arguments], cwd=root, env=environment, stdout=out, stderr=out, check=False)
    # 0 and 1: all tests ran.
    if ended.returncode > 1:
        sys.exit(f"pytest ended with {ended.returncode}: see {log}")


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def plain(name):
    """Returns the lines of a file of this folder without comments."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("# ")]


def operations():
    return set(plain("operations.txt"))


def reasons():
    """Returns (pattern, reason) of each line of the list of what is left out. A reason stands above its patterns."""
    reason, ended, found = "", False, []
    for line in plain("left_out.txt"):
        if line.startswith("## "):
            reason, ended = line[3:] if ended else f"{reason} {line[3:]}".strip(), False
        else:
            ended = True
            found.append((line, reason))
    return found


class Test:
    """A test, and what came of it."""

    def __init__(self, test, fact, listed, left_out):
        self.id = test["id"].removeprefix("tests/")
        self.service = FOLDERS[self.id.split("/")[0]]
        self.verified = test["verified"]
        calls = set(test["calls"]) | set(fact["calls"] if fact else ())
        self.listed = bool(calls) and calls <= listed
        self.verdict, self.why = verdict(self.id, test, fact, left_out)
        if self.verdict == "left out":
            self.verified = self.listed = False


def verdict(name, test, fact, left_out):
    """Returns what came of a test, and why."""
    if test["outcome"] == "passed":
        return "passed", ""
    for pattern, reason in left_out:
        if fnmatch(name, pattern):
            return "left out", reason
    if test["outcome"] == "skipped" and not test["fault"].startswith("Skipped"):
        return "left out", "moto itself expects it to fail"
    if test["outcome"] == "skipped":
        return "left out", f"moto skips it outside its own process: {test['fault']}"
    if fact is None or fact["outcome"] != "passed" and not fact["docker"]:
        return "left out", "it fails on moto, too, with the packages that are installed here"
    if not fact["calls"]:
        return "left out", "it makes no call by boto3: it tests moto's inside"
    said = [error["message"] or "" for error in test["errors"]]
    if any("this local cloud is " in message for message in said):
        return "left out", "it uses several regions: a local cloud is one"
    if any(message.startswith(CLOCK) for message in said):
        return "left out", "it moves the client's clock, so that its signature isn't valid"
    if "ClientError" in test["fault"] and any(words in test["fault"] for words in UNFIT):
        return "left out", f"its input isn't what AWS's own model allows: {' '.join(test['fault'].split())}"
    for error in test["errors"]:
        message = error["message"] or ""
        if error["code"] in REFUSED_CODES or any(words in message for words in REFUSED):
            return "refused", f"{error['call']}: {message}"
    if any(words in test["fault"] for words in REFUSED):
        return "refused", test["fault"]
    return "wrong", " ".join(test["fault"].split())


def table(tests):
    rows = [(service, [test for test in tests if test.service == service]) for service in SERVICES]
    rows += [("all", tests), ("verified on AWS", [test for test in tests if test.verified])]
    rows += [("listed operations", [test for test in tests if test.listed])]
    print(f"{'':18}{'tests':>7}{'left out':>10}{'judged':>8}{'passed':>8}{'refused':>9}{'wrong':>7}")
    for name, of in rows:
        count = Counter(test.verdict for test in of)
        judged = len(of) - count["left out"]
        if of:
            print(f"{name:18}{len(of):7}{count['left out']:10}{judged:8}{count['passed']:8}{count['refused']:9}"
                  f"{count['wrong']:7}")


def fit(tests):
    """Returns the exit status."""
    verified = [test.verdict for test in tests if test.verified]
    listed = [test.verdict for test in tests if test.listed]
    short = []
    if verified.count("passed") < VERIFIED:
        short.append(f"of the tests that are verified on AWS, {verified.count('passed')} pass, and not {VERIFIED}")
    if "wrong" in verified:
        short.append(f"of the tests that are verified on AWS, {verified.count('wrong')} get a wrong answer")
    if listed.count("passed") < LISTED * len(listed):
        short.append(f"of the tests of the listed operations, {listed.count('passed')} of {len(listed)} pass")
    for line in short:
        print(f"judge-moto: {line}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
