"""Denies opsml's user two of the calls that an audit makes."""
import json
import boto3

policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Resource": "*", "Action": ["iam:GetAccountSummary", "s3:GetBucketPolicyStatus"]}]}
boto3.client("iam").put_user_policy(UserName="opsml", PolicyName="deny", PolicyDocument=json.dumps(policy))
