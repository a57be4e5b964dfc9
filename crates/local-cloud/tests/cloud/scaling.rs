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

out, back = activities()[-1], activities()[0]
assert (out["StatusCode"], back["StatusCode"]) == ("Successful", "Successful")
assert out["Description"] == "Setting desired instance count to 3."
assert out["Cause"] == f"monitor alarm {high} in state ALARM triggered policy p", out
assert back["Cause"] == f"monitor alarm {low} in state ALARM triggered policy p", back
assert out["StatusMessage"] == \
    "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker.", out
assert out["Details"] == \
    "The local cloud's control loop runs 120 times faster than life: a period of 60 s takes 0.5 s.", out
assert out["StartTime"] < out["EndTime"] <= back["StartTime"]
history = cloudwatch.describe_alarm_history(AlarmName=high, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
assert any(item["HistorySummary"] == "Alarm updated from OK to ALARM" for item in history), history

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
