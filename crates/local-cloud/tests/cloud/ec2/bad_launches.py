"""Launches that EC2 refuses, with its error messages."""
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
    ("UnknownOperationException", "HibernationOptions in RunInstances", dict(HibernationOptions={"Configured": True})),
    ("UnknownOperationException", "BlockDeviceMappings[].Ebs.Encrypted in RunInstances",
     dict(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}])),
    ("UnknownOperationException", "Placement.GroupName in RunInstances", dict(Placement={"GroupName": "near"})),
    ("UnknownOperationException", "RunInstances with the tenancy dedicated", dict(Placement={"Tenancy": "dedicated"})),
    ("UnknownOperationException", "NetworkInterfaces[].PrivateIpAddress in RunInstances",
     dict(NetworkInterfaces=[{"DeviceIndex": 0, "PrivateIpAddress": "172.31.0.9"}])),
    ("InvalidLaunchTemplateName.NotFoundException", "with template name x, does not exist", dict(LaunchTemplate={"LaunchTemplateName": "x"})),
]:
    message = refused(code, run, **more)
    assert words in message, (message, words)
iam.create_instance_profile(InstanceProfileName="empty")
# A template may ask for anything. The launch that uses it is refused.
ec2.create_launch_template(LaunchTemplateName="deep", LaunchTemplateData={"HibernationOptions": {"Configured": True}})
message = refused("UnknownOperationException", run, LaunchTemplate={"LaunchTemplateName": "deep"})
assert "HibernationOptions in RunInstances" in message, message
assert "has no associated IAM Roles" in refused("InvalidParameterValue", run, IamInstanceProfile={"Name": "empty"})
assert refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"]) == (
    "The instance ID 'i-0123456789abcdef0' does not exist")
assert refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0", "i-12345678"]) == (
    "The instance IDs 'i-0123456789abcdef0, i-12345678' do not exist")
assert refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-12345678", "ami-87654321"]) == (
    "The image ids '[ami-12345678, ami-87654321]' do not exist")
refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["web"])
refused("UnknownOperationException", ec2.create_key_pair, KeyName="x", KeyFormat="ppk")
refused("UnknownOperationException", ec2.create_volume, AvailabilityZone="us-east-1a", Size=1)
assert ec2.describe_instances()["Reservations"] == [], "nothing was launched"
assert refused("DryRunOperation", run, DryRun=True) == "Request would have succeeded, but DryRun flag is set."
stranger = boto3.client("ec2", config=config, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
assert refused("AuthFailure", stranger.describe_vpcs) == "AWS was not able to validate the provided access credentials"
i = run(ImageId=image, EbsOptimized=True, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}], MetadataOptions={"HttpTokens": "optional"})
assert described(i)["MetadataOptions"]["HttpTokens"] == "optional"
assert described(i)["EbsOptimized"] is True
terminate(i)
