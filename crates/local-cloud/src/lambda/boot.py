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


class Context:
    """The context, which a handler gets in addition to its event."""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = json.loads(client) if client else None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class LogHandler(logging.Handler):
    """The root logger's handler: writes lines as AWS does."""

    request_id = ""

    def emit(self, record):
        # A log record of several lines is one event.
        sys.stdout.write(self.format(record).replace("\n", "\r") + "\n")
        sys.stdout.flush()

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
    lines = [f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}"]
    if trace:
        lines += ["Traceback (most recent call last):", *trace]
    print("\n".join(line.rstrip("\n") for line in lines).replace("\n", "\r"), flush=True)
    error = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return json.dumps(error)


def raised(error, request_id):
    """Reports an exception of the handler. The traceback doesn't have this file's own frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return report(type(error).__name__, str(error), traceback.format_list(frames), request_id)


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def answer(handler, event, context):
    """Returns the answer as JSON, and the type of the error if it is one."""
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
    try:
        return json.dumps(result, default=plain), None
    except (TypeError, ValueError) as error:
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
        call("POST", "init/error", body, {"Lambda-Runtime-Function-Error-Type": kind})
        sys.exit(1)
    while True:
        _, headers, event = call("GET", "invocation/next")
        context = Context(headers)
        LogHandler.request_id = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        body, kind = answer(handler, event, context)
        sys.stdout.flush()
        sys.stderr.flush()
        path = f"invocation/{context.aws_request_id}/" + ("error" if kind else "response")
        call("POST", path, body.encode(), {"Lambda-Runtime-Function-Error-Type": kind} if kind else {})


main()
