"""Events that are older than their group keeps them are gone."""
import time

DAY = 24 * 3600 * 1000
now = int(time.time() * 1000)
logs.create_log_group(logGroupName="g")
logs.create_log_stream(logGroupName="g", logStreamName="s")


def put(*days):
    events = [{"timestamp": now - int(day * DAY), "message": f"{day} days old"} for day in days]
    return logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)


def messages():
    read = [each["message"] for each in logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)["events"]]
    assert read == [each["message"] for each in logs.filter_log_events(logGroupName="g")["events"]]
    return read


def group():
    [described] = logs.describe_log_groups()["logGroups"]
    return described


assert "rejectedLogEventsInfo" not in put(6, 4, 2, 0.5)
assert "retentionInDays" not in group() and len(messages()) == 4
before = group()["storedBytes"]
logs.put_retention_policy(logGroupName="g", retentionInDays=5)
assert group()["retentionInDays"] == 5
assert messages() == ["4 days old", "2 days old", "0.5 days old"]
assert group()["storedBytes"] < before
[stream] = logs.describe_log_streams(logGroupName="g")["logStreams"]
assert stream["firstEventTimestamp"] == now - 4 * DAY
# What would be gone at once isn't taken.
assert put(20, 6, 1)["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}
assert len(messages()) == 4
logs.put_retention_policy(logGroupName="g", retentionInDays=1)
assert messages() == ["0.5 days old"]
logs.delete_retention_policy(logGroupName="g")
assert "retentionInDays" not in group()
put(3)
assert len(messages()) == 2, "events are kept for ever again, and those that are gone stay so"
assert "enum value set: [1, 3, 5" in refused("InvalidParameterException", logs.put_retention_policy, logGroupName="g", retentionInDays=2)
for call in (logs.delete_retention_policy, lambda **g: logs.put_retention_policy(retentionInDays=1, **g)):
    refused("ResourceNotFoundException", call, logGroupName="nobody")
# A new group of the same name begins anew.
logs.put_retention_policy(logGroupName="g", retentionInDays=1)
logs.delete_log_group(logGroupName="g")
logs.create_log_group(logGroupName="g")
assert "retentionInDays" not in group()
