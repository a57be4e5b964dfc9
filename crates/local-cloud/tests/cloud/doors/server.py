"""The server itself."""
import os

port = int(os.environ["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])
for path in ("/", "/bucket/key", "/endpoints/e/invocations", "/2015-03-31/functions"):
    for status, answer in is_guarded(port, path, method="POST"):
        assert "loopback" not in answer and "x-amz" in answer.lower(), answer
for status, answer in is_guarded(port, "/bucket/key"):
    assert status == 403 and "<Code>AccessDenied</Code>" in answer, answer
