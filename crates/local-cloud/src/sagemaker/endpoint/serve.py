"""Serves a PyTorch model as AWS's image `pytorch-inference` does, with the functions of the user's script:
model_fn(model_dir), input_fn(body, content_type), predict_fn(data, model), output_fn(prediction, accept), or transform_fn
in place of the last three. Each may take the request's context as one more argument. What the script lacks has the defaults
of AWS's toolkits. <https://github.com/aws/sagemaker-pytorch-inference-toolkit>,
<https://github.com/aws/sagemaker-inference-toolkit>, `transformer.py`
"""

import fcntl
import importlib
import importlib.util
import inspect
import io
import json
import os
import subprocess
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
MODEL_DIR = os.environ["SM_MODEL_DIR"]
CODE = os.path.join(MODEL_DIR, "code")


class Unsupported(Exception):
    def __init__(self, content_type):
        super().__init__(
            f"\nContent type {content_type} is not supported by this framework.\n\n"
            "            Please implement input_fn to to deserialize the request data or an output_fn to\n"
            "            serialize the response. For more information, see the SageMaker Python SDK README."
        )


class Context:
    """What the functions of the script may ask about their request and set of its answer."""

    def __init__(self, headers):
        self.model_name = "model"
        self.manifest = {}
        self.system_properties = {"model_dir": MODEL_DIR, "gpu_id": None, "batch_size": 1}
        self.request_processor = [self]
        self.headers = headers
        self.status, self.answer_headers = 200, {}

    def get_request_properties(self):
        return dict(self.headers)

    def get_all_request_header(self, index):
        return dict(self.headers)

    def get_request_header(self, index, name):
        return self.headers.get(name)

    def set_response_content_type(self, index, value):
        self.answer_headers["Content-Type"] = value

    def set_response_header(self, index, name, value):
        self.answer_headers[name] = value

    def set_response_status(self, code=200, phrase="", index=0):
        self.status = code


def device():
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_model_fn(model_dir):
    import torch

    path = os.path.join(model_dir, "model.pt")
    if not os.path.exists(path):
        is_model = lambda name: os.path.splitext(name)[1] in (".pt", ".pth")
        models = [name for name in os.listdir(model_dir) if is_model(name) and os.path.isfile(os.path.join(model_dir, name))]
        if len(models) != 1:
            raise ValueError(f"Exactly one .pth or .pt file is required for PyTorch models: {models}")
        path = os.path.join(model_dir, models[0])
    try:
        return torch.jit.load(path, map_location=device()).to(device())
    except RuntimeError as error:
        raise RuntimeError(f"Failed to load {path}. Please ensure model is saved using torchscript.") from error


def default_input_fn(body, content_type):
    import numpy
    import torch

    if content_type == JSON:
        array = numpy.array(json.loads(body))
    elif content_type == CSV:
        array = numpy.genfromtxt(io.StringIO(body), delimiter=",")
    elif content_type == NPY:
        # AWS's image also loads pickled objects, which may run code: a client of the endpoint isn't trusted with that here.
        return torch.from_numpy(numpy.load(io.BytesIO(body), allow_pickle=False)).to(device())
    else:
        raise Unsupported(content_type)
    return torch.FloatTensor(array).to(device())


def default_predict_fn(data, model):
    import torch

    with torch.no_grad():
        model = model.to(device())
        model.eval()
        return model(data.to(device()))


def default_output_fn(prediction, accept):
    import numpy
    import torch

    if type(prediction) is torch.Tensor:
        prediction = prediction.detach().cpu().numpy().tolist()
    for content_type in accept.replace(" ", "").split(","):
        if content_type == JSON:
            as_list = lambda value: value.tolist() if hasattr(value, "tolist") else json.JSONEncoder().default(value)
            return json.dumps(prediction, default=as_list)
        if content_type == CSV:
            stream = io.StringIO()
            numpy.savetxt(stream, prediction, delimiter=",", fmt="%s")
            return stream.getvalue().encode()
        if content_type == NPY:
            stream = io.BytesIO()
            numpy.save(stream, prediction)
            return stream.getvalue()
    raise Unsupported(accept)


def call(function, context, *arguments):
    """Calls a function of the script, with the context if it takes one argument more."""
    taken = len(inspect.signature(function).parameters)
    if taken == len(arguments):
        return function(*arguments)
    if taken == len(arguments) + 1:
        return function(*arguments, context)
    raise TypeError(f"{function.__name__} takes {taken} arguments but {len(arguments)} were given.")


class Model:
    """The loaded model, and the functions that serve it."""

    def __init__(self):
        name = os.environ.get("SAGEMAKER_PROGRAM") or "inference.py"
        name = name[:-3] if name.endswith(".py") else name
        found = importlib.util.find_spec(name)
        script = importlib.import_module(name) if found else None
        of = lambda function: getattr(script, function, None)
        self.transform_fn = of("transform_fn")
        own = [of("input_fn"), of("predict_fn"), of("output_fn")]
        if self.transform_fn and any(own):
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with "
                "input_fn, predict_fn, and/or output_fn implementation"
            )
        defaults = [default_input_fn, default_predict_fn, default_output_fn]
        self.input_fn, self.predict_fn, self.output_fn = (mine or default for mine, default in zip(own, defaults))
        self.accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or JSON
        context = Context({})
        if of("pre_model_fn"):
            call(of("pre_model_fn"), context, MODEL_DIR)
        self.model = call(of("model_fn") or default_model_fn, context, MODEL_DIR)
        if of("model_warmup_fn"):
            call(of("model_warmup_fn"), context, MODEL_DIR, self.model)
        # As a worker of the image, which serves one request at a time.
        self.busy = threading.Lock()

    def answer(self, body, headers):
        """Returns the status, headers and body of the answer to an invocation."""
        context = Context(headers)
        content_type, accept = headers.get("Content-Type"), headers.get("Accept")
        accept = self.accept if accept in (None, "", "*/*") else accept
        try:
            data = body.decode() if content_type in (JSON, CSV) else body
            with self.busy:
                if self.transform_fn:
                    result = call(self.transform_fn, context, self.model, data, content_type, accept)
                else:
                    data = call(self.input_fn, context, data, content_type)
                    prediction = call(self.predict_fn, context, data, self.model)
                    result = call(self.output_fn, context, prediction, accept)
            result, written_as = result if isinstance(result, tuple) else (result, accept)
            context.answer_headers.setdefault("Content-Type", written_as)
            return context.status, context.answer_headers, written(result)
        except Exception as error:
            trace = traceback.format_exc()
            print(f"Transform failed for model: {context.model_name}. Error traceback: {trace.splitlines()}", file=sys.stderr)
            return 500, {"Content-Type": "text/plain"}, f"{error or 'Invalid Request'}\n{trace}".encode()


def written(result):
    if isinstance(result, (bytes, bytearray)):
        return bytes(result)
    return (result if isinstance(result, str) else json.dumps(result)).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def do_GET(self):
        self.send(200 if self.path == "/ping" else 404, {}, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/invocations":
            return self.send(404, {}, b"")
        self.send(*self.model.answer(body, self.headers))

    def send(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests are counted by the endpoint's metrics."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def install(requirements):
    """Installs the packages of the code, once for all instances, which share the folder."""
    packages = os.path.join(os.environ["HOME"], "packages")
    with open(packages + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(packages):
            pip = [sys.executable, "-m", "pip", "install", "--target", packages + ".new", "-r", requirements]
            subprocess.check_call(pip)
            os.rename(packages + ".new", packages)
    sys.path.insert(1, packages)


sys.path.insert(0, CODE)
requirements = os.path.join(CODE, "requirements.txt")
if os.path.isfile(requirements):
    install(requirements)
Handler.model = Model()
Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
