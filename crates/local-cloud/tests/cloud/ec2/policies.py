"""What policies allow and deny."""
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
