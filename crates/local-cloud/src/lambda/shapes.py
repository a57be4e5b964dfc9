"""Writes shapes.json: Lambda's operations on the wire, and what they demand of their input, from botocore's model."""
import json, sys
import botocore.session

OPERATIONS = """AddPermission CreateAlias CreateFunction DeleteAlias DeleteFunction DeleteFunctionConcurrency
DeleteProvisionedConcurrencyConfig GetAccountSettings GetAlias GetFunction GetFunctionConcurrency
GetFunctionConfiguration GetPolicy GetProvisionedConcurrencyConfig Invoke ListAliases ListFunctions
ListProvisionedConcurrencyConfigs ListTags ListVersionsByFunction PublishVersion PutFunctionConcurrency
PutProvisionedConcurrencyConfig RemovePermission TagResource UntagResource UpdateAlias UpdateFunctionCode
UpdateFunctionConfiguration""".split()
# The model has the limits of what the local cloud lacks (managed instances), or none.
MAX = {"MemorySize": 10240, "Timeout": 900}

model = botocore.session.get_session().get_service_model("lambda")
shapes = {}

def add(shape):
    if shape.name in shapes:
        return shape.name
    # JSON has blobs as base64.
    entry = shapes[shape.name] = {"type": "string" if shape.type_name == "blob" else shape.type_name}
    for name in ("min", "max", "enum"):
        # Which runtimes there are is Lambda's own error to tell.
        if name in shape.metadata and (shape.name, name) != ("Runtime", "enum"):
            entry[name] = shape.metadata[name]
    if shape.name in MAX:
        entry["max"] = MAX[shape.name]
    pattern = shape.metadata.get("pattern")
    # What matches anything says nothing, and Rust's regex looks neither ahead nor behind.
    if pattern and pattern not in (".*", "[\\S\\s]*") and not any(look in pattern for look in ("(?<", "(?!", "(?=")):
        # In Rust's classes a hyphen after a range is to be escaped.
        entry["pattern"] = pattern.replace("0-9-_", "0-9\\-_")
    if shape.type_name == "structure":
        if shape.required_members:
            entry["required"] = sorted(shape.required_members)
        entry["members"] = {
            name: add(member) for name, member in sorted(shape.members.items()) if name != shape.serialization.get("payload")}
    elif shape.type_name == "list":
        entry["member"] = add(shape.member)
    elif shape.type_name == "map":
        entry["key"], entry["value"] = add(shape.key), add(shape.value)
    return shape.name

http, operations = {}, {}
for name in OPERATIONS:
    operation = model.operation_model(name)
    located = {"querystring": {}, "header": {}}
    for member, shape in sorted(operation.input_shape.members.items()):
        if shape.serialization.get("location") in located:
            located[shape.serialization["location"]][shape.serialization["name"]] = [member, shape.type_name]
    http[name] = {
        "method": operation.http["method"], "uri": operation.http["requestUri"], "code": operation.http["responseCode"],
        "query": located["querystring"], "header": located["header"]}
    operations[name] = add(operation.input_shape)
# The model leaves it to a member of the answer.
http["DeleteFunction"]["code"] = 204
def rows(entries):
    return ",\n".join("%s: %s" % (json.dumps(name), json.dumps(entries[name])) for name in sorted(entries))
sys.stdout.write('{"http": {\n%s},\n"operations": {\n%s},\n"shapes": {\n%s}}\n' % tuple(map(rows, (http, operations, shapes))))
