"""The beginning of EC2's test programs. Every answer is checked against botocore's model, and enums too."""
import base64
import os
import time

ec2, ssm, s3 = (boto3.client(name, config=config) for name in ("ec2", "ssm", "s3"))
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def faults(shape, value, path=""):
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from faults(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from faults(shape.member, item, path + "[]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value} is not in {shape.enum}"


def check(model, parsed, http_response, **_):
    fits_model(model, parsed, http_response)
    if http_response.status_code < 300 and model.output_shape:
        members = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        assert not list(faults(model.output_shape, members)), (model.name, list(faults(model.output_shape, members)))


for client in (ec2, ssm):
    client.meta.events.register(f"after-call.{client.meta.service_model.service_id.hyphenize()}", check)


def until(found, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} s")


def run(script="", **more):
    """Launches an instance whose user data is a shell script, and returns its id."""
    arguments = dict(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1)
    if script:
        arguments["UserData"] = "#!/bin/bash\n" + script
    arguments.update(more)
    return ec2.run_instances(**arguments)["Instances"][0]["InstanceId"]


def described(instance):
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def console(instance):
    return ec2.get_console_output(InstanceId=instance).get("Output", "")


def said(instance, text):
    try:
        until(lambda: text in console(instance), 30)
    except AssertionError:
        raise AssertionError(f"{text} is not in: {console(instance)}")


def in_state(instance, name):
    def look():
        now = described(instance)
        return now if now["State"]["Name"] == name else None
    try:
        return until(look, 30)
    except AssertionError:
        raise AssertionError(f"{instance} is {described(instance)['State']['Name']}, not {name}: {console(instance)}")


def terminate(*instances):
    ec2.terminate_instances(InstanceIds=list(instances))
    for instance in instances:
        in_state(instance, "terminated")


def profile(actions, resource, name="trainer"):
    """Creates an instance profile whose role is allowed these actions."""
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(actions, resource))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return {"Name": name}
