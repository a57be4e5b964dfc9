"""A function whose invocations each connect to the gate, and wait there until it closes the connection."""
import concurrent.futures, socket, threading
gate = socket.create_server(("127.0.0.1", 0), backlog=64)
waiting = []
WAITS = '''
def work(event):
    if not event:
        return b"null"
    import socket
    with socket.create_connection(("127.0.0.1", event["gate"])) as connection:
        connection.recv(1)
    return json.dumps([os.getpid(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]).encode()
'''
def accept():
    while True:
        waiting.append(gate.accept()[0])
threading.Thread(target=accept, daemon=True).start()
def hold(name, count, **more):
    """Returns invocations that all wait at the gate."""
    waiting.clear()
    pool = concurrent.futures.ThreadPoolExecutor(count)
    futures = [pool.submit(invoke, name, {"gate": gate.getsockname()[1]}, **more) for _ in range(count)]
    until(lambda: len(waiting) == count or [future.result() for future in futures if future.done()])
    assert len(waiting) == count, [future for future in futures if future.done()]
    return futures
def let_go(futures):
    for connection in waiting:
        connection.close()
    return [future.result() for future in futures]
def throttled(name, **more):
    try:
        lam.invoke(FunctionName=name, Payload=b"null", **more)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "TooManyRequestsException", error.response
        assert error.response["Error"]["Message"] == "Rate Exceeded.", error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return error.response["Reason"]
    return None
