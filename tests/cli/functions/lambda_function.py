"""A user's function, which calls boto3."""
import os
import boto3


def lambda_handler(event, context):
    said = os.environ["GREETING"] + " " + event["name"]
    return {"said": said, "buckets": boto3.client("s3").list_buckets()["Buckets"]}
