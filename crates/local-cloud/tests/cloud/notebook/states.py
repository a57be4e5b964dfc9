"""Notebook instances pass through their states."""
role = setup()
def create(name="Notebook-1", **more):
    arguments = dict(NotebookInstanceName=name, InstanceType="ml.t2.medium", RoleArn=role)
    return sagemaker.create_notebook_instance(**{**arguments, **more})
def described(name="Notebook-1"):
    return sagemaker.describe_notebook_instance(NotebookInstanceName=name)
def status(wanted, name="Notebook-1"):
    until(lambda: described(name)["NotebookInstanceStatus"] == wanted)
def state(call, name="Notebook-1", **more):
    return refused("ValidationException", call, NotebookInstanceName=name, **more)

ec2 = boto3.client("ec2", config=config)
subnet = ec2.describe_subnets()["Subnets"][0]
group = ec2.create_security_group(GroupName="notebooks", Description="for notebooks", VpcId=subnet["VpcId"])["GroupId"]
network = {"SubnetId": subnet["SubnetId"], "SecurityGroupIds": [group]}
arn = create(RootAccess="Disabled", VolumeSizeInGB=10, Tags=[{"Key": "a", "Value": "b"}], **network)["NotebookInstanceArn"]
assert arn == "arn:aws:sagemaker:us-east-1:123456789012:notebook-instance/notebook-1"
first = described()
assert first["NotebookInstanceStatus"] == "Pending" and first["NotebookInstanceName"] == "Notebook-1"
assert (first["RootAccess"], first["VolumeSizeInGB"], first["RoleArn"]) == ("Disabled", 10, role)
assert first["SubnetId"] == network["SubnetId"] and first["SecurityGroups"] == network["SecurityGroupIds"]
assert first["Url"] == "notebook-1.notebook.us-east-1.sagemaker.aws" and first["DirectInternetAccess"] == "Enabled"
assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
assert f'Cannot create already existing notebook instance "{arn}"' in refused("ValidationException", create)
assert state(sagemaker.delete_notebook_instance) == (
    f"Status (Pending) not in ([Stopped, Failed]). Unable to transition to (Deleting) for Notebook Instance ({arn}).")
status("InService")
assert "Status (InService) not in ([Stopped, Failed])" in state(sagemaker.delete_notebook_instance)
assert "Status (InService) not in ([Stopped, Failed])" in state(sagemaker.start_notebook_instance)
assert "Status (InService) not in ([Stopped, Failed])" in state(sagemaker.update_notebook_instance, VolumeSizeInGB=20)
refused("UnknownOperationException", sagemaker.create_presigned_notebook_instance_url, NotebookInstanceName="Notebook-1")
sagemaker.stop_notebook_instance(NotebookInstanceName="Notebook-1")
assert described()["NotebookInstanceStatus"] == "Stopping"
assert "Status (Stopping) not in ([InService]). Unable to transition to (Stopping)" in state(sagemaker.stop_notebook_instance)
status("Stopped")
assert "can only be increased" in state(sagemaker.update_notebook_instance, VolumeSizeInGB=5)
sagemaker.update_notebook_instance(NotebookInstanceName="Notebook-1", InstanceType="ml.t3.medium", RootAccess="Enabled")
assert described()["NotebookInstanceStatus"] == "Updating"
status("Stopped")
assert (described()["InstanceType"], described()["RootAccess"], described()["VolumeSizeInGB"]) == ("ml.t3.medium", "Enabled", 10)
sagemaker.start_notebook_instance(NotebookInstanceName="Notebook-1")
status("InService")

create("other")
assert described("other")["VolumeSizeInGB"] == 5 and described("other")["RootAccess"] == "Enabled" and "SubnetId" not in described("other")
status("InService", "other")
listed = sagemaker.list_notebook_instances(SortBy="Name", SortOrder="Ascending")["NotebookInstances"]
assert [each["NotebookInstanceName"] for each in listed] == ["Notebook-1", "other"]
listed = sagemaker.list_notebook_instances(NameContains="OTH", StatusEquals="InService")["NotebookInstances"]
assert [each["InstanceType"] for each in listed] == ["ml.t2.medium"]
assert not sagemaker.list_notebook_instances(StatusEquals="Stopped")["NotebookInstances"]

# What is refused.
assert state(sagemaker.describe_notebook_instance, "nobody") == "RecordNotFound"
assert state(sagemaker.stop_notebook_instance, "nobody") == "RecordNotFound"
assert "enum value set" in refused("ValidationException", create, name="x", InstanceType="ml.none")
none = "The subnet ID 'subnet-0123456789abcdef0' does not exist"
assert none == refused("ValidationException", create, name="x", SubnetId="subnet-0123456789abcdef0")
assert "does not exist" in refused("ValidationException", create, name="x", **{**network, "SecurityGroupIds": ["sg-0123456789abcdef0"]})
assert "together with SubnetId" in refused("ValidationException", create, name="x", SecurityGroupIds=[group])
late = dict(name="x", **network)
ec2.delete_security_group(GroupId=group)
assert "does not exist" in refused("ValidationException", create, **late)
assert "only if SubnetId" in refused("ValidationException", create, name="x", DirectInternetAccess="Disabled")
refused("UnknownOperationException", create, name="x", LifecycleConfigName="setup")
stranger = iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]["Arn"]
assert "Could not assume role" in refused("ValidationException", create, name="x", RoleArn=stranger)
sagemaker.stop_notebook_instance(NotebookInstanceName="other")
status("Stopped", "other")
sagemaker.delete_notebook_instance(NotebookInstanceName="other")
