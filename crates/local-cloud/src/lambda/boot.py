"""The runtime of python3.x functions. It uses the Runtime API, and behaves as AWS's own."""
import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PATH = "/2018-06-01/runtime/"


def call(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, PATH + path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Fields:
    """Named values, which are None unless they are given, and whose text is as AWS's."""

    FIELDS = ()

    def __init__(self, given=None):
        for field in self.FIELDS:
            setattr(self, field, (given or {}).get(field))

    def __repr__(self):
        return f"{type(self).__name__}([" + ",".join(f"{field}={getattr(self, field)}" for field in self.FIELDS) + "])"


class CognitoIdentity(Fields):
    FIELDS = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Fields):
    FIELDS = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Fields):
    """What the caller says of itself."""

    FIELDS = ("custom", "env", "client")

    def __init__(self, given):
        super().__init__(given)
        self.client = Client(self.client) if self.client is not None else None


class LambdaContext(Fields):
    """The context, which a handler gets in addition to its event."""

    FIELDS = (
        "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version",
        "invoked_function_arn", "client_context", "identity", "tenant_id")

    def __init__(self, headers):
        client = headers.get("Lambda-Runtime-Client-Context")
        client = json.loads(client) if client else None
        # Where a caller's trace goes on: no part of the client context.
        trace = client.pop("w3c", None) if client else None
        trace = trace if isinstance(trace, dict) else {}
        allowed = ("traceparent", "tracestate", "baggage")
        self._trace = {name: trace[name] for name in allowed if isinstance(trace.get(name), str)}
        super().__init__({
            "aws_request_id": headers["Lambda-Runtime-Aws-Request-Id"],
            "log_group_name": os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
            "log_stream_name": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
            "function_name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            "memory_limit_in_mb": os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
            "function_version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            "invoked_function_arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
            "client_context": ClientContext(client) if client is not None else None,
            "identity": CognitoIdentity(),
        })
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, msg):
        write_event(str(msg))

    def w3c(self):
        return dict(self._trace)


def write_event(text):
    """Writes one event to the log, even if it has several lines."""
    sys.stdout.write(text.rstrip("\n").replace("\n", "\r") + "\n")
    sys.stdout.flush()


class LogHandler(logging.Handler):
    """The root logger's handler: writes lines as AWS does."""

    request_id = ""

    def emit(self, record):
        write_event(self.format(record))

    def format(self, record):
        record.aws_request_id = LogHandler.request_id
        return super().format(record)


class Fault(Exception):
    """The handler can't be called."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.trace = kind, list(trace)


def load(handler):
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where]) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None


def report(kind, message, trace, request_id=""):
    """Writes an error to the log, and returns it as JSON."""
    lines = [f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}", "Traceback (most recent call last):"]
    for line in "".join(part.rstrip("\n") + "\n" for part in trace).splitlines():
        # As on AWS, the indentation is kept by spaces that no viewer of logs folds.
        code = line.lstrip(" ")
        lines.append("\u00a0" * (len(line) - len(code)) + code)
    write_event("\n".join(lines))
    error = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return encoded(error)


def raised(error, request_id):
    """Reports an exception of the handler. The traceback doesn't have this file's own frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return report(type(error).__name__, str(error), traceback.format_list(frames), request_id)


# From Python 3.12 on, AWS's runtime writes all characters as they are.
AS_THEY_ARE = os.environ.get("AWS_EXECUTION_ENV") not in [f"AWS_Lambda_python3.{minor}" for minor in range(9, 12)]
quoted = json.encoder.encode_basestring if AS_THEY_ARE else json.encoder.encode_basestring_ascii


def number(value):
    return json.dumps(float(value))


def key(value):
    """Returns the text of a key."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return number(value)
    if value is None or isinstance(value, (bool, int)):
        return encoded(value)
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(value).__name__}")


def encoded(value, outer=()):
    """Returns a value as JSON, as simplejson does in AWS's runtime: unlike Python's json, it takes bytes as text, named
    tuples as objects, and decimals with all their digits. `outer` are the ids of what the value lies in."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, decimal.Decimal):
        return "NaN" if value.is_nan() else str(value)
    if id(value) in outer:
        raise ValueError("Circular reference detected")
    inner = (*outer, id(value))
    if isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
        value = value._asdict()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key(name))}: {encoded(item, inner)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(encoded(item, inner) for item in value) + "]"
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def answer(handler, event, context):
    """Returns the answer as JSON, and the type of the error if it is one. Bytes are an answer as they are."""
    request_id = context.aws_request_id
    try:
        event = json.loads(event)
    except ValueError as error:
        kind = "Runtime.UnmarshalError"
        return report(kind, f"Unable to unmarshal input: {error}", [], request_id), kind
    try:
        result = handler(event, context)
    except Exception as error:  # Any exception is the handler's.
        return raised(error, request_id), type(error).__name__
    if isinstance(result, bytes):
        return result, None
    try:
        return encoded(result), None
    except Exception as error:  # A value's own methods may raise any.
        kind = "Runtime.MarshalError"
        return report(kind, f"Unable to marshal response: {error}", [], request_id), kind


def main():
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    name = os.environ["_HANDLER"]
    try:
        # AWS's own runtime, if the interpreter has it.
        from awslambdaric.__main__ import main as aws
    except ImportError:
        pass
    else:
        return aws(["bootstrap", name])
    log = LogHandler()
    log.setFormatter(logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    log.formatter.converter = time.gmtime
    logging.getLogger().addHandler(log)
    try:
        try:
            handler = load(name)
        except Fault as fault:
            kind, body = fault.kind, report(fault.kind, str(fault), fault.trace)
            raise
        except Exception as error:
            kind, body = type(error).__name__, raised(error, "")
            raise
    except Exception:
        call("POST", "init/error", body.encode(), {"Lambda-Runtime-Function-Error-Type": kind})
        sys.exit(1)
    while True:
        _, headers, event = call("GET", "invocation/next")
        context = LambdaContext(headers)
        LogHandler.request_id = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        body, kind = answer(handler, event, context)
        sys.stdout.flush()
        sys.stderr.flush()
        path = f"invocation/{context.aws_request_id}/" + ("error" if kind else "response")
        # As on AWS, half of a surrogate pair can't be sent, and ends the process.
        body = body if isinstance(body, bytes) else body.encode()
        call("POST", path, body, {"Lambda-Runtime-Function-Error-Type": kind} if kind else {})


main()
