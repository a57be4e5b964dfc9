"""A proxy between opsml and the local cloud that does one fault to each call that may change something, once.

    proxy.py --to http://127.0.0.1:PORT --fault FAULT --pids FILE --record FILE

The first line on stdout is its own URL. It ends when its stdin does. FILE of --pids has the process to kill; it is empty while
there is none. FILE of --record has a JSON object a line for each call that may change something.

The faults:
    kill-before   kills the process, and forwards nothing
    kill-after    forwards, and kills the process before the reply
    lost-reply    forwards, and closes the connection
    not-sent      closes the connection, and forwards nothing
    late          closes the connection, and forwards five seconds later
    twice         forwards twice, and sends the second reply
    html          replies with 200 and a page of HTML, and forwards nothing
    cut           forwards, and sends half of the reply
    throttle      replies that the rate is exceeded, and forwards nothing
    expired       replies that the credentials have expired, and forwards nothing
    corrupt       flips a bit of the request's body, and forwards it
    corrupt-object
                  forwards a GetObject, and flips a bit of the object
    unseen        replies that a role is unknown until it is 30 seconds old, and an endpoint config until it is 5
    interrupt     sends SIGINT to the process, and forwards
    none          forwards
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import signal
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "judge"))
from models import Exchange, Judge

READS = ("Get", "List", "Describe", "Head", "Simulate", "Filter", "Assume", "GenerateCredentialReport", "InvokeEndpoint", "Invoke")
# What a fault replies, and by which code and status in each service's form.
REFUSALS = {
    "throttle": ("Rate exceeded", {
        "json": ("ThrottlingException", 400), "lambda": ("ThrottlingException", 400), "s3": ("SlowDown", 503),
        "query": ("Throttling", 400), "ec2": ("RequestLimitExceeded", 503)}),
    "expired": ("The security token included in the request is expired", {
        "json": ("ExpiredTokenException", 400), "lambda": ("ExpiredTokenException", 403), "s3": ("ExpiredToken", 400),
        "query": ("ExpiredToken", 403), "ec2": ("RequestExpired", 400)}),
}
# What must be seen before a call: the call that made it, its age in seconds, and the error until then.
ROLE = ("CreateRole", 30, "Could not assume role. Please ensure that the role exists", "ValidationException")
NEEDS = {
    "CreateTrainingJob": ROLE,
    "CreateHyperParameterTuningJob": ROLE,
    "CreateModel": ROLE,
    "CreateFunction": ("CreateRole", 30, "The role defined for the function cannot be assumed by Lambda.",
                       "InvalidParameterValueException"),
    "RunInstances": ("CreateInstanceProfile", 30, "Invalid IAM Instance Profile name", "InvalidParameterValue"),
    "CreateEndpoint": ("CreateEndpointConfig", 5, 'Could not find endpoint configuration "arn:aws:sagemaker"',
                       "ValidationException"),
}
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def operation(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(self.command, self.path, headers, body)
        known = self.server.judge.operation(exchange)
        if known is not None:
            return known.name.rpartition(".")[2]
        return parse_qs(body.decode(errors="replace")).get("Action", ["none"])[0]

    def forward(self, body):
        upstream = HTTPConnection(self.server.to, timeout=300)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)
        response = upstream.getresponse()
        answer = response.status, response.getheaders(), response.read()
        upstream.close()
        return answer

    def reply(self, status, headers, body, cut=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = dict((name.lower(), value) for name, value in headers).get("content-length", "0")
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def handle_call(self):
        body = self.body()
        operation = self.operation(body)
        if self.server.fault == "corrupt-object":
            struck = operation == "GetObject"
        elif self.server.fault == "corrupt":
            struck = bool(body)
        else:
            struck = True
        if operation.startswith(READS) and self.server.fault != "corrupt-object" or not struck:
            fault = "none"
        else:
            fault = self.server.next_fault(operation, self.path, body)
        try:
            self.act(fault, operation, body)
        except (OSError, HTTPException):
            self.close_connection = True

    def act(self, fault, operation, body):
        if fault in ("kill-before", "kill-after"):
            answer = self.forward(body) if fault == "kill-after" else None
            self.server.kill(signal.SIGKILL)
            self.close_connection = True
        elif fault == "interrupt":
            self.server.kill(signal.SIGINT)
            self.reply(*self.forward(body))
        elif fault == "lost-reply":
            self.forward(body)
            self.close_connection = True
        elif fault == "not-sent":
            self.close_connection = True
        elif fault == "late":
            threading.Timer(5, self.late, [body]).start()
            self.close_connection = True
        elif fault == "twice":
            self.forward(body)
            self.reply(*self.forward(body))
        elif fault == "html":
            self.reply(200, [("Content-Type", "text/html")], b"<html><body>Please log in</body></html>")
        elif fault == "cut":
            status, headers, answer = self.forward(body)
            self.reply(status, headers, answer, len(answer) // 2)
        elif fault in REFUSALS:
            self.refuse(*REFUSALS[fault])
        elif fault == "corrupt":
            answer = self.forward(flipped(body))
            if answer[0] < 400:
                self.server.write("undetected", operation)
            self.reply(*answer)
        elif fault == "corrupt-object":
            status, headers, answer = self.forward(body)
            self.reply(status, headers, flipped(answer) if answer else answer)
        elif fault == "unseen":
            self.reply_when_seen(operation, body)
        else:
            self.reply(*self.forward(body))

    def refuse(self, message, codes):
        """Replies with an error in the form and by the code of the call's service."""
        authorization = self.headers.get("authorization", "")
        service = next((name for name in codes if f"/{name}/" in authorization), "query")
        if "json" in self.headers.get("content-type", "") and service == "query":
            service = "json"
        code, status = codes[service]
        error = f"<Code>{code}</Code><Message>{message}</Message>"
        headers = [("Content-Type", "text/xml")]
        if service in ("json", "lambda"):
            body = json.dumps({"__type": code, "message": message})
            headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)]
        elif service == "s3":
            body = f"<Error>{error}</Error>"
        elif service == "ec2":
            body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>1</RequestID></Response>"
        else:
            body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        self.reply(status, headers, body.encode())

    def reply_when_seen(self, operation, body):
        """Forwards a call, unless what it names was made too lately."""
        made, needs = self.server.made, NEEDS.get(operation)
        seen_at = made.get(needs[0], 0) + needs[1] if needs else 0
        if time.monotonic() < seen_at:
            self.server.write("refused", operation)
            self.refuse(needs[2], {service: (needs[3], 400) for service in ("json", "lambda", "ec2", "query")})
            return
        answer = self.forward(body)
        if answer[0] < 400:
            if operation in ("CreateRole", "CreateInstanceProfile", "CreateEndpointConfig"):
                made[operation] = time.monotonic()
            if needs and needs[0] in made:
                self.server.write("seen", operation, seconds=round(time.monotonic() - seen_at, 1))
        self.reply(*answer)

    def late(self, body):
        try:
            self.forward(body)
        except (OSError, HTTPException):
            pass
        self.server.write("arrived", "late")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_call

    def log_message(self, *arguments):
        """Writes nothing, since the record has everything."""


def flipped(body):
    """Returns a body with another bit in its middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def next_fault(self, operation, path, body):
        """Returns the fault for a call: a call that is made again passes."""
        # A retry has another token, and an import of a key another key, and is the same call. So is one for a resource that
        # takes the place of a failed one: it has another time in its name, another id, and another event.
        plain = re.sub(rb"(ClientToken|IdempotencyToken|PublicKeyMaterial)[^&,]*", b"", path.partition("?")[0].encode() + body)
        plain = re.sub(rb"\d{4}(-\d\d){5}-\d{3}|\b(sg|i|key)-[0-9a-f]{8,17}", b"", plain)
        plain = re.sub(rb"(opsml(?::|%3A)event(?:[^&]*&[^=&]*=|\D{1,40}))\d+", rb"\1", plain)
        # The instance of an EC2 training has what is made for it alone, and its record says which it was.
        if operation == "RunInstances" or path.partition("?")[0].endswith("/output/record.json"):
            plain = b""
        call = operation, hashlib.sha256(plain).hexdigest()
        with self.lock:
            again = call in self.seen
            self.seen.add(call)
            fault = "none" if again and self.fault != "unseen" else self.fault
        self.write(fault, operation, path=path)
        return fault

    def write(self, fault, operation, **more):
        with self.lock:
            self.record.write(json.dumps({"operation": operation, "fault": fault, "time": time.time(), **more}) + "\n")

    def handle_error(self, request, client_address):
        """Says nothing of a client that was killed."""

    def kill(self, number):
        """Signals the process. It may not have been named yet."""
        for _ in range(2000):
            text = pathlib.Path(self.pids).read_text()
            if text:
                with self.lock:
                    again, self.signalled = self.signalled == text, text
                # A second SIGINT would end the process at once.
                if again and number == signal.SIGINT:
                    return
                try:
                    os.kill(int(text), number)
                except ProcessLookupError:
                    pass
                return
            time.sleep(0.002)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--to", "--fault", "--pids", "--record"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.to, server.fault, server.pids = urlsplit(arguments.to).netloc, arguments.fault, arguments.pids
    server.judge, server.lock, server.seen, server.signalled, server.made = Judge(), threading.Lock(), set(), None, {}
    server.record = open(arguments.record, "w", encoding="utf-8", buffering=1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
