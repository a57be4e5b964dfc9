"""An instance in namespaces of its own. The argument is a file in /var/log."""
import sys
log = sys.argv[1]
i = run(f"head -1 $OPSML_INSTANCE_DIR/log/cloud-init-output.log | grep -q 'namespaces of its own$' || exit; echo mine >{log}; "
        "(sh -c 'sleep 0.1 &'); pkill cat; sleep 0.5; echo zombies: $(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l); "
        "head -1 /var/log/cloud-init-output.log; echo processes: $(ls -d /proc/[0-9]* | wc -l) of $(ls -A $OPSML_INSTANCE_DIR/../..) $(ls $OPSML_INSTANCE_DIR/..) in $PWD; /sbin/shutdown -h now; sleep 300",
        InstanceInitiatedShutdownBehavior="terminate")
said(i, "[local cloud]")
if console(i).splitlines()[0].endswith("namespaces of its own"):
    in_state(i, "terminated")
    lines = console(i)
    assert lines.count("[local cloud]") == 2, lines
    assert f" of ec2 {i} in " in lines and lines.splitlines()[-1].endswith("/root"), lines
    assert "zombies: 0\n" in lines, lines
    assert int(lines.split("processes: ")[1].split()[0]) < 10, "it sees no processes but its own"
else:
    terminate(i)
