"""EC2 has no spot capacity; and a spot price that is higher than the requests' maximum price."""
def spot(price):
    return {"MarketType": "spot", "SpotOptions": {"MaxPrice": price, "SpotInstanceType": "one-time"}}
assert refused("SpotMaxPriceTooLow", run, InstanceMarketOptions=spot("0.001")) == (
    "Your Spot request price of 0.001 is lower than the minimum required Spot request fulfillment price of 0.0374.")
assert refused("InsufficientInstanceCapacity", run, InstanceMarketOptions=spot("0.04")) == (
    "There is no Spot capacity available that matches your request.")
assert "sufficient t3.micro capacity in the Availability Zone you requested (us-east-1b)" in refused(
    "InsufficientInstanceCapacity", run, Placement={"AvailabilityZone": "us-east-1b"})
assert all(i["State"]["Name"] == "terminated" for r in ec2.describe_instances()["Reservations"] for i in r["Instances"])
