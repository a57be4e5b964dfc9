"""Reads values from JSON, forms, XML and headers by botocore's shapes, and reports what no shape has.

botocore can't do this: it only writes requests, and ignores unknown members of answers.
"""
import base64
import binascii
import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree


def scalar(shape, text, path, faults, timestamps):
    """Returns the value of a text. `timestamps` is the format if the shape names none."""
    kind = shape.type_name
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[text]
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
        if kind == "timestamp":
            form = shape.serialization.get("timestampFormat", timestamps)
            if form == "unixTimestamp":
                return datetime.fromtimestamp(float(text), timezone.utc)
            if form == "rfc822":
                return parsedate_to_datetime(text)
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S" + (".%fZ" if "." in text else "Z"))
    except (KeyError, TypeError, ValueError, binascii.Error):
        faults.append(f"{path}: {text!r} is no {kind}")
        return None
    return text


def from_json(shape, value, path, faults):
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return value
    if kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        values = {}
        for name, item in value.items():
            if name not in names:
                faults.append(f"{path}.{name} is unknown")
            else:
                values[names[name]] = from_json(shape.members[names[name]], item, f"{path}.{name}", faults)
        return values
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item, f"{path}[]", faults) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {name: from_json(shape.value, item, f"{path}.{name}", faults) for name, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        return scalar(shape, value, path, faults, None)
    if kind == "timestamp":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number != (shape.serialization.get("timestampFormat", "unixTimestamp") == "unixTimestamp"):
            faults.append(f"{path}: {value!r} is no timestamp of this protocol")
    return value


def from_form(shape, form, path, used, faults):
    """Returns the value at `path`, or None if the form has none. `form` maps names to texts. Names that were read are
    added to `used`."""
    kind = shape.type_name
    if kind not in ("structure", "list", "map"):
        if path not in form:
            return None
        used.add(path)
        return scalar(shape, form[path], path, faults, "iso8601")
    prefix = f"{path}." if path else ""
    if kind == "structure":
        values = {}
        for name, member in shape.members.items():
            item = from_form(member, form, prefix + member.serialization.get("name", name), used, faults)
            if item is not None:
                values[name] = item
        return values if values or not path else None
    flat = shape.serialization.get("flattened")
    if form.get(path) == "":
        used.add(path)
        return [] if kind == "list" else {}
    items = []
    if kind == "list":
        name = "" if flat else shape.member.serialization.get("name", "member") + "."
        while (item := from_form(shape.member, form, f"{prefix}{name}{len(items) + 1}", used, faults)) is not None:
            items.append(item)
        return items or None
    name = "" if flat else "entry."
    key, value = (part.serialization.get("name", default) for part, default in ((shape.key, "key"), (shape.value, "value")))
    while f"{prefix}{name}{len(items) + 1}.{key}" in form:
        entry = f"{prefix}{name}{len(items) + 1}."
        pair = (from_form(part, form, entry + part_name, used, faults) for part, part_name in ((shape.key, key), (shape.value, value)))
        items.append(tuple(pair))
    return dict(items) or None


def local(node):
    return node.tag.rpartition("}")[2]


def _element(shape, name):
    """Returns the name of a member's element, by botocore's rule for flattened lists."""
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        name = shape.member.serialization.get("name", shape.serialization.get("name", name))
        return name
    return shape.serialization.get("name", name)


def from_xml(shape, nodes, path, faults, extra=()):
    """Returns the value of `nodes`: one element, or all elements of a flattened list or map. Elements named in `extra`
    are no faults."""
    kind = shape.type_name
    node = nodes[0]
    if kind == "structure":
        found = {}
        for child in node:
            found.setdefault(local(child), []).append(child)
        values = {}
        for name, member in shape.members.items():
            if member.serialization.get("location"):
                continue
            if member.serialization.get("xmlAttribute"):
                attribute = member.serialization["name"].rpartition(":")[2]
                value = next((text for key, text in node.attrib.items() if key.rpartition("}")[2] == attribute), None)
                if value is not None:
                    values[name] = value
                continue
            children = found.pop(_element(member, name), None)
            if children is None:
                continue
            if len(children) > 1 and not member.serialization.get("flattened"):
                faults.append(f"{path}.{name} is there {len(children)} times")
            values[name] = from_xml(member, children, f"{path}.{name}", faults)
        faults.extend(f"{path}.{name} is unknown" for name in found if name not in extra)
        return values
    flat = shape.serialization.get("flattened")
    if kind == "list":
        items = nodes if flat else list(node)
        name = shape.member.serialization.get("name", "member")
        if not flat:
            faults.extend(f"{path}.{local(item)} is unknown" for item in items if local(item) != name)
        return [from_xml(shape.member, [item], f"{path}[]", faults) for item in items]
    if kind == "map":
        values = {}
        for entry in nodes if flat else node:
            parts = {local(part): part for part in entry}
            key = parts.get(shape.key.serialization.get("name", "key"))
            value = parts.get(shape.value.serialization.get("name", "value"))
            if key is None or value is None or len(parts) != 2:
                faults.append(f"{path}: an entry has {sorted(parts)}")
            else:
                values[key.text or ""] = from_xml(shape.value, [value], f"{path}.{key.text}", faults)
        return values
    faults.extend(f"{path}.{local(child)} is unknown" for child in node)
    return scalar(shape, node.text or "", path, faults, "iso8601")


def xml(body, faults):
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        faults.append(f"the body is no XML: {error}")
        return None


def json_body(body, faults):
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        faults.append(f"the body is no JSON: {error}")
        return {}
    if not isinstance(document, dict):
        faults.append("the body is no JSON object")
        return {}
    return document


def header_members(shape, headers, faults, passed):
    """Returns the members that are headers (with lower-case names). Unknown x-amz- headers are faults, except those
    that begin with a prefix in `passed`."""
    values, known = {}, set()
    for name, member in shape.members.items() if shape else ():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name).lower()
        if place == "headers":
            found = {key[len(wire):]: text for key, text in headers.items() if key.startswith(wire)}
            known.update(wire + key for key in found)
            if found:
                values[name] = found
        elif place == "header":
            known.add(wire)
            if wire not in headers:
                continue
            text = headers[wire]
            if member.type_name == "list":
                values[name] = [scalar(member.member, item.strip(), name, faults, "rfc822") for item in text.split(",")]
            else:
                values[name] = scalar(member, text, name, faults, "rfc822")
    faults.extend(
        f"the header {name} is unknown" for name in headers
        if name.startswith("x-amz") and name not in known and not name.startswith(passed))
    return values
