"""The first program inside a sandbox: gives up what it has, says that it is ready, and becomes the algorithm.

Owns      the hard limits of the process, set where nobody can raise them again; the way to the program.
Promises  the outputs folder is in the engine's hands before the algorithm begins; the algorithm inherits nothing
          but its own output: no descriptor, no variable, no privilege.
Leaves    the walls to bubblewrap, the order to `cell`.

It is run as text (`python -c`), imports nothing of ours, and talks over one socket: it sends the folder with
`ready`, or `failed: ` and why; after `go` a closed socket means that the algorithm runs.
"""

import json
import os
import resource
import shutil
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    order = json.loads(sys.argv[1])
    gate = socket.socket(fileno=int(sys.argv[2]))
    os.set_inheritable(gate.fileno(), False)
    try:
        prepare(order)
        program = shutil.which(order["command"][0], path=order["environment"]["PATH"])
        if program is None:
            raise OSError(f"there is no program {order['command'][0]!r} in {order['environment']['PATH']}")
        outputs = os.open(order["outputs"], os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(gate, [b"ready"], [outputs])
        if gate.recv(2) == b"go":
            for name, (soft, hard) in order["limits"].items():
                resource.setrlimit(getattr(resource, name), (soft, hard))
            # Whoever started us may have left something open.
            os.closerange(3, gate.fileno())
            os.closerange(gate.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
            os.execve(program, order["command"], order["environment"])  # noqa: S606
    except (OSError, ValueError) as error:
        gate.send(f"failed: {error}".encode()[:1000])
    # Straight out: an interpreter that winds down may have no memory left for it.
    os._exit(127)


def prepare(order: dict) -> None:  # type: ignore[type-arg]
    try:
        # Should the machine run out of memory, a job goes before anything else. Before the change of user: after
        # it this file belongs to the user that we were.
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
            score.write("1000")
    except OSError:
        pass  # a machine that hides it loses nothing else
    if order["dies_with"] is not None:
        import ctypes  # now: another user may not be allowed to read the file
    if order["uid"] is not None:
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    if order["dies_with"] is not None:
        # Without a sandbox, which sees to it otherwise. After the change of user, which forgets it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != order["dies_with"]:
            os._exit(127)
    os.chdir(order["outputs"])
    os.umask(0o022)


if __name__ == "__main__":
    main()
