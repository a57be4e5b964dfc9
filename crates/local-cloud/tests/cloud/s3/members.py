# Each member of each operation's input is acted on, echoed, or refused by name, as members.txt says it. sys.argv[1] is
# the path of that file, and sys.argv[2] of the table of operations.
import re
import sys
from datetime import datetime

model = s3.meta.service_model
operations = re.findall(r"^    ([A-Z]\w+):", open(sys.argv[2], encoding="utf-8").read(), re.M)
fates, operation = {}, None
for line in open(sys.argv[1], encoding="utf-8"):
    fate, _, names = line.strip().partition(": ")
    if line.startswith("  "):
        fates[operation].update({name: fate for name in names.split()})
    elif line.strip() and not line.startswith("#"):
        operation = line.strip()
        fates[operation] = {}
assert {fate for each in fates.values() for fate in each.values()} == {"acted on", "echoed", "refused"}


def members(shape, path=""):
    """Yields the path of each member that has no members, and of those around it."""
    if shape.type_name == "structure" and shape.members:
        for name, member in shape.members.items():
            inner = f"{path}.{name}" if path else name
            yield from ((leaf, (inner, *around)) for leaf, around in members(member, inner))
    elif shape.type_name == "list":
        yield from members(shape.member, f"{path}[]")
    elif shape.type_name == "map":
        yield from members(shape.value, f"{path}{{}}")
    else:
        yield path, ()


assert set(fates) <= set(operations), set(fates) - set(operations)
for name in operations:
    met = set()
    shape = model.operation_model(name).input_shape
    for leaf, around in members(shape) if shape else ():
        listed = {leaf, *around} & set(fates.get(name, ()))
        assert listed, f"members.txt lacks {leaf} of {name}"
        met |= listed
    assert met == set(fates.get(name, ())), f"members.txt has what {name} lacks: {set(fates[name]) - met}"

# What is refused is refused by name, before anything else happens.
plain = {"ETag": '"e"', "VersionId": "v", "UploadId": "u", "PartNumber": 1, "CopySource": "bkt/k", "Bucket": "bkt", "Key": "k"}


def value(name, shape, wanted):
    """Returns a value of a shape, of which the part at the path `wanted` is given, with what is required beside it."""
    head, _, rest = wanted.partition(".")
    if shape.type_name == "structure":
        inside = {each: value(each, shape.members[each], "") for each in shape.required_members}
        if not head:
            inside = inside or {each: value(each, member, "") for each, member in list(shape.members.items())[:1]}
        else:
            bare = head.removesuffix("[]")
            rest = f"[].{rest}".removesuffix(".") if head != bare else rest
            inside[bare] = value(bare, shape.members[bare], rest)
        return inside
    if shape.type_name == "list":
        return [value(name, shape.member, wanted.removeprefix("[]").removeprefix("."))]
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 1)
    if name.endswith("KeyMD5") or name.startswith("Checksum"):
        return "MTIzNDU2Nzg5MDEyMzQ1Ng=="
    kinds = {"boolean": True, "integer": 1, "long": 1, "blob": b"x"}
    return kinds.get(shape.type_name) or plain.get(name) or (shape.enum[0] if getattr(shape, "enum", None) else "x")


s3.create_bucket(Bucket="bkt")
s3.put_object(Bucket="bkt", Key="k", Body=b"x")
tried = 0
for name in operations:
    shape = model.operation_model(name).input_shape
    for member in (member for member, fate in fates.get(name, {}).items() if fate == "refused"):
        arguments = value(name, shape, member)
        if name == "CreateBucket":
            arguments["Bucket"] = "other"
        call = getattr(s3, "_make_api_call")
        try:
            call(name, arguments)
            raise AssertionError(f"{name} has dropped {member}")
        except ClientError as error:
            found, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert status == 501, (name, member, error.response)
            # The answer to HeadObject has no body.
            if name != "HeadObject":
                assert found["Code"] == "NotImplemented", (name, member, found)
                words = found["Message"].lower().replace("-", "").replace("_", "")
                last = member.split(".")[-1].lower()
                wire = model.operation_model(name).input_shape.members.get(member)
                wire = wire.serialization.get("name", "") if wire else ""
                assert last in words or wire.lower().replace("-", "") in words, (name, member, found)
        tried += 1
assert tried > 60, tried
assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["bkt"]
