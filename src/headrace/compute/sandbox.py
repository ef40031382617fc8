"""How a job is shut in: bubblewrap's walls, or none where the settings say so.

Owns      what of this machine a job sees (programs and libraries, read only), and what it does not (all else).
Promises  no network, no other process, no file but the programs and its own; no privilege, and no way to one.
Leaves    limits to `launcher` and `gauge`, starting it to `cell`.

Two ways to the same walls. An ordinary user has bubblewrap make a user namespace. Root needs none, and works
where user namespaces are forbidden; there the launcher changes to a user of the job's own, because root is exempt
from limits on processes.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INPUTS: Final = "/data/inputs"
OUTPUTS: Final = "/data/outputs"
_SCRATCH: Final = "/data/tmp"
_SHARED_MEMORY_BYTES: Final = 16 << 20
# Users of jobs where the gateway is root: one for each place, above what distributions give to services.
_FIRST_UID: Final = 64_900
PLACES_MAX: Final = 64
# In a checkout `make` puts it here, if the machine has none.
_PROJECT_BUBBLEWRAP: Final = Path(__file__).resolve().parents[3] / ".tools" / "bin" / "bwrap"

HOW_TO_INSTALL: Final = (
    "install the Debian package `bubblewrap` (in a checkout `make demo` and `make test` fetch it into .tools/bin) "
    "or name the program in compute.bubblewrap; compute.unsandboxed = true runs jobs without walls"
)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    program: Path


@dataclass(frozen=True, slots=True)
class NoWalls:
    """Jobs see what the gateway's user sees (or, where that is root, what any user sees), and the network."""


Confinement = Bubblewrap | NoWalls


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter that this process runs on, without the packages of its environment."""

    program: Path
    prefix: Path

    @staticmethod
    def own() -> "Python":
        program = getattr(sys, "_base_executable", None) or sys.executable
        return Python(Path(program).resolve(), Path(sys.base_prefix).resolve())


def find_bubblewrap(setting: Path | None) -> Path | None:
    """The program named in the settings; else the first of PATH and the project's own folder."""
    if setting is not None:
        return setting if os.access(setting, os.X_OK) else None
    found = shutil.which("bwrap")
    if found is not None:
        return Path(found)
    return _PROJECT_BUBBLEWRAP if os.access(_PROJECT_BUBBLEWRAP, os.X_OK) else None


def shown_folders(python: Python) -> tuple[Path, ...]:
    """What a job can read of this machine, beside its own files."""
    system = Path("/usr")
    return (system,) if python.prefix.is_relative_to(system) else (system, python.prefix)


def user_of(place: int) -> int | None:
    """Who a job is where the gateway is root. None: the gateway's own user, in a user namespace."""
    assert 0 <= place < PLACES_MAX, place
    return _FIRST_UID + place if os.geteuid() == 0 else None


def environment(python: Python, *, inputs: str, outputs: str, scratch: str) -> dict[str, str]:
    """All variables that an algorithm has. Nothing of ours is among them."""
    return {
        "PATH": f"{python.program.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "INPUTS": inputs,
        "OUTPUTS": outputs,
        "PYTHONUNBUFFERED": "1",  # or what it printed is lost when it is stopped
    }


def inner_environment(python: Python) -> dict[str, str]:
    return environment(python, inputs=INPUTS, outputs=OUTPUTS, scratch=_SCRATCH)


def walls(
    bubblewrap: Bubblewrap,
    python: Python,
    *,
    disk_bytes: int,
    files: dict[str, int],
    info: int,
    calls: int | None,
    as_root: bool,
) -> list[str]:
    """bubblewrap's command line, up to the program to run inside. `files`: a descriptor to read for each input;
    `info`: one to write the first process to; `calls`: one to read the filter of system calls from."""
    arguments = [str(bubblewrap.program), "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if as_root:
        # Only for the launcher, to become another user; with that they are gone, and no program gives new ones.
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user", "--uid", "65534", "--gid", "65534", "--disable-userns"]
    arguments += ["--hostname", "job", "--info-fd", str(info)]
    if calls is not None:
        arguments += ["--seccomp", str(calls)]
    arguments += _programs(python)
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += ["--perms", "1777", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    arguments += ["--remount-ro", "/dev"]
    # One bounded file system for all that it writes. It is gone with the job, whatever becomes of us.
    arguments += ["--perms", "0755", "--size", str(disk_bytes), "--tmpfs", "/data"]
    arguments += ["--perms", "0777", "--dir", OUTPUTS, "--perms", "1777", "--dir", _SCRATCH]
    arguments += ["--symlink", _SCRATCH, "/tmp"]  # noqa: S108
    arguments += ["--perms", "0755", "--dir", INPUTS]
    for name, descriptor in files.items():
        arguments += ["--perms", "0555", "--ro-bind-data", str(descriptor), f"{INPUTS}/{name}"]
    return [*arguments, "--remount-ro", "/", "--chdir", "/", "--"]


def _programs(python: Python) -> list[str]:
    arguments: list[str] = []
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    for folder in shown_folders(python):
        for parent in reversed(folder.parents[:-1]):
            # Else it takes over the rights of the real one, and a home is closed to others.
            arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", str(folder), str(folder)]
    for name in ("/etc/ld.so.cache", "/etc/alternatives"):
        arguments += ["--ro-bind-try", name, name]
    return arguments
