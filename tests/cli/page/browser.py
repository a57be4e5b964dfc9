"""Chromium, by the DevTools protocol over a pipe, so without a port."""

import json, os, subprocess


class Browser:
    def __init__(self, chromium, folder):
        to_read, to_write = os.pipe(), os.pipe()

        def ends():
            # DevTools' pipe is what has these numbers. Both are moved out of the way of each other first.
            read, write = os.dup(to_read[0]), os.dup(to_write[1])
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=ends, close_fds=False, stderr=subprocess.DEVNULL)
        os.close(to_read[0])
        os.close(to_write[1])
        self.out, self.into = os.fdopen(to_read[1], "wb"), os.fdopen(to_write[0], "rb")
        self.number, self.events, self.rest = 0, [], b""

    def call(self, method, session=None, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self.out.write(json.dumps(request).encode() + b"\0")
        self.out.flush()
        while True:
            message = self.read()
            if message.get("id") == self.number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self.events.append(message)

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.into.fileno(), 1 << 16)
            assert more, "Chromium has ended"
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())
