"""Makes a role that anyone may assume, a security group open to the world, and a bucket that anyone may read."""
import json
import boto3

iam, ec2, s3 = (boto3.client(name) for name in ("iam", "ec2", "s3"))
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
iam.create_role(RoleName="open", AssumeRolePolicyDocument=json.dumps(trust))
group = ec2.create_security_group(GroupName="wide", Description="d")["GroupId"]
ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
s3.create_bucket(Bucket="open-bucket")
s3.delete_public_access_block(Bucket="open-bucket")
policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::open-bucket/*"}]}
s3.put_bucket_policy(Bucket="open-bucket", Policy=json.dumps(policy))
