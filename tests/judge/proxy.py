"""A recording proxy between an AWS client and a server. It checks every request and answer against botocore's models.

    proxy.py --to http://127.0.0.1:PORT --record FILE

The first line on stdout is its own URL. It ends when its stdin does. FILE has one JSON object a line: a `call` for
each exchange, a `finding` for each rule that it breaks, and a last `summary` with the counts.
"""
import argparse
import json
import sys
import threading
from collections import Counter
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from models import Exchange, Judge

PIECE = 64 << 10
# A longer body is a stream, which isn't kept. All bodies that have a shape are far shorter.
KEPT = 32 << 20
# These headers concern one connection only, so they aren't passed on.
HOP = {"connection", "keep-alive", "transfer-encoding"}


class Record:
    """The file of calls and findings, and their counts."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()
        self.calls, self.findings = Counter(), 0

    def call(self, operation, exchange, faults):
        with self.lock:
            self.calls[operation] += 1
            self.findings += len(faults)
            self._write(event="call", operation=operation, status=exchange.status)
            for part, fault in faults:
                self._write(event="finding", operation=operation, part=part, problem=fault)

    def summary(self):
        with self.lock:
            self._write(event="summary", calls=dict(sorted(self.calls.items())), findings=self.findings)
            self.file.close()

    def _write(self, **line):
        self.file.write(json.dumps(line) + "\n")


class Kept:
    """The copy of a body that passes through. A long one isn't kept."""

    def __init__(self):
        self.pieces, self.size = [], 0

    def add(self, piece):
        self.size += len(piece)
        if self.size <= KEPT:
            self.pieces.append(piece)

    def body(self):
        return b"".join(self.pieces) if self.size <= KEPT else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def forward(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        upstream = HTTPConnection(self.server.to, timeout=300)
        asked, answered = Kept(), Kept()
        try:
            upstream.connect()
            # The client's Host header is passed on, since it is signed.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            chunked = headers.get("transfer-encoding", "").lower() == "chunked"
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    upstream.putheader(name, value)
            if chunked:
                upstream.putheader("Transfer-Encoding", "chunked")
            upstream.endheaders()
            for piece in self.pieces(headers, chunked):
                asked.add(piece)
                upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                upstream.send(b"0\r\n\r\n")
            response = upstream.getresponse()
            self.send_response_only(response.status, response.reason)
            for name, value in response.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            bodiless = self.command == "HEAD" or response.status in (204, 304)
            unsized = not bodiless and response.length is None
            if unsized:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while not bodiless and (piece := response.read1(PIECE)):
                answered.add(piece)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if unsized else piece)
            if unsized:
                self.wfile.write(b"0\r\n\r\n")
            whole = bodiless or not response.length
        except (OSError, HTTPException) as error:
            self.close_connection = True
            self.server.record.call("none", Exchange(self.command, self.path, headers, b""), [("proxy", f"{self.path}: {error!r}")])
            return
        finally:
            upstream.close()
        exchange = Exchange(self.command, self.path, headers, asked.body())
        exchange.status, exchange.answer = response.status, answered.body()
        exchange.answer_headers = {name.lower(): value for name, value in response.getheaders()}
        self.judge(exchange, whole)
        if not whole:
            self.close_connection = True

    def pieces(self, headers, chunked):
        if chunked:
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(headers.get("content-length", 0))
        while left:
            piece = self.rfile.read1(min(left, PIECE))
            if not piece:
                raise ConnectionError("the client broke off")
            left -= len(piece)
            yield piece

    def judge(self, exchange, whole):
        judge, record = self.server.judge, self.server.record
        operation = judge.operation(exchange)
        # EC2's protocol isn't checked here. The tests with boto3 and moto check it.
        if operation is None and "/ec2/aws4_request" in exchange.headers.get("authorization", ""):
            return
        if operation is None:
            record.call("none", exchange, [("request", f"{exchange.method} {exchange.path}: no operation of botocore's models")])
            return
        faults = []
        for part, rules in (("request", judge.request), ("answer", judge.answer)):
            try:
                faults.extend((part, fault) for fault in rules(operation, exchange))
            # If the judge itself fails, the exchange hasn't been checked, so that is a finding.
            except Exception as error:
                faults.append((part, f"not judged: {error!r}"))
        if not whole:
            faults.append(("answer", "it broke off"))
        record.call(operation.name, exchange, faults)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

    def log_message(self, *arguments):
        """Writes nothing, since the record has everything."""


def start(to, path):
    """Starts a proxy on a thread of its own, and returns it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.to = urlsplit(to).netloc
    server.judge, server.record = Judge(), Record(path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, help="URL of the server")
    parser.add_argument("--record", required=True, help="file that the calls and findings go to")
    arguments = parser.parse_args()
    server = start(arguments.to, arguments.record)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()
    server.record.summary()


if __name__ == "__main__":
    main()
