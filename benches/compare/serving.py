"""Compares the worker's endpoint with FastAPI's, side by side: `serving.py WORKER PYTHON FOLDER [SECONDS]`.

WORKER is opsml-worker, PYTHON one with PyTorch and torchvision, FOLDER a dataset with train/, valid/ and test/. FastAPI and uvicorn
are installed by name into a temporary folder. A ResNet-18 at 224 pixels is trained for an epoch and served by both. One client and
eight send photographs of the test split for some seconds each, in turns. It prints requests a second, p50, p99 and memory.
"""
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import http.client
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = {"arch": "resnet18", "fine_tune": "head", "image_size": "224", "batch_size": "32", "epochs": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(connection, body):
    connection.request("POST", "/invocations", body, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text[:200])
    return json.loads(text)[0]


def load(port, clients, seconds, images):
    """Returns the times of all requests that so many clients send one after the other, and how long it took."""
    times, end = [], time.monotonic() + seconds

    def client(number):
        connection, turn = http.client.HTTPConnection("127.0.0.1", port), number
        while time.monotonic() < end:
            began = time.monotonic()
            post(connection, images[turn % len(images)])
            times.append(time.monotonic() - began)
            turn += clients

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times), time.monotonic() - began


def ready(port, process):
    while True:
        assert process.poll() is None, "the server has ended"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)


def memory(process):
    """Returns the resident memory of a process in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000


def main(worker, python, folder, seconds=10):
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        packages = place / "packages"
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", packages, "fastapi", "uvicorn"], check=True)
        base = place / "job"
        (base / "input/config").mkdir(parents=True)
        (base / "input/data").mkdir()
        (base / "input/data/training").symlink_to(Path(folder).absolute())
        (base / "input/config/hyperparameters.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base)}
        subprocess.run([worker, "train"], env=environment, check=True, stdout=subprocess.DEVNULL)
        images = [path.read_bytes() for path in sorted(Path(folder).glob("test/*/*.jpg"))]
        ports = {"opsml": free_port(), "FastAPI": free_port()}
        # Before the packages that PYTHON has: of one that both have, FastAPI may need the newer.
        wrapped = f"import sys; sys.path.insert(0, {str(packages)!r}); sys.argv[1:] = {[str(base / 'model/model.pth'), '224', str(ports['FastAPI'])]!r}; " \
                  f"exec(compile(open({str(HERE / 'torch_serve.py')!r}).read(), 'torch_serve.py', 'exec'))"
        processes = {
            "opsml": subprocess.Popen(
                [worker, "serve"], stdout=subprocess.DEVNULL,
                env={**environment, "OPSML_BIND_ADDRESS": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(ports["opsml"])}),
            "FastAPI": subprocess.Popen([python, "-c", wrapped]),
        }
        try:
            for name, process in processes.items():
                ready(ports[name], process)
            apart = 0.0
            for image in images[:20]:
                ours, theirs = (post(http.client.HTTPConnection("127.0.0.1", ports[name]), image) for name in ports)
                apart = max(apart, *(abs(a - b) for a, b in zip(ours, theirs)))
            print(f"logits at most {apart:.4f} apart\n\n| clients | server | requests/s | p50 | p99 | memory |\n| --- | --- | --- | --- | --- | --- |")
            for clients in (1, 8):
                for name, port in ports.items():
                    load(port, clients, 2, images)
                    times, took = load(port, clients, float(seconds), images)
                    print(f"| {clients} | {name} | {len(times) / took:.1f} | {statistics.median(times) * 1000:.0f} ms | "
                          f"{times[int(len(times) * 0.99)] * 1000:.0f} ms | {memory(processes[name]):.0f} MB |", flush=True)
        finally:
            for process in processes.values():
                process.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
