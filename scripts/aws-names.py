#!/usr/bin/env python3
"""Writes AWS's regions, services that take on roles, and managed policies, for src/aws_names.txt.

Run it with the PyPI packages of scripts/moto-requirements.txt (moto, botocore; Apache-2.0):
    PYTHONPATH=… scripts/aws-names.py > src/aws_names.txt

The policies are those of the copy in moto. The services are those that these policies name as principals, and a few
that people give roles to and that no policy names.
"""

import importlib.metadata
import json
import pathlib
import re

import botocore
from moto.iam.aws_managed_policies import aws_managed_policies_data

MORE = ["edgelambda", "ec2", "lambda", "s3", "batchoperations.s3", "sagemaker", "vpc-flow-logs", "codedeploy", "cloudtrail"]

version = importlib.metadata.version
print(f"# From the PyPI packages moto {version('moto')} and botocore {version('botocore')}.")
endpoints = json.loads((pathlib.Path(botocore.__file__).parent / "data" / "endpoints.json").read_text())
print("regions:", *sorted(region for partition in endpoints["partitions"] for region in partition["regions"]))
services = re.findall(r"\"([a-z0-9.-]+)\.amazonaws\.com\"", aws_managed_policies_data)
print("services:", *sorted(set(services) | set(MORE)))
policies = json.loads(aws_managed_policies_data)
print("policies:", *sorted(policy.get("Path", "/")[1:] + name for name, policy in policies.items()))
