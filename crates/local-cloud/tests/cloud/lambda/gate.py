"""A function whose invocations each write a file into a folder, and wait there until the file `open` exists."""
import concurrent.futures, os, tempfile, threading
gate = tempfile.mkdtemp()
WAITS = '''
def work(event):
    if not event:
        return b"null"
    open(os.path.join(event["gate"], "in-" + str(os.getpid())), "w").close()
    while not os.path.exists(os.path.join(event["gate"], "open")):
        time.sleep(0.01)
    return json.dumps([os.getpid(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]).encode()
'''
def inside():
    return len([name for name in os.listdir(gate) if name.startswith("in-")])
def hold(name, count, **more):
    """Returns invocations that all wait at the gate."""
    for left in os.listdir(gate):
        os.remove(os.path.join(gate, left))
    pool = concurrent.futures.ThreadPoolExecutor(count)
    futures = [pool.submit(invoke, name, {"gate": gate}, **more) for _ in range(count)]
    until(lambda: inside() == count or [future.result() for future in futures if future.done()])
    assert inside() == count, [future for future in futures if future.done()]
    return futures
def let_go(futures):
    open(os.path.join(gate, "open"), "w").close()
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
