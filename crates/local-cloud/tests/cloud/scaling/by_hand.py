deploy()
first = pids()
assert len(first) == 1 and counts() == (1, 1), (first, counts())
with Load(20, b"wait 100") as load:
    capacity(3)
    assert endpoint()["EndpointStatus"] == "Updating" and counts()[1] == 3, endpoint()
    message = refused("ValidationException", capacity, count=2)
    assert message.startswith("Cannot update in-progress endpoint"), message
    until(in_service)
    assert counts() == (3, 3)
    all = until(lambda: len(found := pids()) == 3 and found)
    assert first < all, (first, all)
    capacity(1)
    until(in_service)
    assert counts() == (1, 1)
# The oldest instance stays. The others finished their requests, as the absence of errors shows, and have ended.
assert pids() == first and not [pid for pid in all - first if alive(pid)]

# A killed instance is replaced. Meanwhile it is still counted.
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
assert endpoint()["ProductionVariants"][0]["DesiredWeight"] == 0.5 and counts() == (2, 2)

# An update keeps the instance count that was set if the request says so. Otherwise it starts with the config's count.
for retain, count in ((True, 2), (False, 1)):
    sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="e", RetainAllVariantProperties=retain)
    with Load(10) as load:
        until(in_service)
    assert counts() == (count, count), counts()
capacity(2)
until(in_service)
