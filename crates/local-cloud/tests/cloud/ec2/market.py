"""Prices of spot instances, and requests for them as the older operation makes them."""
history = ec2.describe_spot_price_history(InstanceTypes=["m5.xlarge"], ProductDescriptions=["Linux/UNIX"])["SpotPriceHistory"]
zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
assert sorted(each["AvailabilityZone"] for each in history) == sorted(zones)
assert {each["SpotPrice"] for each in history} == {"0.019200"} and {each["InstanceType"] for each in history} == {"m5.xlarge"}
one = dict(AvailabilityZone=zones[0], InstanceTypes=["t2.xlarge", "m5.large"], Filters=[{"Name": "product-description", "Values": ["Linux/UNIX"]}])
assert len(ec2.describe_spot_price_history(**one)["SpotPriceHistory"]) == 2
page = ec2.describe_spot_price_history(MaxResults=5)
assert len(page["SpotPriceHistory"]) == 5 and ec2.describe_spot_price_history(MaxResults=5, NextToken=page["NextToken"])["SpotPriceHistory"]
# What is offered below the price gets nothing.
launch = {"ImageId": IMAGE, "InstanceType": "m5.xlarge", "UserData": base64.b64encode(b"#!/bin/sh\necho spot works; sleep 300").decode()}
assert "minimum required Spot request fulfillment price of 0.0192" in refused(
    "SpotMaxPriceTooLow", ec2.request_spot_instances, SpotPrice="0.01", LaunchSpecification=launch)
refused("Unsupported", ec2.request_spot_instances, Type="persistent", LaunchSpecification=launch)
refused("UnknownOperationException", ec2.request_spot_instances, BlockDurationMinutes=60, LaunchSpecification=launch)
refused("DryRunOperation", ec2.request_spot_instances, DryRun=True, LaunchSpecification=launch)
ec2.create_key_pair(KeyName="k")
tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "a", "Value": "b"}]}]
requests = ec2.request_spot_instances(
    SpotPrice="0.05", InstanceCount=2, TagSpecifications=tags, LaunchSpecification=dict(launch, KeyName="k"))["SpotInstanceRequests"]
assert len(requests) == 2 and {each["SpotPrice"] for each in requests} == {"0.050000"} and requests[0]["Tags"] == [{"Key": "a", "Value": "b"}]
ec2.get_waiter("spot_instance_request_fulfilled").wait(SpotInstanceRequestIds=[each["SpotInstanceRequestId"] for each in requests])
ids = [each["InstanceId"] for each in requests]
for instance in ids:
    running = in_state(instance, "running")
    assert (running["InstanceLifecycle"], running["KeyName"]) == ("spot", "k")
until(lambda: "spot works" in console(ids[0]))
ec2.terminate_instances(InstanceIds=ids)
for instance in ids:
    in_state(instance, "terminated")

# Whoever asks needs the action of this operation, and not that of the other.
iam.create_role(RoleName="spot", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="spot", PolicyName="p", PolicyDocument=policy("ec2:RunInstances", "*"))
theirs = as_role("spot", "ec2")
refused("UnauthorizedOperation", theirs.request_spot_instances, LaunchSpecification=launch, DryRun=True)
iam.put_role_policy(RoleName="spot", PolicyName="p", PolicyDocument=policy("ec2:RequestSpotInstances", "*"))
refused("DryRunOperation", theirs.request_spot_instances, LaunchSpecification=launch, DryRun=True)

# A network interface may name the subnet and the groups. It has no public address, and the error says what to do instead.
subnet = ec2.describe_subnets()["Subnets"][1]["SubnetId"]
group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": False}
arguments = dict(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1)
[launched] = ec2.run_instances(**arguments, NetworkInterfaces=[interface])["Instances"]
assert (launched["SubnetId"], [each["GroupId"] for each in launched["SecurityGroups"]]) == (subnet, [group])
ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
message = refused("Unsupported", ec2.run_instances, **arguments, NetworkInterfaces=[dict(interface, AssociatePublicIpAddress=True)])
assert "no public address" in message and "GetConsoleOutput" in message, message
refused("InvalidParameterCombination", ec2.run_instances, **arguments, SubnetId=subnet, NetworkInterfaces=[interface])
