import os
import socket
import threading
from urllib.parse import urlparse

proxy = urlparse(os.environ["AWS_ENDPOINT_URL"])


def echo(listener):
    connection, _ = listener.accept()
    while data := connection.recv(4096):
        connection.sendall(data.upper())
    connection.close()


def connect(target):
    client = socket.create_connection((proxy.hostname, proxy.port), timeout=20)
    client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    return client, answer


with socket.create_server(("127.0.0.1", 0)) as listener:
    threading.Thread(target=echo, args=(listener,)).start()
    client, answer = connect(f"127.0.0.1:{listener.getsockname()[1]}")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    client.sendall(b"hello")
    assert client.recv(5) == b"HELLO"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""

# Nobody listens: the tunnel closes.
with socket.create_server(("127.0.0.1", 0)) as listener:
    free = listener.getsockname()[1]
client, _ = connect(f"127.0.0.1:{free}")
assert client.recv(1) == b""

# A target without a port is none.
client, answer = connect("127.0.0.1")
assert answer.startswith(b"HTTP/1.1 400"), answer
