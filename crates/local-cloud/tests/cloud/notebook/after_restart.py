"""After a restart, a notebook instance that was being deleted is gone. Then a quota of one notebook instance."""
names = lambda: [each["NotebookInstanceName"] for each in sagemaker.list_notebook_instances()["NotebookInstances"]]
until(lambda: names() == ["Notebook-1"])
role = iam.get_role(RoleName="trainer")["Role"]["Arn"]
second = dict(NotebookInstanceName="second", InstanceType="ml.t3.medium", RoleArn=role)
message = refused("ResourceLimitExceeded", sagemaker.create_notebook_instance, **second)
assert "'ml.t3.medium for notebook instance usage' is 1 Instances, with current utilization of 1 Instances" in message
sagemaker.stop_notebook_instance(NotebookInstanceName="Notebook-1")
until(lambda: sagemaker.describe_notebook_instance(NotebookInstanceName="Notebook-1")["NotebookInstanceStatus"] == "Stopped")
sagemaker.create_notebook_instance(**second)
refused("ResourceLimitExceeded", sagemaker.start_notebook_instance, NotebookInstanceName="Notebook-1")
arn = sagemaker.describe_notebook_instance(NotebookInstanceName="Notebook-1")["NotebookInstanceArn"]
sagemaker.delete_notebook_instance(NotebookInstanceName="Notebook-1")
assert sagemaker.describe_notebook_instance(NotebookInstanceName="Notebook-1")["NotebookInstanceStatus"] == "Deleting"
until(lambda: names() == ["second"])
refused("ValidationException", sagemaker.list_tags, ResourceArn=arn)
