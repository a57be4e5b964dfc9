"""The quotas of a new account."""
message = refused("VcpuLimitExceeded", run, InstanceType="m5.12xlarge")
assert message.startswith("You have requested more vCPU capacity than your current vCPU limit of 32 allows"), message
refused("VcpuLimitExceeded", run, InstanceType="g4dn.xlarge")
assert ec2.describe_instances()["Reservations"] == []
