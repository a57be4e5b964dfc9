"""Asks a server on loopback by a raw socket, with any Host headers."""
import socket


def ask(port, path, *hosts, method="GET", headers=""):
    """Returns the status and the rest of the answer. None of the body that the request announces is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        hosts = "".join(f"Host: {host}\r\n" for host in hosts)
        head = f"{method} {path} HTTP/1.1\r\n{hosts}{headers}Connection: close\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1]), answer.decode()


def is_guarded(port, path, method="GET", headers=""):
    """Asserts that other hosts are refused, and returns the answers for this one."""
    def refuses(path, *hosts):
        status, answer = ask(port, path, *hosts, method=method, headers=headers)
        assert (status in (400, 403)) if not hosts else status == 403, (hosts, path, answer)
        if status == 403:
            assert f"must name the loopback interface." in answer, (hosts, path, answer)

    here = f"127.0.0.1:{port}"
    strangers = ("evil.test", f"evil.test:{port}", f"localhost.evil.test:{port}",
                 f"127.0.0.1.evil.test:{port}", f"bucket.localhost:{port}", f"user@{here}", f"{here}:{port}", f"0.0.0.0:{port}")
    for host in strangers:
        refuses(path, host)
        # A request to a proxy names its server twice.
        refuses(f"http://{here}{path}", host)
    refuses(path)
    refuses(path, here, "evil.test")
    refuses(path, here, here)
    refuses(f"http://evil.test:{port}{path}", here)
    known = (here, f"localhost:{port}", f"LOCALHOST:{port}")
    return [ask(port, path, host, method=method, headers=headers) for host in known]
