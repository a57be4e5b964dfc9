"""The instances whose ids before_restart.py printed, given as arguments: one is lost, the other starts again."""
import sys
lost, stopped = sys.argv[1:]
assert in_state(lost, "terminated")["StateReason"]["Code"] == "Server.InternalError"
assert described(stopped)["State"]["Name"] == "stopped"
assert open(os.environ["HOME"] + f"/ec2/{stopped}/root/kept").read() == "kept\n"
ec2.start_instances(InstanceIds=[stopped])
in_state(stopped, "running")
terminate(stopped)
