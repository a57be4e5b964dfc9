"""Runs a command on a pseudo-terminal of 120 columns, prints what it wrote, and ends as it did.

terminal.py FILE TEXT... -- COMMAND...: once everything in TEXT was on the terminal, FILE is deleted.
"""

import fcntl, os, pty, struct, sys, termios

file, *rest = sys.argv[1:]
texts, command = rest[:rest.index("--")], rest[rest.index("--") + 1:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    os.execv(command[0], command)
written = b""
while True:
    try:
        more = os.read(terminal, 1 << 16)
    except OSError:
        # Linux says so when the command has closed the terminal.
        break
    if not more:
        break
    written += more
    if texts and all(text.encode() in written for text in texts):
        os.unlink(file)
        texts = []
sys.stdout.buffer.write(written)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
