"""Calls the operations of all services: those of the models beside the source, and S3's of botocore's model."""
import pathlib
import re
import tomllib

from botocore import xform_name
from botocore.model import StringShape

MODELS = {}
for cut in pathlib.Path(SOURCE).glob("*/cut.toml"):
    model = json.loads((cut.parent / "model.json").read_text())
    MODELS[tomllib.loads(cut.read_text())["botocore"]] = model
# There is no such model for S3, since the crate s3s reads its requests.
S3 = {"protocol": "rest-xml", "operations": boto3.client("s3").meta.service_model.operation_names}
# The endpoint's host gets a prefix for this operation.
S3["operations"].remove("WriteGetObjectResponse")

# Texts for members with a pattern. At least one matches each pattern; the first that does is used.
TEXTS = (
    "sample", "arn:aws:iam::123456789012:role/sample", "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sample",
    "arn:aws:lambda:us-east-1:123456789012:function:sample",
    "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/sample", "AKIAIOSFODNN7EXAMPLE",
    "s3://sample/sample", "123456789012", "v1", "/", "*", "1", "01234567-89ab-cdef-0123-456789abcdef")
# By protocol: error code and status if the caller lacks a permission.
DENIED = {"json": ("AccessDeniedException", 400), "rest-json": ("AccessDeniedException", 403), "query": ("AccessDenied", 403),
          "ec2": ("UnauthorizedOperation", 403), "rest-xml": ("AccessDenied", 403)}
UNREADABLE = ("SerializationException", 400)


def sample(shape, nested=False, form=False):
    """Returns an input that a shape allows, with its required members only. `form`: it is sent as EC2's forms are."""
    if shape.type_name == "structure":
        # A form can't have an empty structure in a list, and EC2's not in another structure.
        names = shape.required_members or (list(shape.members)[:1] if nested else [])
        return {name: sample(shape.members[name], nested=form, form=form) for name in names}
    if shape.type_name == "list":
        return [sample(shape.member, nested=True, form=form)]
    if shape.type_name == "map":
        return {sample(shape.key): sample(shape.value)}
    least = max(shape.metadata.get("min", 0), 1)
    others = {"boolean": False, "timestamp": 1_736_899_200, "blob": b"sample", "integer": least, "long": least,
              "float": float(least), "double": float(least)}
    if shape.type_name in others:
        return others[shape.type_name]
    if isinstance(shape, StringShape) and shape.enum:
        return shape.enum[0]
    pattern = shape.metadata.get("pattern", ".*")
    # Java has character classes that Python lacks. The texts are ASCII.
    for java, python in (("\\p{L}\\p{Z}\\p{N}", "\\w\\s"), ("\\p{L}", "A-Za-z"), ("\\p{Z}", " "), ("\\p{N}", "0-9"),
                         ("\\p{M}", ""), ("\\p{S}", ""), ("\\p{P}", "!-/"), ("\\p{Print}", "[ -~]"),
                         ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\uFFFD"), ("\\x{10000}-\\x{10FFFF}", "")):
        pattern = pattern.replace(java, python)
    lengths = range(shape.metadata.get("min", 0), int(shape.metadata.get("max", 9999)) + 1)
    return next(text for text in TEXTS if len(text) in lengths and re.fullmatch(pattern, text))


def client(service, session=boto3, change=None):
    """Returns a client that doesn't check parameters. It passes each request to `change` before signing it."""
    made = session.client(service, config=Config(
        retries={"max_attempts": 0}, parameter_validation=False, s3={"addressing_style": "path"}))
    if change:
        made.meta.events.register("before-call", lambda params, **_: change(params))
    return made


def asked(made, operation, arguments):
    """Calls an operation, and returns the error's code, the status and the message. The code of a success is None."""
    try:
        made._make_api_call(operation, arguments)
        return None, 200, ""
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"], found.get("Message", "")


def operations(change):
    for service, model in MODELS.items():
        made = client(service, change=change)
        for operation in model["operations"]:
            yield service, model, made, operation, made.meta.service_model.operation_model(operation).input_shape


def wrong(shape):
    """Returns a value of a type other than the shape's."""
    return "text" if shape.type_name in ("structure", "list", "map", "integer", "long", "boolean") else [{}]


def walk_bodies():
    findings, walked, sent = [], 0, []
    for service, model, made, operation, shape in operations(lambda params: params.update(body=sent[0])):
        protocol = model["protocol"]
        bodies = [b"", b"{", b"[]", b"\xff\xfe", b"null"]
        members = {} if shape is None else {
            name: member for name, member in shape.members.items() if "location" not in member.serialization}
        if protocol in ("json", "rest-json"):
            bodies += [json.dumps({name: wrong(member)}).encode() for name, member in members.items()]
        else:
            version = made.meta.service_model.api_version
            action = f"Action={operation}&Version={version}"
            bodies += [action.encode(), (action + "&%zz=%").encode(), f"{action}&Action=".encode()]
            bodies += [f"{action}&{name}{part}=text".encode() for name in members
                       for part in ("", ".1", ".member.1", ".member.x.y", ".entry.0.key")]
        streamed = shape is not None and shape.serialization.get("payload")
        for body in bodies:
            sent[:] = [body]
            code, status, message = asked(made, operation, sample(shape) if shape else {})
            walked += 1
            unreadable = protocol in ("json", "rest-json") and not streamed and body and (
                body in (b"{", b"[]", b"\xff\xfe", b"null") or body.startswith(b"{"))
            if unreadable:
                if (code, status) != UNREADABLE:
                    findings.append((service, operation, body, code, status, message))
            elif status >= 500 and not message.startswith("The local cloud"):
                findings.append((service, operation, body, code, status, message))
            elif not body and shape is not None and protocol == "json" and shape.required_members:
                lacking = [name for name in shape.required_members if name not in message and
                           name[:1].lower() + name[1:] not in message]
                if code != model["invalid"] or lacking:
                    findings.append((service, operation, body, code, status, message))
    assert walked > 1500 and not findings, "\n".join(map(str, [walked, *findings]))


def walk_unknown_operations():
    def other(params):
        headers = params["headers"]
        if "X-Amz-Target" in headers:
            headers["X-Amz-Target"] = headers["X-Amz-Target"].split(".")[0] + ".MakeCoffee"
        elif isinstance(params["body"], dict) and "Action" in params["body"]:
            params["body"]["Action"] = "MakeCoffee"
        else:
            params["url"] = params["url"].replace(params["url_path"], "/coffee")
    findings = []
    for service, model in MODELS.items():
        made = client(service, change=other)
        operation = next(iter(model["operations"]))
        shape = made.meta.service_model.operation_model(operation).input_shape
        code, status, message = asked(made, operation, sample(shape) if shape else {})
        says = "does not support MakeCoffee of" in message or "does not support /coffee of" in message
        # SageMaker and its runtime have the same signing name. A path that isn't InvokeEndpoint's counts as
        # SageMaker's.
        if code != "UnknownOperationException" or not (says or service == "sagemaker-runtime"):
            findings.append((service, code, status, message))
    assert not findings, "\n".join(map(str, findings))


def walk_rights():
    iam.create_user(UserName="weak")
    key = iam.create_access_key(UserName="weak")["AccessKey"]
    weak = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    findings, walked = [], 0
    for service, model in [*MODELS.items(), ("s3", S3)]:
        made = client(service, weak)
        prefix = {"monitoring": "cloudwatch"}.get(made.meta.service_model.signing_name, made.meta.service_model.signing_name)
        for operation in model["operations"]:
            shape = made.meta.service_model.operation_model(operation).input_shape
            code, status, message = asked(made, operation, sample(shape, form=model["protocol"] == "ec2") if shape else {})
            walked += 1
            if operation == "GetCallerIdentity":
                fine = status == 200
            elif operation == "DeleteObjects":
                # Permissions are checked for each object, after the bucket has been found.
                fine = code == "NoSuchBucket"
            elif service == "s3":
                # The answer to HEAD has no body, so no error code. An operation that isn't supported is refused as
                # such.
                fine = status in (403, 501) and code in ("AccessDenied", "NotImplemented", "403", "501")
            elif service == "sagemaker-runtime":
                fine = (code, status) == DENIED["json"]
            else:
                fine = (code, status) == DENIED[model["protocol"]]
                fine &= service == "ec2" or f"is not authorized to perform: {prefix}:" in message
            if not fine:
                findings.append((service, operation, code, status, message))
    assert walked > 250 and not findings, "\n".join(map(str, [walked, *findings]))
