"""Quotas that are smaller than the requests."""
# As many instances as the quota allows, from MinCount to MaxCount.
answer = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=9)
ids = [each["InstanceId"] for each in answer["Instances"]]
assert len(ids) == 2
assert "limit of 5" in refused("VcpuLimitExceeded", run)
spot = {"MarketType": "spot"}
i = run(InstanceMarketOptions=spot)
assert refused("MaxSpotInstanceCountExceeded", run, InstanceMarketOptions=spot) == "Max spot instance count exceeded"
assert "no GPU" in refused("Unsupported", run, InstanceType="g4dn.xlarge")
in_state(ids[0], "running")
ec2.stop_instances(InstanceIds=ids[:1])
in_state(ids[0], "stopped")
j = run()
refused("VcpuLimitExceeded", ec2.start_instances, InstanceIds=ids[:1])
terminate(*ids, i, j)
terminate(run())
