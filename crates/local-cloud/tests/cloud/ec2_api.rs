//! EC2 through boto3: what is refused and why, who may do what, and the resources around instances.

use crate::Server;
use crate::ec2::run;

#[test]
fn what_is_wrong_with_a_launch_is_said_in_ec2s_words() {
    let server = Server::start();
    run(
        &server,
        r##"
image = ssm.get_parameter(Name=IMAGE.removeprefix("resolve:ssm:"))["Parameter"]["Value"]
for code, words, more in [
    ("InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist", dict(ImageId="ami-0123456789abcdef0")),
    ("InvalidAMIID.Malformed", 'Invalid id: "ubuntu" (expecting "ami-...")', dict(ImageId="ubuntu")),
    ("InvalidParameterValue", "/aws/service/none", dict(ImageId="resolve:ssm:/aws/service/none")),
    ("InvalidKeyPair.NotFound", "The key pair 'none' does not exist", dict(KeyName="none")),
    ("InvalidGroup.NotFound", "The security group 'sg-0123' does not exist", dict(SecurityGroupIds=["sg-0123"])),
    ("InvalidGroupId.Malformed", "", dict(SecurityGroupIds=["ssh"])),
    ("InvalidGroup.NotFound", "does not exist in default VPC", dict(SecurityGroups=["none"])),
    ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", dict(SubnetId="subnet-1")),
    ("InvalidParameterValue", "Invalid availability zone: [eu-west-1a]", dict(Placement={"AvailabilityZone": "eu-west-1a"})),
    ("InvalidParameterValue", "Invalid value 'm5.huge' for InstanceType.", dict(InstanceType="m5.huge")),
    ("InvalidParameterValue", "The architecture 'arm64'", dict(InstanceType="m6g.large")),
    ("Unsupported", "currently not supported", dict(InstanceType="x1.16xlarge")),
    ("InvalidParameterValue", "Value (none) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
     dict(IamInstanceProfile={"Name": "none"})),
    ("InvalidParameterValue", "User data is limited to 16384 bytes", dict(UserData="#!/bin/sh\n" + "#" * 16384)),
    ("InvalidParameterValue", "MinCount", dict(MinCount=0)),
    ("InvalidParameterValue", "MaxCount", dict(MinCount=2)),
    ("InvalidBlockDeviceMapping", "smaller than snapshot", dict(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}])),
    ("InvalidParameterValue", "HttpPutResponseHopLimit", dict(MetadataOptions={"HttpPutResponseHopLimit": 65})),
    ("InvalidParameterValue", "'vpc' is not a valid taggable resource type", dict(TagSpecifications=[{"ResourceType": "vpc", "Tags": []}])),
    ("UnknownOperationException", "RunInstances with LaunchTemplate", dict(LaunchTemplate={"LaunchTemplateName": "x"})),
]:
    message = refused(code, run, **more)
    assert words in message, (message, words)
iam.create_instance_profile(InstanceProfileName="empty")
assert "has no associated IAM Roles" in refused("InvalidParameterValue", run, IamInstanceProfile={"Name": "empty"})
assert refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"]) == (
    "The instance ID 'i-0123456789abcdef0' does not exist")
refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["web"])
assert "ssh-keygen" in refused("UnknownOperationException", ec2.create_key_pair, KeyName="x")
refused("UnknownOperationException", ec2.create_volume, AvailabilityZone="us-east-1a", Size=1)
assert ec2.describe_instances()["Reservations"] == [], "nothing was launched"
assert refused("DryRunOperation", run, DryRun=True) == "Request would have succeeded, but DryRun flag is set."
stranger = boto3.client("ec2", config=config, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
assert refused("AuthFailure", stranger.describe_vpcs) == "AWS was not able to validate the provided access credentials"
i = run(ImageId=image, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}], MetadataOptions={"HttpTokens": "optional"})
assert told(i)["MetadataOptions"]["HttpTokens"] == "optional"
terminate(i)
"##,
    );
}

#[test]
fn policies_decide_who_launches_what() {
    let server = Server::start();
    run(
        &server,
        r##"
role = profile("s3:*", "*")
iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
sessions = iter(range(99))
def allow(*statements):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
    iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=json.dumps(document))
    return as_role("limited", "ec2", str(next(sessions)) + "-")
def launch(client, **more):
    return client.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1, **more)
anything = {"Action": "ec2:*", "Resource": "*"}
ec2_ = allow({"Action": "s3:*", "Resource": "*"})
assert refused("UnauthorizedOperation", launch, client=ec2_) == (
    "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/limited/0- is not "
    "authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because no "
    "identity-based policy allows the ec2:RunInstances action")
assert "ec2:DescribeInstances because" in refused("UnauthorizedOperation", ec2_.describe_instances)
assert "iam:PassRole on resource: arn:aws:iam::123456789012:role/trainer" in refused(
    "UnauthorizedOperation", launch, client=allow(anything), IamInstanceProfile=role)
small = {"Action": "ec2:RunInstances", "Resource": "*", "Condition": {"StringEqualsIfExists": {"ec2:InstanceType": "t3.nano"}}}
refused("UnauthorizedOperation", launch, client=allow(small), DryRun=True)
small["Condition"]["StringEqualsIfExists"]["ec2:InstanceType"] = "t3.micro"
refused("DryRunOperation", launch, client=allow(small), DryRun=True)
tagged = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "ml"}]}]
assert "ec2:CreateTags on resource" in refused("UnauthorizedOperation", launch, client=allow(small), TagSpecifications=tagged)
passes = {"Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
i = launch(allow(anything, passes), IamInstanceProfile=role, TagSpecifications=tagged)["Instances"][0]["InstanceId"]
own = {"Action": "ec2:TerminateInstances", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "web"}}}
assert f"instance/{i}" in refused("UnauthorizedOperation", allow(own).terminate_instances, InstanceIds=[i])
own["Condition"]["StringEquals"]["aws:ResourceTag/team"] = "ml"
allow(own).terminate_instances(InstanceIds=[i])
in_state(i, "terminated")
reader = as_role("limited", "ssm")
assert "ssm:GetParameter on resource: arn:aws:ssm:us-east-1::parameter/aws/service/x" in refused(
    "AccessDeniedException", reader.get_parameter, Name="/aws/service/x")
refused("ParameterNotFound", ssm.get_parameter, Name="/aws/service/x")
answer = ssm.get_parameters(Names=["/aws/service/x", IMAGE.removeprefix("resolve:ssm:")])
assert answer["InvalidParameters"] == ["/aws/service/x"] and len(answer["Parameters"]) == 1

# A role that does not trust EC2 gives an instance no credentials.
iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
iam.create_instance_profile(InstanceProfileName="other")
iam.add_role_to_instance_profile(InstanceProfileName="other", RoleName="other")
j = run("for path in info security-credentials/other; do curl -s $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/iam/$path; done; echo done",
        IamInstanceProfile={"Name": "other"}, MetadataOptions={"HttpTokens": "optional"})
said(j, "done")
assert console(j).count("AssumeRoleUnauthorizedAccess") == 2 and "SecretAccessKey" not in console(j), console(j)
terminate(j)
"##,
    );
}

#[test]
fn keys_and_groups_are_kept_as_aws_keeps_them() {
    let server = Server::start();
    run(
        &server,
        r##"
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjtahoaqDY59gTRrServZ7ItVcXb+Sqy3+OaUAzUcTi me"
made = ec2.import_key_pair(KeyName="k", PublicKeyMaterial=key, TagSpecifications=[{"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "b"}]}])
assert made["KeyFingerprint"] == "l5UhxNXZAZ1nCDKPa5fyemQdxt2WJvOvWLALaiuenwQ=" and made["Tags"] == [{"Key": "a", "Value": "b"}]
assert refused("InvalidKeyPair.Duplicate", ec2.import_key_pair, KeyName="k", PublicKeyMaterial=key) == "The keypair already exists"
assert refused("InvalidKey.Format", ec2.import_key_pair, KeyName="l", PublicKeyMaterial="-----BEGIN") == (
    "Key is not in valid OpenSSH public key format")
[pair] = ec2.describe_key_pairs(KeyNames=["k"], IncludePublicKey=True)["KeyPairs"]
assert (pair["KeyType"], pair["PublicKey"], pair["KeyPairId"]) == ("ed25519", key, made["KeyPairId"])
assert ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["x*"]}])["KeyPairs"] == []
assert ec2.delete_key_pair(KeyName="k")["KeyPairId"] == made["KeyPairId"]
assert ec2.delete_key_pair(KeyName="k")["Return"] is True, "as on AWS"
assert refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["k"]) == "The key pair 'k' does not exist"

[vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
assert vpc["CidrBlock"] == "172.31.0.0/16"
group = ec2.create_security_group(GroupName="ssh", Description="one address", VpcId=vpc["VpcId"])["GroupId"]
assert refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="ssh", Description="x") == (
    f"The security group 'ssh' already exists for VPC '{vpc['VpcId']}'")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="default", Description="x")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="sg-1", Description="x")
refused("InvalidParameterValue", ec2.create_security_group, GroupName="a", Description="é")
refused("InvalidVpcID.NotFound", ec2.create_security_group, GroupName="a", Description="x", VpcId="vpc-1")
ssh = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32", "Description": "me"}]}]
[rule] = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ssh)["SecurityGroupRules"]
assert (rule["CidrIpv4"], rule["FromPort"], rule["IsEgress"]) == ("203.0.113.7/32", 22, False)
assert refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=ssh) == (
    'the specified rule "peer: 203.0.113.7/32, TCP, from port: 22, to port: 22, ALLOW" already exists')
assert refused("InvalidParameterValue", ec2.authorize_security_group_ingress, GroupId=group, IpProtocol="tcp", FromPort=22,
               ToPort=22, CidrIp="203.0.113.7") == "CIDR block 203.0.113.7 is malformed"
ec2.authorize_security_group_ingress(GroupName="ssh", IpProtocol="tcp", FromPort=80, ToPort=81, CidrIp="10.1.2.3/8")
[now] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
assert now["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "203.0.113.7/32", "Description": "me"}]
assert now["IpPermissions"][1]["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}], "as EC2 makes them canonical"
assert [p["IpProtocol"] for p in now["IpPermissionsEgress"]] == ["-1"]
refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=group, IpPermissions=ssh)
ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_ingress, GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
assert sorted(r["IsEgress"] for r in rules) == [False, True]
ec2.revoke_security_group_egress(GroupId=group, IpPermissions=now["IpPermissionsEgress"])
ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])

i = run(SecurityGroupIds=[group])
assert told(i)["SecurityGroups"] == [{"GroupId": group, "GroupName": "ssh"}]
assert refused("DependencyViolation", ec2.delete_security_group, GroupId=group) == f"resource {group} has a dependent object"
terminate(i)
other = ec2.create_security_group(GroupName="web", Description="x")["GroupId"]
ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])
refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
ec2.delete_security_group(GroupId=other)
assert ec2.delete_security_group(GroupName="ssh")["GroupId"] == group
assert refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=group) == f"The security group '{group}' does not exist"
[default] = ec2.describe_security_groups()["SecurityGroups"]
assert default["GroupName"] == "default" and default["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == default["GroupId"]
refused("CannotDelete", ec2.delete_security_group, GroupId=default["GroupId"])
"##,
    );
}

#[test]
fn images_types_and_subnets_are_found() {
    let server = Server::start();
    run(
        &server,
        r##"
def images(**more):
    return ec2.describe_images(**more)["Images"]
[linux] = images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}, {"Name": "architecture", "Values": ["x86_64"]}])
assert linux["ImageId"] == ssm.get_parameter(Name=IMAGE.removeprefix("resolve:ssm:"))["Parameter"]["Value"]
assert "this machine" in linux["Description"] and linux["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8
[deep] = images(Filters=[{"Name": "name", "Values": ["Deep Learning * PyTorch *"]}])
name = "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.7-amazon-linux-2023/latest/ami-id"
assert deep["ImageId"] == ssm.get_parameter(Name=name)["Parameter"]["Value"]
assert images(ImageIds=[deep["ImageId"]]) == [deep] and images(Owners=["self"]) == []
refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])

types = {t["InstanceType"]: t for page in ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20})
         for t in page["InstanceTypes"]}
size = lambda t: (t["VCpuInfo"]["DefaultVCpus"], t["MemoryInfo"]["SizeInMiB"])
assert size(types["m5.xlarge"]) == (4, 16384) and size(types["c4.xlarge"]) == (4, 7680) and "p3.2xlarge" in types
assert types["p3.2xlarge"]["GpuInfo"]["Gpus"][0]["Name"] == "V100"
[one] = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"]
assert size(one) == (1, 1024) and one["FreeTierEligible"]
big = ec2.describe_instance_types(Filters=[{"Name": "vcpu-info.default-vcpus", "Values": ["96"]}])["InstanceTypes"]
assert big and all(size(t)[0] == 96 for t in big)
assert refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["m5.huge"]) == (
    "The following supplied instance types do not exist: [m5.huge]")

zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
assert zones == ["us-east-1" + letter for letter in "abcdef"]
subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
assert [s["AvailabilityZone"] for s in subnets] == zones and subnets[1]["CidrBlock"] == "172.31.16.0/20"
assert subnets[0]["AvailabilityZoneId"] == "use1-az1"
i = run(SubnetId=subnets[1]["SubnetId"])
assert told(i)["PrivateIpAddress"] == "172.31.16.4" and told(i)["Placement"]["AvailabilityZone"] == "us-east-1b"
[now] = ec2.describe_subnets(SubnetIds=[subnets[1]["SubnetId"]])["Subnets"]
assert now["AvailableIpAddressCount"] == subnets[1]["AvailableIpAddressCount"] - 1 == 4090
terminate(i)
refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-1"])
"##,
    );
}
