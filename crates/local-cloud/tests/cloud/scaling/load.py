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
# A drained instance's process ends after it has left the count.
until(lambda: len([pid for pid in set(load.pids + quiet.pids) if alive(pid)]) == 1)

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

# Zeros are data, too. Without any requests, the alarm stays in ALARM and the endpoint at its minimum.
until(lambda: cloudwatch.describe_alarms(AlarmNames=[low])["MetricAlarms"][0]["StateValue"] == "ALARM")
assert counts() == (1, 1)

# With a higher target the same load changes nothing.
track(1000.0)
count = len(activities())
with Load(40) as load:
    until(lambda: load.sent > 150)
assert counts() == (1, 1) and len(activities()) == count, activities()
