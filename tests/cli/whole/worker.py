#!/usr/bin/env python3
"""A worker whose model is a digest of what it was trained on, and whose logits are that digest: a stale result shows."""
import hashlib
import http.server
import json
import os
import pathlib
import signal
import sys

base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "."))


def train():
    digest = hashlib.sha256()
    for root, _, names in sorted(os.walk(base / "input/data", followlinks=True)):
        for path in sorted(pathlib.Path(root, name) for name in names):
            digest.update(path.name.encode() + path.read_bytes())
    digest.update((base / "input/config/hyperparameters.json").read_bytes())
    (base / "model/model.txt").write_text(digest.hexdigest())
    print(f"score={int(digest.hexdigest()[:6], 16)};", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        digest = (base / "model/model.txt").read_text()
        self.answer(json.dumps([[int(digest[:6], 16), int(digest[6:12], 16)]]).encode())

    def log_message(self, *arguments):
        pass


if sys.argv[1:] == ["files"]:
    print(pathlib.Path(__file__).resolve())
elif sys.argv[1:] == ["train"]:
    train()
else:
    address = (os.environ["OPSML_BIND_ADDRESS"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
