"""Images, instance types, zones and subnets."""
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
assert described(i)["PrivateIpAddress"] == "172.31.16.4" and described(i)["Placement"]["AvailabilityZone"] == "us-east-1b"
[now] = ec2.describe_subnets(SubnetIds=[subnets[1]["SubnetId"]])["Subnets"]
assert now["AvailableIpAddressCount"] == subnets[1]["AvailableIpAddressCount"] - 1 == 4090
terminate(i)
refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-1"])
