//! boto3 scales endpoints: by hand, by Application Auto Scaling under a load, and over a restart.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("scaling.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

fn started(speedup: u32) -> Server {
    again(tempfile::tempdir().unwrap(), speedup)
}

fn again(dir: tempfile::TempDir, speedup: u32) -> Server {
    Server::start_with(dir, |settings| settings.speedup = speedup)
}

fn restarted(mut server: Server, speedup: u32) -> Server {
    server.end();
    let dir = std::mem::replace(&mut server.dir, tempfile::tempdir().unwrap());
    again(dir, speedup)
}

#[test]
fn capacity_follows_by_hand_and_loses_no_request() {
    let server = started(60);
    run(
        &server,
        r#"
deploy()
first = pids()
assert len(first) == 1 and counts() == (1, 1), (first, counts())
with Load(20, b"wait 100") as load:
    capacity(3)
    assert told()["EndpointStatus"] == "Updating" and counts()[1] == 3, told()
    message = refused("ValidationException", capacity, count=2)
    assert message.startswith("Cannot update in-progress endpoint"), message
    until(in_service)
    assert counts() == (3, 3)
    all = until(lambda: len(found := pids()) == 3 and found)
    assert first < all, (first, all)
    capacity(1)
    until(in_service)
    assert counts() == (1, 1)
# The oldest stays, and the others were let finish.
assert pids() == first and not [pid for pid in all - first if alive(pid)]

# A killed instance is replaced, and counts as one all the while.
capacity(2)
until(in_service)
before = until(lambda: len(found := pids()) == 2 and found)
os.kill(max(before), signal.SIGKILL)
def replaced():
    try:
        found = pids()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ModelError", error
        return False
    return len(found) == 2 and found != before
until(replaced)
assert counts() == (2, 2)

def weights(*variants, name="e"):
    return dict(EndpointName=name, DesiredWeightsAndCapacities=list(variants))
change = sagemaker.update_endpoint_weights_and_capacities
refused("ValidationException", change, **weights({"VariantName": "AllTraffic", "DesiredInstanceCount": 0}))
refused("ValidationException", change, **weights({"VariantName": "AllTraffic"}))
message = refused("ValidationException", change, **weights({"VariantName": "other", "DesiredInstanceCount": 2}))
assert message == 'The variant name(s) "other" is/are not present within endpoint configuration "e".', message
message = refused("ValidationException", change, **weights({"VariantName": "v", "DesiredInstanceCount": 1}, name="x"))
assert message.startswith("Could not find endpoint"), message
message = refused("ResourceLimitExceeded", capacity, count=21)
assert "'ml.m5.large for endpoint usage' is 20 Instances, with current utilization of 2 Instances and a request delta " \
    "of 19 Instances" in message, message
change(**weights({"VariantName": "AllTraffic", "DesiredWeight": 0.5}))
until(in_service)
assert told()["ProductionVariants"][0]["DesiredWeight"] == 0.5 and counts() == (2, 2)

# A fleet's update keeps what was set, if asked, and starts from its config otherwise.
for retain, count in ((True, 2), (False, 1)):
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="e", RetainAllVariantProperties=retain)
    with Load(10) as load:
        until(in_service)
    assert counts() == (count, count), counts()
capacity(2)
until(in_service)
"#,
    );
    // What was set outlives the server.
    let server = server.restart();
    run(
        &server,
        r#"
invoke()
assert counts() == (2, 2) and in_service() and len(pids()) == 2
sagemaker.delete_endpoint(EndpointName="e")
until(lambda: not sagemaker.list_endpoints()["Endpoints"])
"#,
    );
}

#[test]
fn a_load_makes_it_grow_to_its_maximum_and_shrink_again() {
    // Three periods above the target are 1.5 s, fifteen below it 7.5 s.
    let server = started(120);
    run(
        &server,
        r#"
deploy()
register(1, 3)
policy = track(4.0, ScaleInCooldown=30, ScaleOutCooldown=30)
high, low = (alarm["AlarmName"] for alarm in policy["Alarms"])
with Load(40) as load:
    until(lambda: counts() == (3, 3))
    assert len(until(lambda: len(found := pids()) == 3 and found)) == 3
    alarm = cloudwatch.describe_alarms(AlarmNames=[high])["MetricAlarms"][0]
    assert alarm["StateValue"] == "ALARM" and "were greater than the threshold (4.0)" in alarm["StateReason"], alarm
sent = load.sent
with Load(2) as quiet:
    until(lambda: counts() == (1, 1))
assert len([pid for pid in set(load.pids + quiet.pids) if alive(pid)]) == 1

until(lambda: {found["StatusCode"] for found in activities()} == {"Successful"})
out, back = next(found for found in activities() if high in found["Cause"]), activities()[0]
assert out["Description"] == "Setting desired instance count to 3."
assert out["Cause"] == f"monitor alarm {high} in state ALARM triggered policy p", out
assert back["Cause"] == f"monitor alarm {low} in state ALARM triggered policy p", back
assert out["StatusMessage"] == \
    "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker.", out
assert out["Details"] == \
    "The local cloud's control loop runs 120 times faster than life: a period of 60 s takes 0.5 s.", out
assert out["StartTime"] < out["EndTime"] <= back["StartTime"]
history = cloudwatch.describe_alarm_history(AlarmName=high, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
assert any(item["HistorySummary"].endswith(" to ALARM") for item in history), history

# Zeros are data, too: with no request at all it stays in ALARM and at its minimum.
until(lambda: cloudwatch.describe_alarms(AlarmNames=[low])["MetricAlarms"][0]["StateValue"] == "ALARM")
assert counts() == (1, 1)

# With a higher target the same load changes nothing.
track(1000.0)
count = len(activities())
with Load(40) as load:
    until(lambda: load.sent > 150)
assert counts() == (1, 1) and len(activities()) == count, activities()
"#,
    );
}

#[test]
fn targets_and_policies_are_aws_s() {
    let server = started(60);
    run(
        &server,
        r#"
# Before there is an endpoint, and what can't be a target at all.
message = refused("ValidationException", register, least=1, most=2)
assert message == "SageMaker variant does not exist: endpoint/e/variant/AllTraffic", message
deploy(2)
sagemaker.create_endpoint_config(EndpointConfigName="t2", ProductionVariants=[{
    "VariantName": "AllTraffic", "ModelName": "e", "InitialInstanceCount": 1, "InstanceType": "ml.t2.medium"}])
sagemaker.create_endpoint(EndpointName="t2", EndpointConfigName="t2")
def registering(**more):
    return dict(TARGET, **dict(dict(MinCapacity=1, MaxCapacity=2), **more))
call = autoscaling.register_scalable_target
other = registering(ResourceId="endpoint/e/variant/other")
assert "does not exist: endpoint/e/variant/other" in refused("ValidationException", call, **other)
for change in ({"ResourceId": "endpoint/e"}, {"ScalableDimension": "ecs:service:DesiredCount"}):
    message = refused("ValidationException", call, **registering(**change))
    assert message == "Unsupported service namespace, resource type or scalable dimension", message
for change in ({"ServiceNamespace": "lambda", "ScalableDimension": "lambda:function:ProvisionedConcurrency"},
               {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}):
    message = refused("UnknownOperationException", call, **registering(**change))
    assert "does not support" in message and (change.get("ServiceNamespace") or change["ScalableDimension"]) in message
message = refused("ValidationException", register, least=3, most=2)
assert message == "Maximum capacity cannot be less than minimum capacity", message
refused("ValidationException", register, least=0, most=2)
refused("ValidationException", call, **dict(TARGET, MinCapacity=1))
until(lambda: in_service("t2"))
message = refused("ValidationException", call, **registering(ResourceId="endpoint/t2/variant/AllTraffic"))
assert "burstable instances such as T2" in message, message
assert not autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
def missing(call, words, **more):
    message = refused("ObjectNotFoundException", call, **TARGET, **more)
    assert message.startswith(words + " for service namespace: sagemaker, resource ID: endpoint/e/variant/AllTraffic, "
                              "scalable dimension: sagemaker:variant:DesiredInstanceCount"), message
missing(autoscaling.deregister_scalable_target, "No scalable target found")
missing(autoscaling.delete_scaling_policy, "No scaling policy found", PolicyName="p")
message = refused("ObjectNotFoundException", track, value=5.0)
assert message.startswith("No scalable target registered for service namespace: sagemaker"), message

# A target; both bounds bring the capacity into the range at once.
arn = register(1, 3, Tags={"a": "1"})["ScalableTargetARN"]
assert register(1, 3)["ScalableTargetARN"] == arn and not activities()
assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"a": "1"}
autoscaling.tag_resource(ResourceARN=arn, Tags={"b": "2"})
autoscaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
refused("ResourceNotFoundException", autoscaling.list_tags_for_resource, ResourceARN=arn + "x")
register(3, 3)
until(lambda: counts() == (3, 3) and in_service())
autoscaling.register_scalable_target(**TARGET, MinCapacity=1)
autoscaling.register_scalable_target(**TARGET, MaxCapacity=2)
until(lambda: counts() == (2, 2) and in_service())
until(lambda: {activity["StatusCode"] for activity in activities()} == {"Successful"})
assert [activity["Cause"] for activity in activities()] == \
    ["maximum capacity was set to 2", "minimum capacity was set to 3"], activities()
[told_target] = autoscaling.describe_scalable_targets(
    ServiceNamespace="sagemaker", ResourceIds=[TARGET["ResourceId"]])["ScalableTargets"]
assert (told_target["MinCapacity"], told_target["MaxCapacity"]) == (1, 2)
assert told_target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")

# A policy and its alarms.
tracking = track(10.0, ScaleInCooldown=300, ScaleOutCooldown=30)
again = track(20.0, ScaleInCooldown=300, ScaleOutCooldown=30)
assert again["PolicyARN"] == tracking["PolicyARN"] and again["Alarms"] != tracking["Alarms"]
[told_policy] = autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]
assert told_policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 20.0
assert told_policy["Alarms"] == again["Alarms"] and told_policy["PolicyType"] == "TargetTrackingScaling"
assert ":scalingPolicy:" in tracking["PolicyARN"]
assert tracking["PolicyARN"].endswith(":resource/sagemaker/endpoint/e/variant/AllTraffic:policyName/p")
alarms = cloudwatch.describe_alarms(ActionPrefix=tracking["PolicyARN"])["MetricAlarms"]
assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 2
rule = {alarm["AlarmName"].split("-")[2]: (
    alarm["EvaluationPeriods"], alarm["Period"], alarm["Threshold"], alarm["ComparisonOperator"]) for alarm in alarms}
assert rule == {"AlarmHigh": (3, 60, 20.0, "GreaterThanThreshold"), "AlarmLow": (15, 60, 18.0, "LessThanThreshold")}, rule
assert all(alarm["AlarmName"].startswith("TargetTracking-endpoint/e/variant/AllTraffic-Alarm") and
           alarm["AlarmDescription"] == f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {tracking['PolicyARN']}."
           for alarm in alarms), alarms
def put(**more):
    return dict(dict(TARGET, PolicyName="p", PolicyType="TargetTrackingScaling",
                     TargetTrackingScalingPolicyConfiguration={"TargetValue": 1.0, "PredefinedMetricSpecification": {
                         "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}), **more)
call = autoscaling.put_scaling_policy
assert refused("ValidationException", call, **put(PolicyName="q")) == \
    "Only one TargetTrackingScaling policy for a given metric specification is allowed."
refused("UnknownOperationException", call, **put(PolicyType="StepScaling"))
wrong = {"TargetValue": 1.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}}
assert "only supports the following predefined metric types" in refused(
    "ValidationException", call, **put(TargetTrackingScalingPolicyConfiguration=wrong))
refused("ValidationException", track, value=0.0)
refused("ValidationException", track, value=1.0, ScaleInCooldown=-1)
track(20.0, DisableScaleIn=True)
assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1

# Permissions, in AWS's words.
iam.create_role(RoleName="weak", AssumeRolePolicyDocument=trust({"AWS": "123456789012"}))
iam.put_role_policy(RoleName="weak", PolicyName="p", PolicyDocument=policy_of(
    "sagemaker:*", "application-autoscaling:Describe*"))
weak = as_role("weak", "application-autoscaling")
assert weak.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
message = refused("AccessDeniedException", weak.register_scalable_target, **registering())
assert "is not authorized to perform: application-autoscaling:RegisterScalableTarget on resource: " + arn in message
message = refused("AccessDeniedException", as_role("weak", "cloudwatch").list_metrics)
assert "cloudwatch:ListMetrics" in message, message
# Who deletes the endpoint deregisters its target, and so must be allowed to.
message = refused("AccessDeniedException", as_role("weak", "sagemaker").delete_endpoint, EndpointName="e")
assert "application-autoscaling:DeregisterScalableTarget" in message, message
message = refused("ValidationException", sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="t2")
assert 'The variant(s) "[AllTraffic]" must be deregistered as scalable targets' in message, message

# The quota holds, and the activity says so.
autoscaling.register_scalable_target(**TARGET, MinCapacity=21, MaxCapacity=30)
failed = activities()[0]
assert failed["StatusCode"] == "Failed" and failed["StatusMessage"].startswith(
    "Failed to set desired instance count to 21. Reason: The account-level service limit 'ml.m5.large for endpoint usage' "
    "is 20 Instances"), failed
assert "Error Code: ResourceLimitExceeded" in failed["StatusMessage"] and counts() == (2, 2)
pages = autoscaling.describe_scaling_activities(**TARGET, MaxResults=2)
more = autoscaling.describe_scaling_activities(**TARGET, NextToken=pages["NextToken"])
assert len(pages["ScalingActivities"]) == 2 and len(more["ScalingActivities"]) == 1
refused("InvalidNextTokenException", autoscaling.describe_scaling_activities, **TARGET, NextToken="x")

# What belongs to a target goes with it, and the target with its endpoint.
register(1, 2)
autoscaling.delete_scaling_policy(**TARGET, PolicyName="p")
assert not cloudwatch.describe_alarms()["MetricAlarms"]
track(20.0)
autoscaling.deregister_scalable_target(**TARGET)
assert not cloudwatch.describe_alarms()["MetricAlarms"]
assert not autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
register(1, 2)
track(20.0)
sagemaker.delete_endpoint(EndpointName="e")
assert not autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
assert not cloudwatch.describe_alarms()["MetricAlarms"]
"#,
    );
}

#[test]
fn targets_policies_and_alarms_outlive_a_restart() {
    let server = started(120);
    run(
        &server,
        r#"
deploy()
register(1, 2)
track(4.0, ScaleInCooldown=30, ScaleOutCooldown=30)
with Load(4) as load:
    until(lambda: load.sent > 10)
# It is still being done when the server stops.
register(2, 2)
"#,
    );
    let server = restarted(server, 120);
    run(
        &server,
        r#"
until(lambda: counts() == (2, 2) and in_service())
[activity] = until(lambda: (found := activities())[0]["StatusCode"] == "Successful" and found)
assert activity["Cause"] == "minimum capacity was set to 2", activity
[target] = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 2)
[policy] = autoscaling.describe_scaling_policies(**TARGET)["ScalingPolicies"]
assert len(cloudwatch.describe_alarms(ActionPrefix=policy["PolicyARN"])["MetricAlarms"]) == 2
assert total("Invocations") >= 10

# And it works on.
register(1, 3)
with Load(40) as load:
    until(lambda: counts() == (3, 3))
until(lambda: counts() == (1, 1))
"#,
    );
}

#[test]
fn a_cooldown_is_kept() {
    // The scale-out cooldown of 960 s takes 8 s, a period half a second.
    let server = started(120);
    run(
        &server,
        r#"
deploy()
def pause(cooldown):
    """Between the first instance that a load adds and the second, which is no larger a step."""
    count = len(activities())
    track(5.0, ScaleOutCooldown=cooldown)
    register(1, 2)
    with Load(40) as load:
        until(lambda: counts() == (2, 2) and in_service())
        register(1, 3)
        until(lambda: counts() == (3, 3) and in_service())
    until(lambda: all(found["StatusCode"] == "Successful" for found in activities()))
    second, first = activities()[:2]
    assert len(activities()) == count + 2, activities()
    return (second["StartTime"] - first["EndTime"]).total_seconds()
register(1, 2)
assert pause(960) >= 8
register(1, 1)
until(lambda: counts() == (1, 1) and in_service())
assert pause(0) < 8
"#,
    );
}

#[test]
fn metrics_agree_with_the_requests() {
    let server = started(60);
    run(
        &server,
        r#"
deploy(2)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda _: invoke(b"wait 50"), range(30)))
for _ in range(3):
    refused("ModelError", invoke, body=b"bad")
assert total("Invocations") == 33 and abs(total("InvocationsPerInstance") - 16.5) < 1e-6
assert (total("Invocation4XXErrors"), total("Invocation5XXErrors")) == (3, 0)
assert total("ModelLatency", statistic="SampleCount") == 33 and total("ModelLatency") >= 30 * 50_000
refused("ModelError", invoke, body=b"die")
assert total("Invocation5XXErrors") == 1
until(lambda: total("MemoryUtilization", "/aws/sagemaker/Endpoints", "SampleCount") >= 2)
found = cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=[{"Name": "EndpointName", "Value": "e"}])["Metrics"]
assert sorted(metric["MetricName"] for metric in found) == [
    "Invocation4XXErrors", "Invocation5XXErrors", "Invocations", "InvocationsPerInstance", "ModelLatency"], found

# By the second, for a figure.
now = datetime.datetime.now(datetime.timezone.utc)
def data(**more):
    stat = {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": DIMENSIONS},
            "Period": 1, "Stat": "Sum", **more}
    return dict(MetricDataQueries=[{"Id": "i", "MetricStat": stat}], ScanBy="TimestampAscending",
                StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(seconds=5))
[result] = cloudwatch.get_metric_data(**data())["MetricDataResults"]
assert sum(result["Values"]) == 34 and result["Timestamps"] == sorted(result["Timestamps"]), result
assert (result["Label"], result["StatusCode"]) == ("Invocations", "Complete")
refused("UnknownOperationException", cloudwatch.get_metric_data, **data(Stat="p99"))
refused("ValidationError", cloudwatch.get_metric_data, **data(Period=7))

# One's own metrics, in all three ways, and an alarm on them.
def put(*data):
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[dict(each, MetricName="m") for each in data])
put({"Value": 2.0, "Unit": "Seconds"}, {"Values": [1.0, 4.0], "Counts": [2, 1], "Unit": "Seconds"},
    {"StatisticValues": {"SampleCount": 2, "Sum": 10.0, "Minimum": 3.0, "Maximum": 7.0}, "Unit": "Seconds"})
def statistics(**more):
    return cloudwatch.get_metric_statistics(**dict(dict(
        Namespace="Own", MetricName="m", Period=3600, StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(hours=1),
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"]), **more))["Datapoints"]
points = statistics()
assert sum(point["SampleCount"] for point in points) == 6 and sum(point["Sum"] for point in points) == 18, points
assert min(point["Minimum"] for point in points) == 1 and max(point["Maximum"] for point in points) == 7
assert {point["Unit"] for point in points} == {"Seconds"} and not statistics(Unit="Bytes")
message = refused("InvalidParameterCombination", statistics, Period=1)
assert "exceeds the limit of 1,440" in message, message
refused("InvalidParameterValue", statistics, Period=61)
refused("InvalidParameterValue", statistics, EndTime=now - datetime.timedelta(hours=2))
refused("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/Own", MetricData=[{"MetricName": "m", "Value": 1}])
refused("MissingParameter", cloudwatch.put_metric_data, Namespace="Own", MetricData=[{"MetricName": "m"}])

def alarm(**more):
    cloudwatch.put_metric_alarm(**dict(dict(
        AlarmName="own", Namespace="Own", MetricName="m", Statistic="Maximum", Period=60, EvaluationPeriods=1,
        Threshold=5.0, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching"), **more))
alarm()
def state():
    return cloudwatch.describe_alarms(AlarmNames=["own"])["MetricAlarms"][0]["StateValue"]
until(lambda: state() == "OK")
def alarmed():
    put({"Value": 6.0})
    return state() == "ALARM"
until(alarmed)
until(lambda: state() == "OK")
[named] = cloudwatch.describe_alarms_for_metric(Namespace="Own", MetricName="m")["MetricAlarms"]
assert named["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:own"
cloudwatch.set_alarm_state(AlarmName="own", StateValue="ALARM", StateReason="a test")
assert cloudwatch.describe_alarm_history(AlarmName="own")["AlarmHistoryItems"][0]["HistoryItemType"] == "StateUpdate"
refused("UnknownOperationException", alarm, AlarmActions=["arn:aws:sns:us-east-1:123456789012:t"])
refused("InvalidParameterValue", alarm, Period=61)
refused("ValidationError", cloudwatch.put_metric_alarm, AlarmName="x", Namespace="Own")
cloudwatch.delete_alarms(AlarmNames=["own"])
refused("ResourceNotFound", cloudwatch.delete_alarms, AlarmNames=["own"])

# A client that speaks CBOR is told so.
import urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
request = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"] + "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                     headers={"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}, data=b"\xa0")
SigV4Auth(boto3.Session().get_credentials(), "monitoring", "us-east-1").add_auth(request)
try:
    urllib.request.urlopen(urllib.request.Request(request.url, b"\xa0", dict(request.headers)))
    raise AssertionError("answered")
except urllib.error.HTTPError as error:
    assert error.code == 501 and b"rpc-v2-cbor" in error.read()
"#,
    );
}

#[test]
fn what_is_too_much_waits_and_then_is_refused() {
    let server = started(60);
    run(
        &server,
        r#"
import asyncio, collections, urllib.parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
deploy()
url = os.environ["AWS_ENDPOINT_URL"]
def signed(body):
    request = AWSRequest("POST", url + "/endpoints/e/invocations", data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(boto3.Session().get_credentials(), "sagemaker", "us-east-1").add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    host = urllib.parse.urlsplit(url).netloc
    return (f"POST /endpoints/e/invocations HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n{head}\r\n").encode() + body
async def one(request):
    reader, writer = await asyncio.open_connection("127.0.0.1", urllib.parse.urlsplit(url).port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer
async def all(count, request):
    return await asyncio.gather(*(one(request) for _ in range(count)))
# 32 at the instance and 256 that wait for it are answered, in their order; the others are refused at once.
answers = asyncio.run(all(320, signed(b"wait 300")))
statuses = collections.Counter(int(answer.split()[1]) for answer in answers)
assert statuses[200] >= 288 and statuses[503] >= 10 and sum(statuses.values()) == 320 == statuses[200] + statuses[503], statuses
refusal = next(answer for answer in answers if b" 503 " in answer[:20])
assert b"ServiceUnavailable" in refusal and b"more requests than they can take" in refusal, refusal
invoke()
"#,
    );
}
