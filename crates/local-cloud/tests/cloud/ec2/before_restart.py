"""An instance that runs and one that is stopped. Prints their ids, for after_restart.py."""
lost, stopped = run("(setsid sleep 4646 &); echo up; sleep 300"), run("echo kept >kept; shutdown now")
in_state(stopped, "stopped")
said(lost, "up")
print(lost, stopped)
