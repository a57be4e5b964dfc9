"""Writes each service's shapes.json: what its operations demand of their input, from botocore's model."""
import json
import pathlib

import botocore.session

# A folder: botocore's name, and the operations.
SERVICES = {
    "autoscaling": ("application-autoscaling", """
        DeleteScalingPolicy DeregisterScalableTarget DescribeScalableTargets DescribeScalingActivities
        DescribeScalingPolicies ListTagsForResource PutScalingPolicy RegisterScalableTarget TagResource
        UntagResource"""),
    "cloudwatch": ("cloudwatch", """
        DeleteAlarms DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric GetMetricData
        GetMetricStatistics ListMetrics PutMetricAlarm PutMetricData SetAlarmState"""),
    "sagemaker": ("sagemaker", """
        AddTags CreateEndpoint CreateEndpointConfig CreateHyperParameterTuningJob CreateModel
        CreateNotebookInstance CreatePresignedNotebookInstanceUrl CreateTrainingJob DeleteEndpoint
        DeleteEndpointConfig DeleteHyperParameterTuningJob DeleteModel DeleteNotebookInstance DeleteTags
        DeleteTrainingJob DescribeEndpoint DescribeEndpointConfig DescribeHyperParameterTuningJob DescribeModel
        DescribeNotebookInstance DescribeTrainingJob ListEndpointConfigs ListEndpoints
        ListHyperParameterTuningJobs ListModels ListNotebookInstances ListTags ListTrainingJobs
        ListTrainingJobsForHyperParameterTuningJob StartNotebookInstance StopHyperParameterTuningJob
        StopNotebookInstance StopTrainingJob UpdateEndpoint UpdateEndpointWeightsAndCapacities
        UpdateNotebookInstance"""),
}


def add(shapes, shape):
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
        entry["members"] = {name: add(shapes, member) for name, member in sorted(shape.members.items())}
    elif shape.type_name == "list":
        entry["member"] = add(shapes, shape.member)
    elif shape.type_name == "map":
        entry["key"], entry["value"] = add(shapes, shape.key), add(shapes, shape.value)
    return shape.name


for folder, (service, operations) in SERVICES.items():
    model = botocore.session.get_session().get_service_model(service)
    shapes = {}
    operations = {name: add(shapes, model.operation_model(name).input_shape) for name in operations.split()}
    lines = ['{"operations": %s,' % json.dumps(operations, sort_keys=True), '"shapes": {']
    rows = ["%s: %s" % (json.dumps(name), json.dumps(shapes[name])) for name in sorted(shapes)]
    lines.append(",\n".join(rows) + "}}")
    path = pathlib.Path(__file__).parent / folder / "shapes.json"
    path.write_text("\n".join(lines) + "\n")
