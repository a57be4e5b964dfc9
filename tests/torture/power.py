"""Rebuilds each state of a journal's files that a power loss may leave, and asks opsml what it finds in it.

    power.py TRACE FOLDER OPSML ARGUMENTS...

TRACE is strace's record of a run, FOLDER has the journal's files, and OPSML with its ARGUMENTS prints the state as JSON. Prints
the figures as JSON.

What a file had when it was synced last is on the disk. Of what was written since, any part may be: nothing, all of it, each
beginning, all but one write, and a last write of which only the first sectors arrived. A step counts as acknowledged when its
line was printed.
"""
import json
import pathlib
import re
import subprocess
import sys

SECTOR = 512
CALL = re.compile(r"^\d+ +[\d.]+ (\w+)\((.*)\) += (-?\d+)")


def text(quoted):
    """Returns the bytes of a string in strace's form, in which each is \\xHH."""
    return bytes.fromhex(quoted.replace("\\x", ""))


def operations(trace, folder):
    """Yields what the run did to the journal's files, and the steps that it acknowledged."""
    names = {}
    for line in whole_lines(trace):
        match = CALL.match(line)
        if not match or int(match[3]) < 0:
            continue
        call, arguments = match[1], match[2]
        strings = [text(string) for string in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)]
        described = re.match(r"\d+<((?:\\x[0-9a-f]{2}|[^>])*)>", arguments)
        path = described[1] if described else ""
        path = text(path).decode() if path.startswith("\\x") else path
        numbers = re.findall(r", (\d+)", arguments)
        if call == "write" and arguments.startswith(("1<", "2<")):
            for step in re.findall(r"(?m)^✓ (s\d+)", strings[0].decode(errors="replace")):
                yield "acknowledged", step, None
            continue
        if call in ("rename", "unlink"):
            paths = [pathlib.Path(string.decode()) for string in strings]
            if paths[0].parent.resolve() == folder:
                yield call, paths[0].name, paths[1].name if call == "rename" else None
            continue
        if pathlib.Path(path).parent != folder or path.endswith(("-shm", ".lock")):
            continue
        name = pathlib.Path(path).name
        if call in ("fsync", "fdatasync"):
            yield "sync", name, None
        elif call == "ftruncate":
            yield "truncate", name, int(numbers[-1])
        elif call == "pwrite64":
            yield "write", name, (int(numbers[-1]), strings[-1])
        elif call == "write":
            yield "write", name, (names.get(name, 0), strings[-1])
            names[name] = names.get(name, 0) + len(strings[-1])


def whole_lines(trace):
    """Joins the halves of calls during which another thread's was recorded."""
    begun = {}
    for line in trace.read_text(errors="replace").splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line[:-len("<unfinished ...>")].rstrip()
        elif "resumed>" in line:
            yield begun.pop(thread, "") + line.split("resumed>", 1)[1]
        else:
            yield line


def apply(content, change):
    kind, value = change
    if kind == "truncate":
        return content[:value].ljust(value, b"\0")
    offset, data = value
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data):]


def variants(durable, pending):
    """Yields what a file may hold after a power loss."""
    def after(changes):
        content = durable
        for change in changes:
            content = apply(content, change)
        return content

    for length in range(len(pending) + 1):
        yield after(pending[:length])
    for dropped in range(len(pending) - 1):
        yield after(pending[:dropped] + pending[dropped + 1:])
    if pending and pending[-1][0] == "write":
        offset, data = pending[-1][1]
        for sectors in range(SECTOR, len(data), SECTOR * 3):
            yield after([*pending[:-1], ("write", (offset, data[:sectors]))])


def main(trace, folder, *opsml):
    folder = pathlib.Path(folder).resolve()
    durable, pending, acknowledged = {}, {}, set()
    seen = set()
    figures = {"calls": 0, "states": 0, "lost": 0, "unopened": 0}

    def ask(files):
        state = frozenset(files.items()), frozenset(acknowledged)
        if state in seen:
            return
        seen.add(state)
        figures["states"] += 1
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            folder.joinpath(name).write_bytes(content)
        run = subprocess.run(opsml, capture_output=True, text=True)
        if run.returncode != 0 and acknowledged:
            figures["unopened"] += 1
            print(sorted(acknowledged), {name: len(content) for name, content in files.items()}, run.stderr, file=sys.stderr)
            return
        steps = json.loads(run.stdout)["steps"] if run.returncode == 0 else {}
        lost = [step for step in acknowledged if steps.get(step, {}).get("status") != "done"]
        figures["lost"] += len(lost)
        if lost:
            print("lost", lost, steps, file=sys.stderr)

    for kind, name, value in operations(pathlib.Path(trace), folder):
        figures["calls"] += 1
        if kind == "acknowledged":
            acknowledged.add(name)
        elif kind == "sync":
            for change in pending.pop(name, []):
                durable[name] = apply(durable.get(name, b""), change)
        elif kind == "rename":
            durable[value], pending[value] = durable.pop(name, b""), pending.pop(name, [])
        elif kind == "unlink":
            durable.pop(name, None)
            pending.pop(name, None)
        else:
            durable.setdefault(name, b"")
            pending.setdefault(name, []).append((kind, value))
        for name in list(durable):
            others = {other: content for other, content in durable.items() if other != name}
            for content in variants(durable[name], pending.get(name, [])):
                ask({**others, name: content})
        everything = dict(durable)
        for name, changes in pending.items():
            for change in changes:
                everything[name] = apply(everything[name], change)
        ask(everything)
    print(json.dumps({**figures, "acknowledged": len(acknowledged)}))


main(*sys.argv[1:])
