"""Serves a ResNet with AWS's handler for PyTorch: `aws_serve.py PEERS MODEL SIZE PORT`.

The handler is that of AWS's PyTorch image (`sagemaker-pytorch-inference`), with `model_fn` and `input_fn` as a user's script has
them, and AWS's own `predict_fn` and `output_fn`. In the image, TorchServe calls it, which needs Java. Here Python's own HTTP
server does, a thread for each connection, and as many requests at a time as there are cores: so many workers has TorchServe.
"""
import io
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, sys.argv[1])
# Which module the handler takes the user's functions from.
os.environ["SAGEMAKER_PROGRAM"] = "aws_serve.py"
from sagemaker_pytorch_serving_container.handler_service import HandlerService

import torch_model


def model_fn(model_dir):
    return torch_model.load(model_dir)


def input_fn(data, content_type):
    return torch_model.prepare(int(sys.argv[3]))(io.BytesIO(data))[None]


class Context:
    """What the handler asks of a request, and says of its answer."""

    def __init__(self, headers=()):
        self.system_properties = {"model_dir": sys.argv[2]}
        self.request_processor = [self]
        self.headers, self.status, self.content_type = dict(headers), 200, "application/json"

    def get_request_properties(self):
        return self.headers

    def set_response_status(self, code, phrase=""):
        self.status = code

    def set_response_content_type(self, _, value):
        self.content_type = value


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise headers and body are two packets, of which the second waits for the client.
    wbufsize = -1

    def do_GET(self):
        self.answer(200, "text/plain", b"")

    def do_POST(self):
        body, context = self.rfile.read(int(self.headers["Content-Length"])), Context(self.headers)
        with workers:
            made = service.handle([{"body": body}], context)[0]
        self.answer(context.status, context.content_type, made if isinstance(made, bytes) else made.encode())

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # More connections may wait to be accepted than Python's default of 5.
    request_queue_size = 128


if __name__ == "__main__":
    workers = threading.Semaphore(os.cpu_count())
    service = HandlerService()
    service.initialize(Context())
    Server(("127.0.0.1", int(sys.argv[4])), Handler).serve_forever()
