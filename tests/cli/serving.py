#!/usr/bin/env python3
"""A worker that answers requests without a model. The tests that use it are about what is around the worker."""
import http.server
import os
import signal


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
        self.answer(b"[[0.5, 0.25]]")

    def log_message(self, *arguments):
        pass


address = (os.environ["OPSML_BIND_ADDRESS"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
