"""What an execution environment sees of the machine. Where the kernel allows no namespaces, the log says so."""
import os
import pwd
from concurrent.futures import ThreadPoolExecutor
me = role()
shared = '''
import os, tempfile, time
def seen(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return error.strerror
def write(path, content="x"):
    try:
        with open(path, "w") as file:
            file.write(content)
    except OSError as error:
        return error.strerror
def large():
    try:
        with open("/tmp/large", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 513 << 20)
    except OSError as error:
        return error.strerror
def lambda_handler(event, context):
    if "value" in event:
        write("/tmp/image.png", event["value"])
        time.sleep(0.1)
        return open("/tmp/image.png").read()
    return {"code": write("x.txt"), "task": write(os.environ["LAMBDA_TASK_ROOT"] + "/x.txt"), "labels": open("labels.json").read(),
            "state": seen(event["state"]), "home": seen(event["home"]), "tmp": seen("/tmp"), "large": large(),
            "tempdir": tempfile.gettempdir(), "umount": os.system("umount /tmp 2>/dev/null") == 0, "zone": os.environ["TZ"]}
'''
python("f", me, shared, Code={"ZipFile": zipped(lambda_function__py=shared, labels__json="[1]")})
home = pwd.getpwuid(os.getuid()).pw_dir
event = {"state": os.environ["HOME"], "home": home}
_, answer, log = invoke("f", event)
if "gives functions no namespaces" in log:
    print("not run:", log)
    assert answer["tempdir"] != "/tmp", "but a folder of its own"
else:
    message = "Read-only file system"
    assert (answer["code"], answer["task"], answer["labels"]) == (message, message, "[1]"), answer
    assert answer["state"] == ["lambda"], "it sees no keys, and no state file"
    assert answer["large"] == "No space left on device" and answer["tempdir"] == "/tmp" and not answer["umount"], answer
    assert answer["zone"] == ":UTC" and "large" not in answer["tmp"] and set(answer["tmp"]) < set(os.listdir("/tmp")), answer
    files = [name for name in answer["home"] if os.path.isfile(os.path.join(home, name))]
    assert files == [], "of the user's home, it sees folders that its Python needs"
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: invoke("f", {"value": str(n)})[1], range(12)))
    assert answers == [str(n) for n in range(12)], answers
    # The size is the function's own.
    lam.update_function_configuration(FunctionName="f", EphemeralStorage={"Size": 600})
    active("f")
    assert invoke("f", event)[1]["large"] is None
lam.delete_function(FunctionName="f")
