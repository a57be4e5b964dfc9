#!/usr/bin/env python3
"""A worker that follows SageMaker's container contract. The hyperparameter `mode` decides what it does."""
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])


def train():
    hyperparameters = json.loads(os.environ["SM_HPS"])
    host, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
    mode = hyperparameters.get("mode", "ok") if hyperparameters.get("only", host) == host else "stubborn"
    data = pathlib.Path(os.environ["SM_CHANNEL_TRAINING"])
    names = sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file())
    print("files", json.dumps(names), flush=True)
    print("canary", os.environ.get("CANARY"), "/training-jobs/" in os.environ["HOME"], flush=True)
    if len(hosts) > 1:
        meet(host, hosts)
    resumed = (base / "checkpoints/epoch").exists()
    (base / "checkpoints/epoch").write_text("1")
    print(f"epoch: epoch=1; test_accuracy=0.5; resumed={resumed};", flush=True)
    print("epoch: epoch=2; test_accuracy=0.875;", flush=True)
    kind = hyperparameters.get("kind", "good")
    if kind == "bad":
        sys.exit(3)
    print("threads", os.environ["OMP_NUM_THREADS"], flush=True)
    if mode == "score" and kind != "silent":
        print(f"score={hyperparameters['x']};", *(["score=NaN;"] if kind == "nan" else []), sep="\n", flush=True)
    (pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "metrics.jsonl").write_text("{}\n")
    if mode == "fail":
        (base / "output/failure").write_text("the images are broken")
        sys.exit(3)
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "library":
        print("opsml-worker: error while loading shared libraries: libtorch.so: cannot open shared object file", file=sys.stderr)
        sys.exit(127)
    if mode == "memory":
        held = bytearray(5 << 30)
        time.sleep(600)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM", flush=True))
        print("stubborn", flush=True)
        while True:
            time.sleep(1)
    if mode == "linger":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    if mode == "hang" or (mode == "resume" and not resumed):
        print("hanging", flush=True)
        time.sleep(600)
    (pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.txt").write_text("weights")
    (pathlib.Path(os.environ["SM_MODEL_DIR"]) / f"{host}.txt").write_text(host)


def meet(host, hosts):
    """Each host connects to the first one, at the port in the environment."""
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    if host == hosts[0]:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
        came = sorted(listener.accept()[0].makefile().readline().strip() for _ in hosts[1:])
        print("met", *came, flush=True)
    else:
        while True:
            try:
                connection = socket.create_connection(address, timeout=60)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        connection.sendall(f"{host}\n".encode())
    config = json.loads((base / "input/config/resourceconfig.json").read_text())
    threads = os.environ["OMP_NUM_THREADS"]
    print("host", config["current_host"], config["hosts"], config["network_interface_name"], threads, flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if body == b"die":
            os._exit(9)
        if body.startswith(b"wait "):
            time.sleep(int(body[5:]) / 1000)
        if body.startswith(b"until "):
            while not os.path.exists(body[6:]):
                time.sleep(0.01)
        if body == b"bad":
            return self.answer(415, b"not an image")
        answer = {"pid": os.getpid(), "type": self.headers["Content-Type"], "accept": self.headers["Accept"],
                  "bytes": len(body), "model": (base / "model/model.txt").read_text()}
        self.answer(200, json.dumps(answer).encode())

    def log_message(self, *arguments):
        print("served", flush=True)


def serve():
    if not (base / "model/model.txt").exists():
        print("no model", file=sys.stderr)
        sys.exit(1)
    address = (os.environ["OPSML_BIND_ADDRESS"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


{"train": train, "serve": serve}[sys.argv[1]]()
