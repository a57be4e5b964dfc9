"""Writes shapes.json: what SageMaker's operations demand of their input, from botocore's model."""
import json, sys
import botocore.session

OPERATIONS = """AddTags CreateEndpoint CreateEndpointConfig CreateHyperParameterTuningJob CreateModel CreateNotebookInstance
CreatePresignedNotebookInstanceUrl CreateTrainingJob DeleteEndpoint DeleteEndpointConfig
DeleteHyperParameterTuningJob DeleteModel DeleteNotebookInstance DeleteTags DeleteTrainingJob DescribeEndpoint
DescribeEndpointConfig DescribeHyperParameterTuningJob DescribeModel DescribeNotebookInstance
DescribeTrainingJob ListEndpointConfigs ListEndpoints ListHyperParameterTuningJobs ListModels
ListNotebookInstances ListTags ListTrainingJobs ListTrainingJobsForHyperParameterTuningJob
StartNotebookInstance StopHyperParameterTuningJob StopNotebookInstance StopTrainingJob UpdateEndpoint
UpdateNotebookInstance""".split()

model = botocore.session.get_session().get_service_model("sagemaker")
shapes = {}

def add(shape):
    if shape.name in shapes:
        return shape.name
    entry = shapes[shape.name] = {"type": shape.type_name}
    for name in ("min", "max", "enum"):
        if name in shape.metadata:
            entry[name] = shape.metadata[name]
    pattern = shape.metadata.get("pattern")
    # What matches anything says nothing, and Rust's regex looks neither ahead nor behind.
    if pattern and pattern not in (".*", "[\\S\\s]*") and not any(look in pattern for look in ("(?<", "(?!", "(?=")):
        entry["pattern"] = pattern
    if shape.type_name == "structure":
        if shape.required_members:
            entry["required"] = sorted(shape.required_members)
        entry["members"] = {name: add(member) for name, member in sorted(shape.members.items())}
    elif shape.type_name == "list":
        entry["member"] = add(shape.member)
    elif shape.type_name == "map":
        entry["key"], entry["value"] = add(shape.key), add(shape.value)
    return shape.name

operations = {name: add(model.operation_model(name).input_shape) for name in OPERATIONS}
lines = ['{"operations": %s,' % json.dumps(operations, sort_keys=True), '"shapes": {']
rows = ["%s: %s" % (json.dumps(name), json.dumps(shapes[name])) for name in sorted(shapes)]
lines.append(",\n".join(rows) + "}}")
sys.stdout.write("\n".join(lines) + "\n")
