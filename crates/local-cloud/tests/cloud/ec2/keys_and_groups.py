"""Key pairs and security groups."""
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
message = refused("InvalidGroup.NotFound", ec2.authorize_security_group_egress, GroupId=group, IpPermissions=[
    {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group, "UserId": "111122223333"}]}])
assert message == f"The security group '{group}' does not exist", message

i = run(SecurityGroupIds=[group])
assert described(i)["SecurityGroups"] == [{"GroupId": group, "GroupName": "ssh"}]
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

# A new key pair: the private half comes once, and belongs to the public one.
import subprocess
import tempfile


def shown(private):
    """Returns what ssh-keygen says that the public half is."""
    with tempfile.NamedTemporaryFile("w") as file:
        os.chmod(file.name, 0o600)
        file.write(private)
        file.flush()
        return subprocess.run(["ssh-keygen", "-y", "-f", file.name], capture_output=True, text=True, check=True).stdout.split()[:2]


tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "b"}]}]
for kind, begins in (("rsa", "-----BEGIN RSA PRIVATE KEY-----"), ("ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----")):
    made = ec2.create_key_pair(KeyName=f"new-{kind}", KeyType=kind, TagSpecifications=tags)
    assert made["KeyMaterial"].startswith(begins) and made["Tags"] == [{"Key": "a", "Value": "b"}]
    [key] = ec2.describe_key_pairs(KeyNames=[f"new-{kind}"], IncludePublicKey=True)["KeyPairs"]
    assert (key["KeyType"], key["KeyFingerprint"]) == (kind, made["KeyFingerprint"])
    assert shown(made["KeyMaterial"]) == key["PublicKey"].split()[:2]
    assert made["KeyFingerprint"].count(":") == (19 if kind == "rsa" else 0)
refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, KeyName="new-rsa")
refused("DryRunOperation", ec2.create_key_pair, KeyName="other", DryRun=True)
