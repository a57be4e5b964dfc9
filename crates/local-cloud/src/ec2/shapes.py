"""Writes shapes.json: EC2's operations, their members and the names that these have on the wire, from botocore's model."""
import json, sys
import botocore.session

OPERATIONS = """AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CancelSpotInstanceRequests
CreateSecurityGroup CreateTags DeleteKeyPair DeleteSecurityGroup DeleteTags DescribeAvailabilityZones DescribeImages
DescribeInstanceStatus DescribeInstanceTypes DescribeInstances DescribeKeyPairs DescribeSecurityGroupRules
DescribeSecurityGroups DescribeSpotInstanceRequests DescribeSubnets DescribeTags DescribeVpcs GetConsoleOutput
ImportKeyPair RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances StartInstances StopInstances
TerminateInstances""".split()

model = botocore.session.get_session().get_service_model("ec2")
shapes = {}

def capital(name):
    return name[:1].upper() + name[1:]

def add(shape, output):
    """Values without constraints go by their type; what an answer may hold is the tests' to check."""
    if shape.type_name not in ("structure", "list"):
        bounds = {key: shape.metadata[key] for key in ("min", "max", "enum") if key in shape.metadata}
        if output or not bounds:
            return shape.type_name
        shapes[shape.name] = {"type": shape.type_name, **bounds}
        return shape.name
    name = shape.name + ("." if output else "")
    if name not in shapes:
        entry = shapes[name] = {"type": shape.type_name}
        if shape.type_name == "list":
            # Which types there are is a list's own error to tell: InvalidInstanceType.
            types = shape.member.name == "InstanceType"
            entry["member"] = "string" if types else add(shape.member, output)
        else:
            if shape.required_members and not output:
                entry["required"] = sorted(shape.required_members)
            entry["members"] = {}
            for key, member in sorted(shape.members.items()):
                located = member.serialization.get("name", key)
                wire = located if output else member.serialization.get("queryName", capital(located))
                entry["members"][key] = [add(member, output)] + ([wire] if wire != key else [])
    return name

operations = {}
for name in OPERATIONS:
    operation = model.operation_model(name)
    output = operation.output_shape
    operations[name] = [add(operation.input_shape, False), add(output, True) if output else None]
lines = ['{"operations": {']
rows = ["%s: %s" % (json.dumps(name), json.dumps(operations[name])) for name in sorted(operations)]
lines.append(",\n".join(rows) + '},\n"shapes": {')
rows = ["%s: %s" % (json.dumps(name), json.dumps(shapes[name])) for name in sorted(shapes)]
lines.append(",\n".join(rows) + "}}")
sys.stdout.write("\n".join(lines) + "\n")
