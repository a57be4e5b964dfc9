"""Starts the endpoints that `serving.py` and `open_loop.py` compare: the same ResNet-18 at 224 pixels behind the worker, behind
FastAPI (`torch_serve.py`) and behind AWS's handler for PyTorch (`aws_serve.py`)."""
import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = {"arch": "resnet18", "fine_tune": "head", "image_size": "224", "batch_size": "32", "epochs": "1"}
# The first one is compared with the others.
NAMES = ("opsml", "FastAPI", "AWS's handler")


class Endpoint:
    """A server that runs."""

    def __init__(self, name, port, process):
        self.name, self.port, self.process = name, port, process

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def memory(self):
        """Returns the resident memory in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000

    def wait(self):
        while True:
            assert self.process.poll() is None, f"{self.name} has ended"
            try:
                connection = self.connect()
                connection.request("GET", "/ping")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)


def post(connection, image):
    """Sends an image and returns the logits."""
    connection.request("POST", "/invocations", image, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise OSError(f"{answer.status}: {text[:200]}")
    return json.loads(text)[0]


@contextlib.contextmanager
def running(worker, python, peers, folder):
    """Trains for an epoch, serves the model by all three, and yields the endpoints and photographs to send."""
    with tempfile.TemporaryDirectory() as base:
        base = Path(base)
        (base / "input/config").mkdir(parents=True)
        (base / "input/data").mkdir()
        (base / "input/data/training").symlink_to(Path(folder).absolute())
        (base / "input/config/hyperparameters.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        ours = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "OPSML_BIND_ADDRESS": "127.0.0.1"}
        subprocess.run([worker, "train"], env=ours, check=True, stdout=subprocess.DEVNULL)
        images = [path.read_bytes() for path in sorted(Path(folder).glob("test/*/*.jpg"))]
        ports = [free_port() for _ in NAMES]
        theirs = [[python, HERE / script, peers, base / "model", SETTINGS["image_size"]] for script in ("torch_serve.py", "aws_serve.py")]
        commands = [[worker, "serve"]] + [command + [str(port)] for command, port in zip(theirs, ports[1:])]
        ours["SAGEMAKER_BIND_TO_PORT"] = str(ports[0])
        with contextlib.ExitStack() as stack:
            endpoints = []
            for name, port, command in zip(NAMES, ports, commands):
                process = subprocess.Popen(command, env=ours, stdout=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.terminate)
                endpoints.append(Endpoint(name, port, process))
            for endpoint in endpoints:
                endpoint.wait()
            print(f"logits at most {apart(endpoints, images[:20]):.4f} apart\n")
            yield endpoints, images


def apart(endpoints, images):
    """Returns how far the endpoints' logits are from each other at most."""
    answers = [[post(endpoint.connect(), image) for image in images] for endpoint in endpoints]
    return max(abs(a - b) for other in answers[1:] for one, two in zip(answers[0], other) for a, b in zip(one, two))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def at(times, part):
    """Returns the time below which a part of the sorted times lie, in milliseconds."""
    return times[min(int(len(times) * part), len(times) - 1)] * 1000
