"""Cuts the model of each service of the local cloud, SERVICE/model.json, out of botocore's: `python3 cut.py`.

What is cut: the operations in the rows of the service's table (`Operation::new("CreateModel", …`). How: SERVICE/cut.toml.

- `botocore`: botocore's name of the service
- `protocol`: the protocol that the local cloud uses for it
- `invalid`: the code of a validation error
- `shapes`: what a shape is here instead (an empty list: nothing; `unshown`: AWS's messages don't repeat its values, as they
  don't repeat those that the model marks as sensitive), and `unconstrained_items`: shapes that allow any text
  as items of a list
- `status`: the HTTP status of an operation, where the model has none
- `words`: the service's own messages for values that don't match a pattern

A model has a service's protocol, the method and path of each operation, and the shape of its input: members and their
names on the wire, required members, enums, patterns, lengths and ranges. It has outputs only for the XML protocols, whose
codecs need them. reader.rs, in the same folder, reads it.

A shape has its type, its constraints, and its parts. A part is given by the name of a shape, or, if it has no constraints,
by its type. `"Name": ["Shape", "wire"]` is a member with another name on the wire. EC2 has two names on the wire:
`["Shape", "in the form", "in the XML"]`.
"""
import json
import pathlib
import re
import tomllib

import botocore.session

# The name of a list's item in the XML protocols.
ITEM = {"query": "member", "ec2": "item"}


def capital(name):
    return name[:1].upper() + name[1:]


def reach(shape, names):
    """Adds the names of a shape and of all its parts to `names`."""
    if shape is None or shape.name in names:
        return
    names.add(shape.name)
    parts = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member],
             "map": lambda: [shape.key, shape.value]}
    for part in parts.get(shape.type_name, list)():
        reach(part, names)


class Cut:
    """The model of a service."""

    def __init__(self, folder):
        self.how = tomllib.loads((folder / "cut.toml").read_text())
        self.protocol, self.shapes = self.how["protocol"], {}
        self.model = botocore.session.get_session().get_service_model(self.how["botocore"])
        metadata = self.model.metadata
        self.head = {"protocol": self.protocol}
        if self.protocol in ITEM:
            # EC2's answers have a slash that its model lacks.
            self.head["namespace"] = metadata["xmlNamespace"].rstrip("/") + "/"
        if self.protocol == "json":
            self.head["target"], self.head["version"] = metadata["targetPrefix"], metadata["jsonVersion"]
        self.head |= {key: self.how[key] for key in ("invalid", "words") if key in self.how}
        rows = (re.findall(r'Operation::\w+\(\s*"(\w+)"', file.read_text()) for file in folder.rglob("*.rs"))
        names = sorted(set().union(*rows))
        self.read, self.written = set(), set()
        for operation in map(self.model.operation_model, names):
            reach(operation.input_shape, self.read)
            if self.protocol in ITEM:
                reach(operation.output_shape, self.written)
        self.operations = {}
        for operation in map(self.model.operation_model, names):
            entry = self.operations[operation.name] = self.input(operation)
            if self.protocol in ITEM:
                self.output(entry, operation)
        if self.protocol == "rest-json":
            self.head["errors"] = self.errors()

    def input(self, operation):
        entry = {"input": "structure"}
        shape = operation.input_shape
        if shape is None:
            return entry
        entry["input"] = self.shape(shape)
        if self.protocol == "rest-json":
            entry["method"], entry["uri"] = operation.http["method"], operation.http["requestUri"]
            entry["code"] = self.how.get("status", {}).get(operation.name, operation.http.get("responseCode", 200))
            for location, key in (("querystring", "query"), ("header", "header")):
                found = {member.serialization["name"]: name for name, member in sorted(shape.members.items())
                         if member.serialization.get("location") == location}
                if found:
                    entry[key] = found
            if "payload" in shape.serialization:
                entry["payload"] = shape.serialization["payload"]
        return entry

    def output(self, entry, operation):
        shape = operation.output_shape
        if shape is not None:
            entry["output"] = self.shape(shape)
            if "resultWrapper" in shape.serialization:
                entry["result"] = shape.serialization["resultWrapper"]

    def errors(self):
        """Returns the errors whose text is in `Message`. That of the others is in `message`."""
        shapes = [shape for name in self.operations for shape in self.model.operation_model(name).error_shapes]
        # AWS denies access before a request reaches the service, so the service's model lacks the error.
        return sorted({"AccessDeniedException"} | {shape.name for shape in shapes if "Message" in shape.members})

    def shape(self, shape):
        """Returns the name of a shape, and adds the shape if it is missing."""
        if shape.name in self.shapes:
            return shape.name
        entry = {"type": shape.type_name}
        # Only we make outputs, so they aren't checked.
        if shape.name in self.read:
            entry.update(self.constraints(shape))
        if shape.type_name not in ("structure", "list", "map"):
            if len(entry) == 1:
                return shape.type_name
            self.shapes[shape.name] = entry
            return shape.name
        # Added before its parts, which may contain it again.
        self.shapes[shape.name] = entry
        if shape.serialization.get("flattened"):
            entry["flattened"] = True
        if shape.type_name == "list":
            free = shape.member.name in self.how.get("unconstrained_items", ())
            entry["member"] = "string" if free else self.part(shape, shape.member, ITEM.get(self.protocol))
        elif shape.type_name == "map":
            entry["key"] = self.part(shape, shape.key, "key")
            entry["value"] = self.part(shape, shape.value, "value")
        else:
            # A payload is the body itself, and may be empty.
            members = {name: member for name, member in sorted(shape.members.items())
                       if name != shape.serialization.get("payload")}
            required = [name for name in members if name in shape.required_members]
            if required and shape.name in self.read:
                entry["required"] = required
            entry["members"] = {name: self.member(shape, name, member) for name, member in members.items()}
        return shape.name

    def constraints(self, shape):
        found = {name: shape.metadata[name] for name in ("min", "max", "enum") if name in shape.metadata}
        pattern = shape.metadata.get("pattern")
        # A pattern that matches anything is left out, and so is one with a look-around, which Rust's regex lacks.
        says_nothing = pattern in (None, ".*", "[\\S\\s]*")
        if not says_nothing and not any(look in pattern for look in ("(?<", "(?!", "(?=")):
            found["pattern"] = pattern
        if found and shape.metadata.get("sensitive"):
            found["unshown"] = True
        found |= self.how.get("shapes", {}).get(shape.name, {})
        return {name: value for name, value in found.items() if value != []}

    def part(self, whole, shape, usual):
        """Returns a list's items, or a map's keys and values. Only XML names them; unusual names are kept."""
        name, wire = self.shape(shape), shape.serialization.get("name", usual)
        return name if wire == usual or whole.name not in self.written else [name, wire]

    def member(self, whole, name, shape):
        cut, located = self.shape(shape), shape.serialization.get("name", name)
        wires = []
        if self.protocol == "query" or whole.name in self.written:
            wires = [located]
        if self.protocol == "ec2" and whole.name in self.read:
            wires.insert(0, shape.serialization.get("queryName", capital(located)))
        wires = list(dict.fromkeys(wires))
        return cut if wires in ([], [name]) else [cut] + wires

    def text(self):
        def rows(entries):
            return ",\n".join("%s: %s" % (json.dumps(name), json.dumps(entries[name])) for name in sorted(entries))
        head = json.dumps(self.head)[1:-1]
        return '{%s,\n"operations": {\n%s},\n"shapes": {\n%s}}\n' % (head, rows(self.operations), rows(self.shapes))


for how in pathlib.Path(__file__).parent.parent.glob("*/cut.toml"):
    (how.parent / "model.json").write_text(Cut(how.parent).text())
