"""Prints, as JSON, what a Python is and what it uses. Its packages may be links, whose targets it uses too."""
import importlib.util
import json
import os
import platform
import runpy
import sys

# The variables that a shell sets, and Python itself.
OURS = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
# How deep links are looked for: in a package, and in a part of it.
DEPTH = 2


def targets(folder, depth=DEPTH):
    """Returns the targets of the links in a folder, each with the links in it."""
    try:
        entries = sorted(entry.path for entry in os.scandir(folder))
    except OSError:
        return
    for path in entries:
        # A link that leads nowhere, or in a circle, has no target.
        while os.path.islink(path) and os.path.exists(path):
            path = os.path.join(os.path.dirname(path), os.readlink(path))
            yield path if os.path.isdir(path) else os.path.dirname(path)
        if depth and os.path.isdir(path):
            yield from targets(path, depth - 1)


def torch():
    """Returns PyTorch's version without an import of PyTorch, which would take seconds. None: there is no PyTorch."""
    spec = importlib.util.find_spec("torch")
    if not (spec and spec.origin):
        return None
    try:
        return runpy.run_path(os.path.join(os.path.dirname(spec.origin), "version.py"))["__version__"]
    except (OSError, KeyError):
        return ""


# An empty entry is the present folder, which is the root: it isn't a folder of packages.
path = [entry for entry in sys.path if os.path.abspath(entry) != "/"]
of_libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
uses = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable, os.path.realpath(sys.executable), *path, *of_libraries]
uses += [target for entry in path for target in targets(entry)]
print(json.dumps({
    "version": platform.python_version(),
    "torch": torch(),
    "program": sys.executable,
    "warnings": sys.warnoptions,
    "uses": list(dict.fromkeys(os.path.normpath(use) for use in uses if use)),
    "env": {name: value for name, value in os.environ.items() if name not in OURS},
}))
