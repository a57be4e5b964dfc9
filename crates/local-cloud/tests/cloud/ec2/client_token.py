"""The same client token launches instances only once. Filters, pages and tags of instances."""
more = dict(ImageId=IMAGE, InstanceType="t3.micro", MinCount=2, MaxCount=2, ClientToken="token-1")
first = ec2.run_instances(**more)
again = ec2.run_instances(**more)
ids = [each["InstanceId"] for each in first["Instances"]]
assert len(set(ids)) == 2 and ids == [each["InstanceId"] for each in again["Instances"]]
assert first["ReservationId"] == again["ReservationId"]
assert refused("IdempotentParameterMismatch", ec2.run_instances, **dict(more, InstanceType="t3.small")) == (
    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
[reservation] = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["token-*"]}])["Reservations"]
assert len(reservation["Instances"]) == 2
other = ec2.run_instances(**dict(more, ClientToken="token-2", MinCount=1, MaxCount=1))["Instances"][0]["InstanceId"]
assert len({described(each)["PrivateIpAddress"] for each in [*ids, other]}) == 3

def found(*filters):
    filters = [{"Name": name, "Values": values} for name, *values in filters]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters, PaginationConfig={"PageSize": 5})
    return [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
in_state(other, "running")
ec2.create_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "one"}, {"Key": "Also", "Value": ""}])
assert found(("tag:Name", "o?e")) == [other] == found(("tag-key", "Also"), ("instance-state-name", "running"))
assert found(("tag:Name", "on")) == [] and found(("instance-id", *ids)) == ids
refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "instance-colour", "Values": ["red"]}])
ec2.delete_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "two"}, {"Key": "Also"}])
assert [t["Key"] for t in ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [other]}])["Tags"]] == ["Name"]
refused("InvalidParameterValue", ec2.create_tags, Resources=[other], Tags=[{"Key": "aws:x", "Value": ""}])
refused("InvalidID", ec2.create_tags, Resources=["x-1"], Tags=[{"Key": "x", "Value": ""}])
terminate(*ids, other)
# The token still returns the terminated instances.
assert [each["State"]["Name"] for each in ec2.run_instances(**more)["Instances"]] == ["terminated"] * 2
