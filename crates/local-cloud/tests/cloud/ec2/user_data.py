"""What user data does to its machine (shutdown, sudo, apt-get) is done to the instance."""
# A script that hangs is ended by the shutdown that it scheduled before.
hangs = run("shutdown -h +100; shutdown -c; shutdown -P +0 'dead man'; sleep 300", InstanceInitiatedShutdownBehavior="terminate")
# The instance keeps running after its script has ended.
ends = run("sudo apt-get install -y x || echo refused $?; yum install x || echo refused $?; systemctl start docker || echo refused $?; "
           "sudo -u nobody A=1 sh -c 'echo A=$A'; sudo -i <<<'echo login'; aws s3 cp 'a b' s3://c; mkdir -p ro/x; chmod 500 ro; shutdown -h 5x || echo refused $?; exit 7")
said(ends, "user data ended with exit status 7")
lines = console(ends)
assert lines.count("refused 1") == 4 and "A=1\n" in lines and "login\ntools: cloud aws s3 cp a b s3://c\n" in lines, lines
assert "cannot install packages" in lines and f"Failed running " in lines and "part-001 [7]" in lines, lines
end = in_state(hangs, "terminated")
assert end["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown", end
assert described(ends)["State"]["Name"] == "running"
[status] = ec2.describe_instance_status(InstanceIds=[ends])["InstanceStatuses"]
assert status["InstanceStatus"]["Status"] == "ok"
assert ec2.describe_instance_status(InstanceIds=[hangs])["InstanceStatuses"] == []
terminate(ends)
assert "exit status 7" in console(ends), "the console outlives the instance"
assert ec2.describe_instance_status(InstanceIds=[ends], IncludeAllInstances=True)["InstanceStatuses"][0]["InstanceState"]["Name"] == "terminated"

for data, why in ((b"\x1f\x8b\x08x", "gzip"), (b"Content-Type: multipart/mixed", "MIME"), (b"echo hi", "Unhandled non-multipart"), (b"#cloud-config", "scripts")):
    i = run(UserData=data)
    said(i, why)
    assert in_state(i, "running") and "exit status" not in console(i)
    terminate(i)
terminate(run())
