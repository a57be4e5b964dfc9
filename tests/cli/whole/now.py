"""What the endpoint answers now, and what it must answer by the data in the bucket."""
import hashlib
import json
import pathlib

import boto3

s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
endpoint = sagemaker.list_endpoints()["Endpoints"][0]["EndpointName"]
answer = boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, ContentType="image/png", Body=b"x")
bucket = s3.list_buckets()["Buckets"][0]["Name"]
keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="data/")["Contents"]]
folders = {}
for key in keys:
    folders.setdefault(str(pathlib.Path(key).parent), []).append(key)
digest = hashlib.sha256()
for folder in sorted(folders):
    for key in sorted(folders[folder]):
        digest.update(pathlib.Path(key).name.encode() + s3.get_object(Bucket=bucket, Key=key)["Body"].read())
job = next(one for one in sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Descending")["TrainingJobSummaries"]
           if one["TrainingJobName"].startswith("whole-train-"))
described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
digest.update(json.dumps(described["HyperParameters"], separators=(",", ":")).encode())
text = digest.hexdigest()
print(json.dumps({"endpoint": [float(one) for one in json.loads(answer["Body"].read())[0]],
                  "data": [float(int(text[:6], 16)), float(int(text[6:12], 16))]}))
