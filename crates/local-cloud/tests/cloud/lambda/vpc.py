"""A function in a VPC."""
ec2 = boto3.client("ec2", config=config)
subnet = ec2.describe_subnets()["Subnets"][0]
group = ec2.create_security_group(GroupName="functions", Description="of functions", VpcId=subnet["VpcId"])["GroupId"]
vpc = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]}
me = role()
code = '''
import boto3
def lambda_handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"] if event else "here"
'''
def refusal(**more):
    return refused("InvalidParameterValueException", lambda: python("f", me, code, Timeout=3, **{"VpcConfig": vpc, **more}))
assert refusal() == "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
iam.put_role_policy(RoleName="runner", PolicyName="network", PolicyDocument=policy(
    ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"], "*"))
assert refusal(VpcConfig={**vpc, "SubnetIds": ["subnet-0123456789abcdef0"]}) == (
    "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID "
    "'subnet-0123456789abcdef0' does not exist")
assert "DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound" in refusal(
    VpcConfig={**vpc, "SecurityGroupIds": ["sg-0123456789abcdef0"]})
assert "must coexist" in refusal(VpcConfig={"SubnetIds": vpc["SubnetIds"]})
made = python("f", me, code, Timeout=3, VpcConfig=vpc)
assert made["VpcConfig"]["VpcId"] == subnet["VpcId"] and made["VpcConfig"]["SubnetIds"] == vpc["SubnetIds"], made
assert invoke("f", 0)[1] == "here", "it runs"
assert logs.describe_log_streams(logGroupName="/aws/lambda/f")["logStreams"]
response, answer, log = invoke("f", 1)
assert answer["errorMessage"].endswith("Error: Task timed out after 3.00 seconds"), answer
# Without the VPC the same call is answered.
lam.update_function_configuration(FunctionName="f", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
active("f")
assert invoke("f", 1)[1] == "arn:aws:sts::123456789012:assumed-role/runner/f"
