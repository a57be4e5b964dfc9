"""Log groups, streams and events, page by page."""
import time
now = int(time.time() * 1000)
assert logs.describe_log_groups()["logGroups"] == []
assert "does not exist" in refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName="/g")
logs.create_log_group(logGroupName="/g")
refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/g")
refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/g", logStreamName="s")
logs.create_log_stream(logGroupName="/g", logStreamName="s")
logs.create_log_stream(logGroupName="/g", logStreamName="t")
assert refused("InvalidParameterException", logs.get_log_events, logGroupIdentifier="a*", logStreamName="s") == (
    "1 validation error detected: Value at 'logGroupIdentifier' failed to satisfy constraint: Member must satisfy regular "
    "expression pattern: [\\w#+=/:,.@-]*")
lines = [{"timestamp": now + n, "message": f"line {n}"} for n in range(25)]
logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=lines)
logs.put_log_events(logGroupName="/g", logStreamName="t", logEvents=[{"timestamp": now + 7, "message": "ERROR <é>"}])
refused("InvalidParameterException", logs.put_log_events, logGroupName="/g", logStreamName="s", logEvents=lines[::-1])
old = logs.put_log_events(logGroupName="/g", logStreamName="t", logEvents=[{"timestamp": 1, "message": "x"}])
assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}

def messages(page):
    return [event["message"] for event in page["events"]]
every = [line["message"] for line in lines]
where = {"logGroupName": "/g", "logStreamName": "s", "limit": 10}
first = logs.get_log_events(**where, startFromHead=True)
assert messages(first) == every[:10]
second = logs.get_log_events(**where, nextToken=first["nextForwardToken"])
third = logs.get_log_events(**where, nextToken=second["nextForwardToken"])
end = logs.get_log_events(**where, nextToken=third["nextForwardToken"])
assert messages(second) + messages(third) == every[10:] and messages(end) == []
assert end["nextForwardToken"] == third["nextForwardToken"]
assert messages(logs.get_log_events(**where, nextToken=second["nextBackwardToken"])) == every[:10]
assert messages(logs.get_log_events(**where)) == every[-10:]
some = logs.get_log_events(logGroupName="/g", logStreamName="s", startTime=now + 3, endTime=now + 5)
assert messages(some) == every[3:5]
refused("InvalidParameterException", logs.get_log_events, **where, nextToken="x")
logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": now + 99, "message": "new"}])
assert messages(logs.get_log_events(**where, nextToken=end["nextForwardToken"])) == ["new"]

pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/g", PaginationConfig={"PageSize": 10})
assert sum((messages(page) for page in pages), []) == every[:8] + ["ERROR <é>"] + every[8:] + ["new"]
assert messages(logs.filter_log_events(logGroupName="/g", filterPattern="ERROR")) == ["ERROR <é>"]
assert len(messages(logs.filter_log_events(logGroupName="/g", logStreamNames=["t"]))) == 1

streams = logs.describe_log_streams(logGroupName="/g", orderBy="LastEventTime", descending=True)["logStreams"]
assert [stream["logStreamName"] for stream in streams] == ["s", "t"]
assert streams[0]["firstEventTimestamp"] == now and streams[0]["lastEventTimestamp"] == now + 99
group = logs.describe_log_groups(logGroupNamePrefix="/")["logGroups"][0]
assert group["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g:*" and group["storedBytes"] > 0
logs.delete_log_stream(logGroupName="/g", logStreamName="t")
refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/g", logStreamName="t")
logs.delete_log_group(logGroupName="/g")
refused("ResourceNotFoundException", logs.delete_log_group, logGroupName="/g")
logs.create_log_group(logGroupName="/g")
logs.create_log_stream(logGroupName="/g", logStreamName="s")
assert logs.get_log_events(logGroupName="/g", logStreamName="s")["events"] == []
