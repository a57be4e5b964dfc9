"""Finds the operation of a request in botocore's models, and every rule that the request and its answer break."""
import io
import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

import botocore.session
from botocore.parsers import ResponseParserError, create_parser
from botocore.validate import ParamValidator

import wire

SERVICES = ("application-autoscaling", "iam", "lambda", "logs", "s3", "sagemaker", "sagemaker-runtime", "sts")

# Headers that the transport adds to requests and answers. No operation has members for them.
REQUEST_HEADERS = ("x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length", "x-amz-sdk", "x-amz-security-token",
                   "x-amz-target", "x-amz-trailer", "x-amz-user-agent")
ANSWER_HEADERS = ("x-amz-id-2", "x-amz-request-id", "x-amzn-requestid", "x-amzn-errortype")

# The errors that every operation may return in addition to those of its model ("Common Errors" in the API references).
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InternalFailure",
    "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "RequestEntityTooLarge", "ServiceUnavailable", "SignatureDoesNotMatch", "ThrottlingException", "Throttling",
    "UnknownOperationException", "UnrecognizedClientException", "ValidationError", "ValidationException"}


class Exchange:
    """A request and its answer, as they were sent. Header names are in lower case. A streamed body may be None."""

    def __init__(self, method, target, headers, body):
        self.method, self.headers, self.body = method, headers, body
        self.path, _, query = target.partition("?")
        self.query = parse_qsl(query, keep_blank_values=True)
        self.status, self.answer_headers, self.answer = None, {}, None


class Operation:
    """An operation of a botocore model, with the members that a request's path contained."""

    def __init__(self, service, model, uri=None, fixed=()):
        self.service, self.model, self.uri, self.fixed = service, model, uri or {}, fixed

    @property
    def name(self):
        return f"{self.service.service_name}.{self.model.name}"


class Judge:
    def __init__(self):
        session = botocore.session.Session()
        self.services = [session.get_service_model(name) for name in SERVICES]

    def operation(self, exchange):
        """Returns the operation that a request calls, or None if no model has it."""
        target = exchange.headers.get("x-amz-target")
        form = dict(_form(exchange))
        for service in self.services:
            if target:
                prefix, _, name = target.partition(".")
                if service.metadata.get("targetPrefix") == prefix and name in service.operation_names:
                    return Operation(service, service.operation_model(name))
            elif "Action" in form:
                if service.api_version == form.get("Version") and form["Action"] in service.operation_names:
                    return Operation(service, service.operation_model(form["Action"]))
        if target or "Action" in form:
            return None
        signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", exchange.headers.get("authorization", ""))
        found = [
            operation
            for service in self.services
            if service.protocol.startswith("rest") and (not signed or service.signing_name == signed[1])
            for name in service.operation_names
            if (operation := _rest(service, service.operation_model(name), exchange))
        ]
        # PutObject, UploadPart and CopyObject have the same path. It is the one whose requirements are the most
        # specific.
        return max(found, key=_specific, default=None)

    def request(self, operation, exchange):
        """Returns the rules that a request breaks."""
        faults = []
        shape, protocol = operation.model.input_shape, operation.service.protocol
        if protocol == "json":
            version = operation.service.metadata["jsonVersion"]
            if exchange.headers.get("content-type") != f"application/x-amz-json-{version}":
                faults.append(f"content-type {exchange.headers.get('content-type')} is not this protocol's")
            document = wire.json_body(exchange.body, faults)
            values = wire.from_json(shape, document, "", faults) if shape else document
        elif protocol == "query":
            form, used = dict(_form(exchange)), {"Action", "Version"}
            values = wire.from_form(shape, form, "", used, faults) if shape else {}
            faults.extend(f"{name} is unknown" for name in form if name not in used)
        else:
            values = self._rest_request(operation, exchange, faults)
        checksum = operation.model.http_checksum.get("requestChecksumRequired") or operation.model.http_checksum_required
        sent = (name for name in exchange.headers if name == "content-md5" or name.startswith(("x-amz-checksum-", "x-amz-trailer")))
        if checksum and not any(sent):
            faults.append("a checksum is required")
        if shape:
            faults.extend(rules(shape, values))
        return faults

    def _rest_request(self, operation, exchange, faults):
        shape = operation.model.input_shape
        values = dict(operation.uri)
        # The SDKs' checksums aren't members, but belong to the operation's description.
        checksums = ("x-amz-checksum-",) if operation.model.http_checksum else ()
        values.update(wire.header_members(shape, exchange.headers, faults, REQUEST_HEADERS + checksums))
        known = {"x-id", *(name for name, _ in operation.fixed)}
        for name, member in shape.members.items():
            if member.serialization.get("location") != "querystring":
                continue
            key = member.serialization.get("name", name)
            known.add(key)
            texts = [text for given, text in exchange.query if given == key]
            if texts and member.type_name == "list":
                values[name] = [wire.scalar(member.member, text, name, faults, "iso8601") for text in texts]
            elif texts:
                values[name] = wire.scalar(member, texts[0], name, faults, "iso8601")
        faults.extend(f"the query's {name} is unknown" for name, _ in exchange.query if name not in known)
        named = dict(exchange.query).get("x-id", operation.model.name)
        if named != operation.model.name:
            faults.append(f"it calls itself {named}")
        values.update(_payload(operation, shape, exchange.body, faults, asked=True))
        return values

    def answer(self, operation, exchange):
        """Returns the rules that an answer breaks."""
        faults = []
        response = {"status_code": exchange.status, "headers": exchange.answer_headers, "body": exchange.answer or b""}
        model, protocol = operation.model, operation.service.protocol
        shape = model.output_shape
        stream = model.get_streaming_output()
        if stream is not None and exchange.status < 300:
            response["body"] = io.BytesIO(b"")
        try:
            parsed = create_parser(protocol).parse(response, shape)
        except (ResponseParserError, KeyError, TypeError, ValueError) as error:
            return [f"botocore cannot read it: {error}"]
        about = parsed.pop("ResponseMetadata", {})
        if not about.get("RequestId") and "x-amz-request-id" not in exchange.answer_headers:
            faults.append("it has no request id")
        if exchange.status >= 300:
            return faults + self._error(operation, exchange, parsed.get("Error", {}))
        expected = model.http.get("responseCode")
        # If a member of the answer is the status code, the model's code is no rule.
        members = shape.members.values() if shape else ()
        if any(member.serialization.get("location") == "statusCode" for member in members):
            expected = None
        if expected and exchange.status != expected:
            faults.append(f"status {exchange.status}, not {expected}")
        if shape is None:
            return faults
        if protocol == "json":
            document = wire.json_body(exchange.answer, faults)
            values = wire.from_json(shape, document, "", faults)
        elif protocol == "query":
            values = self._query_answer(operation, exchange, faults)
        else:
            values = wire.header_members(shape, exchange.answer_headers, faults, ANSWER_HEADERS)
            if stream is None and exchange.method != "HEAD":
                values.update(_payload(operation, shape, exchange.answer, faults, asked=False))
            elif stream is not None:
                # A streamed body isn't kept, and any is valid.
                values[shape.serialization["payload"]] = parsed[shape.serialization["payload"]] = b""
        faults.extend(rules(shape, values))
        # The same for the answer as botocore parses it, without the faults that are already found.
        faults.extend(fault for fault in rules(shape, parsed) if fault not in faults)
        return faults

    def _query_answer(self, operation, exchange, faults):
        shape = operation.model.output_shape
        root = wire.xml(exchange.answer, faults)
        if root is None:
            return {}
        namespace = operation.service.metadata.get("xmlNamespace")
        if root.tag != f"{{{namespace}}}{operation.model.name}Response":
            faults.append(f"its root is {root.tag}")
        wrapper = shape.serialization.get("resultWrapper")
        result = next((child for child in root if wire.local(child) == wrapper), None)
        faults.extend(f"{wire.local(child)} is unknown" for child in root if wire.local(child) not in (wrapper, "ResponseMetadata"))
        if result is None:
            faults.append(f"it has no {wrapper}")
            return {}
        return wire.from_xml(shape, [result], "", faults)

    def _error(self, operation, exchange, error):
        code = error.get("Code")
        if exchange.method == "HEAD":
            return ["a HEAD request's answer has a body"] if exchange.answer else []
        if not code or not error.get("Message"):
            return [f"an error needs code and message: {error}"]
        shape = next((shape for shape in operation.model.error_shapes if code in (shape.error_code, shape.name)), None)
        if shape is None:
            # S3's model has hardly any of its errors. Its reference lists them for all operations.
            known = code in COMMON_ERRORS or operation.service.service_name == "s3"
            return [] if known else [f"{code} is no error of this operation"]
        faults = []
        default = 400 if operation.service.protocol == "json" else exchange.status
        status = shape.metadata.get("error", {}).get("httpStatusCode", default)
        if exchange.status != status:
            faults.append(f"{code} with status {exchange.status}, not {status}")
        if "json" in operation.service.protocol:
            document = wire.json_body(exchange.answer, faults)
            plain = {name: value for name, value in document.items() if name.lower() not in ("__type", "code", "message")}
            values = wire.from_json(shape, plain, code, faults)
            values.update({name: error["Message"] for name in shape.members if name.lower() == "message"})
            faults.extend(rules(shape, values))
        return faults


def _form(exchange):
    kind = exchange.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return parse_qsl((exchange.body or b"").decode("utf-8", "replace"), keep_blank_values=True)
    return exchange.query if any(name == "Action" for name, _ in exchange.query) else []


def _rest(service, model, exchange):
    """Returns the operation if the request has its method, its path and its required members; otherwise None."""
    if model.http["method"] != exchange.method:
        return None
    template, _, fixed = model.http["requestUri"].partition("?")
    pattern = re.sub(r"\\{(\w+)(\\\+)?\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(template))
    match = re.fullmatch(pattern + "/?", exchange.path) or re.fullmatch(pattern, exchange.path)
    fixed = parse_qsl(fixed, keep_blank_values=True)
    if not match or any(pair not in exchange.query for pair in fixed):
        return None
    shape = model.input_shape
    texts = match.groupdict()
    uri = {}
    for name, member in shape.members.items() if shape else ():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri":
            uri[name] = unquote(texts[key])
        elif name in shape.required_members and (
                place == "querystring" and not any(given == key for given, _ in exchange.query)
                or place == "header" and key.lower() not in exchange.headers):
            return None
    return Operation(service, model, uri, fixed)


def _specific(operation):
    shape = operation.model.input_shape
    required = shape.required_members if shape else []
    return len(operation.fixed), len(required), operation.model.name == "ListObjects"


def _payload(operation, shape, body, faults, asked):
    """Returns the members that are in the body of a REST request or answer."""
    name = shape.serialization.get("payload")
    as_json = operation.service.protocol == "rest-json"
    if name is None:
        inside = any(not member.serialization.get("location") for member in shape.members.values())
        if not inside:
            if body:
                faults.append("a body where the operation has none")
            return {}
        if as_json:
            return wire.from_json(shape, wire.json_body(body, faults), "", faults)
        root = wire.xml(body, faults)
        return {} if root is None else wire.from_xml(shape, [root], "", faults)
    member = shape.members[name]
    if member.type_name in ("blob", "string"):
        # A streamed body isn't kept, and any is valid.
        return {name: body or b""} if member.type_name == "blob" else {name: (body or b"").decode()}
    if not body:
        return {}
    if as_json:
        return {name: wire.from_json(member, wire.json_body(body, faults), name, faults)}
    root = wire.xml(body, faults)
    if root is None:
        return {}
    expected = member.serialization.get("name", name)
    if asked and wire.local(root) != expected:
        faults.append(f"its root is {wire.local(root)}, not {expected}")
    return {name: wire.from_xml(member, [root], name, faults)}


def rules(shape, value):
    """Returns the rules that a value breaks: those of botocore's validator, and those that it leaves to the service."""
    report = ParamValidator().validate(value, shape)
    found = report.generate_report().splitlines() if report.has_errors() else []
    return found + list(_limits(shape, value, ""))


def _limits(shape, value, path):
    kind, limits = shape.type_name, shape.metadata
    size = value if kind in ("integer", "long", "float", "double") else len(value) if hasattr(value, "__len__") else None
    if isinstance(size, (int, float)) and "max" in limits and size > limits["max"]:
        yield f"{path}: {size} is above the most, {limits['max']}"
    if kind == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from _limits(shape.members[name], item, f"{path}.{name}")
    elif kind == "list" and isinstance(value, list):
        for item in value:
            yield from _limits(shape.member, item, f"{path}[]")
    elif kind == "map" and isinstance(value, dict):
        for name, item in value.items():
            yield from _limits(shape.key, name, f"{path}'s key")
            yield from _limits(shape.value, item, f"{path}.{name}")
    elif kind == "string" and isinstance(value, str):
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is not one of {shape.enum}"
        pattern = limits.get("pattern")
        if pattern and not _pattern(pattern).fullmatch(value):
            yield f"{path}: {value!r} does not match {pattern}"


@lru_cache(maxsize=None)
def _pattern(pattern):
    """Compiles a Java pattern. As in the services, it must match the whole text."""
    # Java writes a surrogate pair for a character above U+FFFF, \z for the end, and needs no escape for a hyphen after
    # \w.
    for java, python in ((r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff"), (r"\z", r"\Z"), (r"\w-_", r"\w\-_")):
        pattern = pattern.replace(java, python)
    pattern = re.sub(r"\$\{\d+,\d+\}", "$", pattern)
    out, inside, at = [], False, 0
    for found in re.finditer(r"\\p\{(\w+)\}|\\.|[\[\]]", pattern):
        out.append(pattern[at:found.start()])
        at = found.end()
        if found[1]:
            out.append(_class(found[1]) if inside else f"[{_class(found[1])}]")
        else:
            inside = found[0] == "[" or inside and found[0] != "]"
            out.append(found[0])
    return re.compile("".join(out) + pattern[at:])


@lru_cache(maxsize=None)
def _class(name):
    """Returns the characters of `\\p{name}` as ranges for a character class."""
    posix = {"ASCII": r"\x00-\x7f", "Alnum": "A-Za-z0-9", "Print": r"\x20-\x7e"}
    if name in posix:
        return posix[name]
    ranges, start = [], None
    for code in range(0x110001):
        inside = code < 0x110000 and unicodedata.category(chr(code)).startswith(name)
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges)
