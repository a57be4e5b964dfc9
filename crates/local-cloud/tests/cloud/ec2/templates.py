"""Launch templates, their versions, and instances that come from them."""
tagged = lambda value: [{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": value}]}]
first = {"ImageId": IMAGE, "InstanceType": "t3.micro", "TagSpecifications": tagged("v1")}
made = ec2.create_launch_template(
    LaunchTemplateName="work", LaunchTemplateData=first, ClientToken="once",
    TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "ml"}]}])["LaunchTemplate"]
assert made["DefaultVersionNumber"] == made["LatestVersionNumber"] == 1 and made["Tags"] == [{"Key": "team", "Value": "ml"}]
again = ec2.create_launch_template(LaunchTemplateName="work", LaunchTemplateData=first, ClientToken="once")["LaunchTemplate"]
assert again["LaunchTemplateId"] == made["LaunchTemplateId"]
assert refused("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template, LaunchTemplateName="work",
               LaunchTemplateData=first) == "Launch template name already in use."
work = {"LaunchTemplateId": made["LaunchTemplateId"]}

# Versions. One may rest on another.
script = base64.b64encode(b"#!/bin/bash\necho from the template").decode()
second = ec2.create_launch_template_version(
    **work, SourceVersion="1", VersionDescription="two", LaunchTemplateData={"UserData": script, "TagSpecifications": tagged("v2")})
second = second["LaunchTemplateVersion"]
assert second["VersionNumber"] == 2 and not second["DefaultVersion"] and second["VersionDescription"] == "two", second
assert second["LaunchTemplateData"] == {**first, "UserData": script, "TagSpecifications": tagged("v2")}
versions = lambda **named: [
    version["VersionNumber"] for version in ec2.describe_launch_template_versions(**named)["LaunchTemplateVersions"]]
assert versions(LaunchTemplateName="work") == [2, 1]
assert versions(**work, Versions=["$Default"]) == [1] and versions(Versions=["$Latest"]) == [2]
assert versions(**work, MinVersion="2") == [2]
assert "version 3" in refused("InvalidLaunchTemplateId.VersionNotFound", ec2.describe_launch_template_versions, **work, Versions=["3"])
refused("MissingParameter", ec2.describe_launch_template_versions)
refused("InvalidParameterValue", ec2.describe_launch_template_versions, Versions=["1"])
refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_template_versions, LaunchTemplateId="lt-07ff4bb0369cd679c")
refused("InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["other"])
assert refused("InvalidParameterCombination", ec2.modify_launch_template, **work, LaunchTemplateName="work", DefaultVersion="2") == (
    "Either provide launch template ID or launch template name to modify the template.")
refused("InvalidLaunchTemplateId.VersionNotFound", ec2.modify_launch_template, **work, DefaultVersion="9")
assert ec2.modify_launch_template(**work, DefaultVersion="2")["LaunchTemplate"]["DefaultVersionNumber"] == 2
found = ec2.describe_launch_templates(Filters=[{"Name": "tag:team", "Values": ["ml"]}])["LaunchTemplates"]
assert [each["LaunchTemplateName"] for each in found] == ["work"] and found[0]["LatestVersionNumber"] == 2, found

# Instances. What the request names counts more than what the template has, and tags are of both.
launch = lambda template, **more: ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1, **more)["Instances"][0]
attribute = lambda instance, name: ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)
instance = launch(work)
tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
assert tags == {"k": "v2", "aws:ec2launchtemplate:id": made["LaunchTemplateId"], "aws:ec2launchtemplate:version": "2"}, tags
assert attribute(instance["InstanceId"], "userData")["UserData"]["Value"] == script
assert attribute(instance["InstanceId"], "instanceType")["InstanceType"]["Value"] == "t3.micro"
assert attribute(instance["InstanceId"], "groupSet")["Groups"][0]["GroupName"] == "default"
assert "sourceDestCheck" in refused(
    "UnknownOperationException", ec2.describe_instance_attribute, InstanceId=instance["InstanceId"], Attribute="sourceDestCheck")
said(instance["InstanceId"], "from the template")
other = launch({"LaunchTemplateName": "work", "Version": "1"}, InstanceType="t3.nano", UserData="#!/bin/bash\necho mine",
               TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "more", "Value": "x"}]}])
assert other["InstanceType"] == "t3.nano" and {"Key": "k", "Value": "v1"} in other["Tags"] and {"Key": "more", "Value": "x"} in other["Tags"]
said(other["InstanceId"], "mine")
ec2.create_launch_template(LaunchTemplateName="bare", LaunchTemplateData={"ImageId": IMAGE})
bare = launch({"LaunchTemplateName": "bare"})
assert bare["InstanceType"] == "m1.small", bare
terminate(bare["InstanceId"])
terminate(instance["InstanceId"])
terminate(other["InstanceId"])

# What a template asks for is checked by the launch.
ec2.create_launch_template(LaunchTemplateName="deep", LaunchTemplateData={**first, "HibernationOptions": {"Configured": True}})
assert "HibernationOptions" in refused(
    "UnknownOperationException", ec2.run_instances, LaunchTemplate={"LaunchTemplateName": "deep"}, MinCount=1, MaxCount=1)

# Who launches needs the right to the template.
iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
    {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "ml"}}}]}))
assert "launch-template/lt-" in refused(
    "UnauthorizedOperation", as_role("limited", "ec2", "limited-").run_instances, LaunchTemplate=work, MinCount=1, MaxCount=1)
ec2.delete_launch_template(**work)
refused("InvalidLaunchTemplateId.NotFound", launch, template=work)
