"""Deletes what made_insecure.py made."""
import boto3

iam, ec2, s3 = (boto3.client(name) for name in ("iam", "ec2", "s3"))
iam.delete_role(RoleName="open")
ec2.delete_security_group(GroupName="wide")
s3.delete_bucket(Bucket="open-bucket")
