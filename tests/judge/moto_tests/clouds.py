"""Fresh local clouds, one after another at one port, with one pair of keys."""
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

HOME_REGION = "us-east-1"


class Clouds:
    """Each cloud's folder is a copy of one that was started once, so that all have the same keys and certificates."""

    def __init__(self, opsml, folder):
        self.opsml, self.folder = opsml, Path(folder)
        self.template, self.current = self.folder / "template", self.folder / "current"
        self.server = None
        self.region = HOME_REGION
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._serve(self.template)
        self.environment = self._environment()
        self.stop()

    def fresh(self):
        """Replaces the running cloud by a new one."""
        self.stop()
        self.region = HOME_REGION
        shutil.rmtree(self.current, ignore_errors=True)
        shutil.copytree(self.template, self.current)
        self._serve(self.current)

    def move(self, region):
        """Makes the running cloud, with what it has, one of another region."""
        if region != self.region:
            self.stop()
            self.region = region
            self._serve(self.current)

    def stop(self):
        if self.server is None:
            return
        self.server.terminate()
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.server = None

    def _serve(self, folder):
        log = open(self.folder / "server.log", "a", encoding="utf-8")
        command = [self.opsml, "cloud", "serve", "--dir", folder, "--port", str(self.port), "--region", self.region]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        # Its first line is its endpoint, which it prints once it listens.
        line = self.server.stdout.readline()
        if line.strip() != self.endpoint:
            raise RuntimeError(f"the cloud did not start: see {self.folder}/server.log")

    def _environment(self):
        """Returns what makes boto3, and requests to AWS's own hosts, reach the clouds."""
        keys = json.loads((self.template / "keys.json").read_text())
        trusted = self.folder / "trusted.pem"
        shutil.copy(self.template / "authority.pem", trusted)
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
            "HTTPS_PROXY": self.endpoint,
            "AWS_CA_BUNDLE": str(trusted),
            "REQUESTS_CA_BUNDLE": str(trusted),
        }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
