"""Cuts the models of the local cloud's services, SERVICE.json, out of botocore's: `python3 cut.py`.

A model says how a service is spoken to, where each operation is found, and what its input must be: members and their
names on the wire, what is required, enums, patterns, lengths and ranges. Outputs are there where the codec writes them by
the model (the XML protocols). AWS's JSON needs no such help. The reader is reader.rs, beside this file.

A shape is its type, what constrains it, and its parts. A part goes by the name of a shape, or by its type where nothing
constrains it. `"Name": ["Shape", "wire"]` is a member whose name on the wire is another one, and EC2, which has two of
them, writes `["Shape", "in the form", "in the XML"]`.
"""
import json
import pathlib

import botocore.session

# Our name: botocore's name, the protocol that is spoken here, the code of a validation error, and the operations.
SERVICES = {
    "autoscaling": ("application-autoscaling", "json", "ValidationException", """
        DeleteScalingPolicy DeregisterScalableTarget DescribeScalableTargets DescribeScalingActivities
        DescribeScalingPolicies ListTagsForResource PutScalingPolicy RegisterScalableTarget TagResource
        UntagResource"""),
    # The code is that of AWS's query protocol, which boto3 goes on to report.
    "cloudwatch": ("cloudwatch", "json", "ValidationError", """
        DeleteAlarms DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric GetMetricData
        GetMetricStatistics ListMetrics PutMetricAlarm PutMetricData SetAlarmState"""),
    # EC2 has a code for each kind of fault.
    "ec2": ("ec2", "ec2", None, """
        AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CancelSpotInstanceRequests CreateKeyPair
        CreateSecurityGroup CreateTags DeleteKeyPair DeleteSecurityGroup DeleteTags DescribeAvailabilityZones
        DescribeImages DescribeInstanceStatus DescribeInstanceTypes DescribeInstances DescribeKeyPairs
        DescribeSecurityGroupRules DescribeSecurityGroups DescribeSpotInstanceRequests DescribeSubnets DescribeTags
        DescribeVpcs GetConsoleOutput ImportKeyPair RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances
        StartInstances StopInstances TerminateInstances"""),
    "iam": ("iam", "query", "ValidationError", """
        AddRoleToInstanceProfile AttachRolePolicy AttachUserPolicy CreateAccessKey CreateInstanceProfile CreatePolicy
        CreatePolicyVersion CreateRole CreateUser DeleteAccessKey DeleteInstanceProfile DeletePolicy
        DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DeleteUser
        DeleteUserPermissionsBoundary DeleteUserPolicy DetachRolePolicy DetachUserPolicy GenerateCredentialReport
        GetAccessKeyLastUsed GetAccountAuthorizationDetails GetAccountSummary GetCredentialReport GetInstanceProfile
        GetPolicy GetPolicyVersion GetRole GetRolePolicy GetUser GetUserPolicy ListAccessKeys
        ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy ListInstanceProfileTags
        ListInstanceProfiles ListInstanceProfilesForRole ListMFADevices ListPolicies ListPolicyVersions
        ListRolePolicies ListRoleTags ListRoles ListUserPolicies ListUserTags ListUsers PutRolePermissionsBoundary
        PutRolePolicy PutUserPermissionsBoundary PutUserPolicy RemoveRoleFromInstanceProfile
        SetDefaultPolicyVersion SimulateCustomPolicy SimulatePrincipalPolicy TagRole TagUser UntagRole UntagUser
        UpdateAccessKey UpdateAssumeRolePolicy UpdateRole"""),
    "lambda": ("lambda", "rest-json", "ValidationException", """
        AddPermission CreateAlias CreateFunction DeleteAlias DeleteFunction DeleteFunctionConcurrency
        DeleteProvisionedConcurrencyConfig GetAccountSettings GetAlias GetFunction GetFunctionConcurrency
        GetFunctionConfiguration GetPolicy GetProvisionedConcurrencyConfig Invoke ListAliases ListFunctions
        ListProvisionedConcurrencyConfigs ListTags ListVersionsByFunction PublishVersion PutFunctionConcurrency
        PutProvisionedConcurrencyConfig RemovePermission TagResource UntagResource UpdateAlias UpdateFunctionCode
        UpdateFunctionConfiguration"""),
    "logs": ("logs", "json", "InvalidParameterException", """
        CreateLogGroup CreateLogStream DeleteLogGroup DeleteLogStream DescribeLogGroups DescribeLogStreams
        FilterLogEvents GetLogEvents PutLogEvents"""),
    "runtime": ("sagemaker-runtime", "rest-json", "ValidationError", "InvokeEndpoint"),
    "sagemaker": ("sagemaker", "json", "ValidationException", """
        AddTags CreateEndpoint CreateEndpointConfig CreateHyperParameterTuningJob CreateModel
        CreateNotebookInstance CreatePresignedNotebookInstanceUrl CreateTrainingJob DeleteEndpoint
        DeleteEndpointConfig DeleteHyperParameterTuningJob DeleteModel DeleteNotebookInstance DeleteTags
        DeleteTrainingJob DescribeEndpoint DescribeEndpointConfig DescribeHyperParameterTuningJob DescribeModel
        DescribeNotebookInstance DescribeTrainingJob ListEndpointConfigs ListEndpoints
        ListHyperParameterTuningJobs ListModels ListNotebookInstances ListTags ListTrainingJobs
        ListTrainingJobsForHyperParameterTuningJob StartNotebookInstance StopHyperParameterTuningJob
        StopNotebookInstance StopTrainingJob UpdateEndpoint UpdateEndpointWeightsAndCapacities
        UpdateNotebookInstance"""),
    "ssm": ("ssm", "json", "ValidationException", "GetParameter GetParameters"),
    "sts": ("sts", "query", "ValidationError", "AssumeRole GetCallerIdentity"),
}

# Where we differ from botocore's models: a service and a shape, what it says instead (None: nothing), and why.
EXCEPTIONS = {
    # The model has the limits of managed instances, which the local cloud lacks.
    ("lambda", "MemorySize"): {"max": 10240},
    # The model has no limit.
    ("lambda", "Timeout"): {"max": 900},
    # Lambda words a runtime that it doesn't know in its own way, and so does our handler.
    ("lambda", "Runtime"): {"enum": None},
}
# AWS answers a type that it doesn't know with InvalidInstanceType where a list asks for types, and so does our handler.
UNCONSTRAINED_ITEMS = {("ec2", "InstanceType")}
# The model leaves the status to a member of the answer.
STATUS = {("lambda", "DeleteFunction"): 204}
# IAM's own words for what doesn't match: "The specified value for roleName is invalid. …"
WORDS = {
    "iam": {
        "[\\w+=,.@-]+":
            "It must contain only alphanumeric characters and/or the following: +=,.@_-",
        "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)":
            "It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    },
}


# What the XML protocols call an item of a list.
ITEM = {"query": "member", "ec2": "item"}


def capital(name):
    return name[:1].upper() + name[1:]


def reach(shape, names):
    """Adds to `names` those of a shape and of all its parts."""
    if shape is None or shape.name in names:
        return
    names.add(shape.name)
    parts = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member],
             "map": lambda: [shape.key, shape.value]}
    for part in parts.get(shape.type_name, list)():
        reach(part, names)


class Cut:
    """One service's model."""

    def __init__(self, name):
        botocore_name, self.protocol, invalid, operations = SERVICES[name]
        self.name, self.shapes = name, {}
        self.model = botocore.session.get_session().get_service_model(botocore_name)
        metadata = self.model.metadata
        self.head = {"protocol": self.protocol}
        if self.protocol in ITEM:
            # EC2's answers have a slash more than its model.
            self.head["namespace"] = metadata["xmlNamespace"].rstrip("/") + "/"
        if self.protocol == "json":
            self.head["target"], self.head["version"] = metadata["targetPrefix"], metadata["jsonVersion"]
        if invalid:
            self.head["invalid"] = invalid
        if name in WORDS:
            self.head["words"] = WORDS[name]
        names = sorted(operations.split())
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
            entry["code"] = STATUS.get((self.name, operation.name), operation.http.get("responseCode", 200))
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
        """The errors whose text is `Message`; that of the others is `message`."""
        shapes = [shape for name in self.operations for shape in self.model.operation_model(name).error_shapes]
        # AWS denies access in front of the service, so the service's model lacks the error.
        return sorted({"AccessDeniedException"} | {shape.name for shape in shapes if "Message" in shape.members})

    def shape(self, shape):
        """The name of a shape, which is added where it isn't there."""
        if shape.name in self.shapes:
            return shape.name
        entry = {"type": shape.type_name}
        # Nobody but us makes outputs.
        if shape.name in self.read:
            entry.update(self.constraints(shape))
        if shape.type_name not in ("structure", "list", "map"):
            if len(entry) == 1:
                return shape.type_name
            self.shapes[shape.name] = entry
            return shape.name
        # Before its parts, which may hold it again.
        self.shapes[shape.name] = entry
        if shape.serialization.get("flattened"):
            entry["flattened"] = True
        if shape.type_name == "list":
            free = (self.name, shape.member.name) in UNCONSTRAINED_ITEMS
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
        # What matches anything says nothing, and Rust's regex looks neither ahead nor behind.
        says_nothing = pattern in (None, ".*", "[\\S\\s]*")
        if not says_nothing and not any(look in pattern for look in ("(?<", "(?!", "(?=")):
            found["pattern"] = pattern
        found.update(EXCEPTIONS.get((self.name, shape.name), {}))
        return {name: value for name, value in found.items() if value is not None}

    def part(self, whole, shape, usual):
        """A list's items, a map's keys and values: XML alone gives them names, and we keep those that aren't usual."""
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


for name in SERVICES:
    (pathlib.Path(__file__).parent / (name + ".json")).write_text(Cut(name).text())
