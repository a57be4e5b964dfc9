"""Spot instances that are interrupted, shut down and cancelled. The argument is a file. The id of the instance to
interrupt is written into it."""
import re
import sys
ready = sys.argv[1]
spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.05"}}
def request(instance):
    return ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[described(instance)["SpotInstanceRequestId"]])["SpotInstanceRequests"][0]
script = """
token=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token)
until curl -sfH "X-aws-ec2-metadata-token: $token" $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/spot/instance-action; do sleep 0.1; done
echo; sleep 300"""
i = run(script, InstanceMarketOptions=spot)
now = request(i)
assert (now["State"], now["Status"]["Code"], now["SpotPrice"], now["InstanceId"]) == ("active", "fulfilled", "0.050000", i), now
assert in_state(i, "running")["InstanceLifecycle"] == "spot"
assert "one-time Spot Instance request" in refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[i])
# Now EC2 interrupts it.
with open(ready + ".new", "w") as file:
    file.write(i)
os.rename(ready + ".new", ready)
until(lambda: request(i)["Status"]["Code"] == "marked-for-termination")
assert described(i)["State"]["Name"] == "running"
end = in_state(i, "terminated")
assert end["StateReason"]["Code"] == "Server.SpotInstanceTermination", end
notice = json.loads(console(i).splitlines()[1])
assert notice["action"] == "terminate" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", notice["time"]), notice
now = until(lambda: (r := request(i))["State"] == "closed" and r)
assert now["Status"]["Code"] == "instance-terminated-no-capacity", now

# A shutdown terminates a spot instance, since it can't be stopped. Cancelling a request doesn't end its instance.
j = run("shutdown now", InstanceMarketOptions=spot)
in_state(j, "terminated")
until(lambda: request(j)["Status"]["Code"] == "instance-terminated-by-user")
k = run(InstanceMarketOptions=spot)
sir = described(k)["SpotInstanceRequestId"]
assert ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[sir])["CancelledSpotInstanceRequests"][0]["State"] == "cancelled"
assert in_state(k, "running")
terminate(k)
until(lambda: request(k)["Status"]["Code"] == "instance-terminated-by-user")
assert request(k)["State"] == "cancelled"
refused("InvalidSpotInstanceRequestID.NotFound", ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-1"])
refused("Unsupported", run, InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}})
refused("InvalidParameterValue", run, InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "-1"}})
