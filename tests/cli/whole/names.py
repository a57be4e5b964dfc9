"""Names of what the runbook has made."""
import json

import boto3

s3, iam, functions = (boto3.client(name) for name in ("s3", "iam", "lambda"))
bucket = next(one["Name"] for one in s3.list_buckets()["Buckets"])
objects = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
key = next((one["Key"] for one in objects if one["Key"].startswith("data/")), None)
model = next((one["Key"] for one in objects if one["Key"].startswith("models/") and one["Key"].endswith("model.tar.gz")), None)
role = next((one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].startswith("whole-role-")), None)
function = next((one["FunctionName"] for one in functions.list_functions()["Functions"]), None)
policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
