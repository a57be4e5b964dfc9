"""Instances that stop, start and reboot."""
script = "echo run >>runs; (setsid sleep 4545 &); reboot; sleep 300"
i = run(script, DisableApiTermination=True)
# The reboot ends the script. User data runs only once.
until(lambda: open(os.environ["HOME"] + f"/ec2/{i}/root/runs").read() == "run\n" if os.path.exists(os.environ["HOME"] + f"/ec2/{i}/root/runs") else False)
[change] = ec2.stop_instances(InstanceIds=[i])["StoppingInstances"]
assert change["CurrentState"]["Name"] == "stopping"
stopped = in_state(i, "stopped")
assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown" and "User initiated (" in stopped["StateTransitionReason"]
assert ec2.stop_instances(InstanceIds=[i])["StoppingInstances"][0]["CurrentState"]["Name"] == "stopped"
[change] = ec2.start_instances(InstanceIds=[i])["StartingInstances"]
assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
assert "StateReason" not in in_state(i, "running")
assert open(os.environ["HOME"] + f"/ec2/{i}/root/runs").read() == "run\n"
assert "may not be terminated" in refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[i])
# An instance that shuts itself down is stopped, which is EC2's default.
j = run("shutdown now")
assert in_state(j, "stopped")["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
terminate(j)
refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[j])
refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=[j])
assert ec2.terminate_instances(InstanceIds=[j])["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated"
# An instance can be terminated while it is stopping, and right after it was started.
k = run("sleep 300")
ec2.stop_instances(InstanceIds=[k])
terminate(k)
