"""An instance with `work.py` as its user data. Checks what it saw and how it ended."""
for bucket in ("work", "other"):
    s3.create_bucket(Bucket=bucket)
role = profile("s3:PutObject", "arn:aws:s3:::work/*")
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjtahoaqDY59gTRrServZ7ItVcXb+Sqy3+OaUAzUcTi me"
ec2.import_key_pair(KeyName="key", PublicKeyMaterial=key)
group = ec2.create_security_group(GroupName="ssh", Description="one address")["GroupId"]
answer = ec2.run_instances(
    ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, UserData="#!/bin/bash\n" + script, KeyName="key",
    SecurityGroupIds=[group], IamInstanceProfile=role, InstanceInitiatedShutdownBehavior="terminate",
    TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "opsml:step", "Value": "ec2"}]}])
assert answer["OwnerId"] == "123456789012" and answer["Instances"][0]["State"] == {"Code": 0, "Name": "pending"}
i = answer["Instances"][0]["InstanceId"]
end = in_state(i, "terminated")
assert end["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown", end
assert end["Tags"] == [{"Key": "opsml:step", "Value": "ec2"}] and "PrivateIpAddress" not in end, end
lines = console(i).splitlines()
assert lines[0].startswith(f"[local cloud] {i} is a group of processes on this machine, "), lines
assert lines[1:3] == ["on stdout", "on stderr"], lines

seen = json.loads(s3.get_object(Bucket="work", Key="seen")["Body"].read())
environment = seen["environment"]
assert not [name for name in environment if "CANARY" in name + environment[name]], environment
assert sorted(n for n in environment if n.startswith("AWS_")) == [
    "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL"], environment
assert environment["HOME"].endswith(f"/ec2/{i}/root") and f"/ec2/{i}/bin:" in environment["PATH"], environment
assert seen["ttl"] == "60", "the SDKs need to know"
assert seen["refused"] == [401, 400, 401, 403, 404], seen["refused"]
assert (seen["instance-id"], seen["instance-type"], seen["placement/region"]) == (i, "m5.large", "us-east-1")
assert seen["ami-id"] == answer["Instances"][0]["ImageId"] == end["ImageId"]
assert seen["local-ipv4"] == answer["Instances"][0]["PrivateIpAddress"]
assert seen["public-keys/"] == "0=key" and seen["public-keys/0/openssh-key"] == key
assert json.loads(seen["iam/info"])["InstanceProfileArn"] == end["IamInstanceProfile"]["Arn"]
assert seen["iam/security-credentials/"] == "trainer" and seen["security-groups"] == "ssh"
assert seen["instance-life-cycle"] == "on-demand" and "iam/" in seen[""].splitlines(), seen[""]
assert seen["document"]["instanceId"] == i and seen["document"]["region"] == "us-east-1"
assert seen["user-data"] == "#!/bin/bash"
assert seen["caller"] == f"arn:aws:sts::123456789012:assumed-role/trainer/{i}"
assert "(AccessDenied)" in seen["denied"] and f"assumed-role/trainer/{i} is not authorized to perform: s3:PutObject" in seen["denied"]
ec2.delete_security_group(GroupId=group)
