"""System calls that no job needs, and that holes in kernels have been reached by.

Owns      the list, and its form as a seccomp filter.
Promises  a job makes no namespaces of its own (in which it would be root to the kernel), watches no other process,
          mounts nothing, loads nothing into the kernel.
Leaves    all that the other walls forbid anyway to them.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h of Linux; from 424 on they are
the same everywhere. The filter's form: linux/filter.h, linux/seccomp.h.
"""

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """`audit` is its AUDIT_ARCH (linux/audit.h)."""

    audit: int
    clone: int
    forbidden: Mapping[str, int]


_EVERYWHERE: Final = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}
_NAMES: Final = (
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "unshare", "setns", "mount", "umount2",
    "pivot_root", "chroot", "open_by_handle_at", "add_key", "request_key", "keyctl", "bpf", "perf_event_open",
    "userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "swapon",
    "swapoff", "reboot", "acct", "quotactl", "syslog",
)  # fmt: skip
_X86_64: Final = (
    101, 310, 311, 312, 272, 308, 165, 166, 155, 161, 304, 248, 249, 250, 321, 298, 323, 175, 313, 176, 246, 320,
    167, 168, 169, 163, 179, 103,
)  # fmt: skip
_AARCH64: Final = (
    117, 270, 271, 272, 97, 268, 40, 39, 41, 51, 265, 217, 218, 219, 280, 241, 282, 105, 273, 106, 104, 294,
    224, 225, 142, 89, 60, 116,
)  # fmt: skip
_MACHINES: Final = {
    "x86_64": _Machine(
        audit=0xC000003E, clone=56, forbidden=dict(zip(_NAMES, _X86_64, strict=True)) | _EVERYWHERE
    ),
    "aarch64": _Machine(
        audit=0xC00000B7, clone=220, forbidden=dict(zip(_NAMES, _AARCH64, strict=True)) | _EVERYWHERE
    ),
}
_CLONE3: Final = 435
# CLONE_NEW*: namespaces for time, mounts, cgroups, host name, IPC, users, processes, network (linux/sched.h).
_NEW_NAMESPACES: Final = 0x7E02_0080
_X32: Final = 0x4000_0000  # x86-64's second set of the same calls under other numbers

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_ANSWER: Final = 0x06  # BPF_RET | BPF_K
_NUMBER, _AUDIT, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_ERROR: Final = 0x0005_0000


def system_call_filter(machine: str) -> bytes | None:
    """The filter for this kind of machine (as `uname -m` has it). None: we do not know its numbers."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    # The other numbers of the same machine first: a filter that forgets them can be walked around.
    program = [
        _step(_LOAD, _AUDIT),
        *_unless(_IF_EQUAL, known.audit, _KILL),
        _step(_LOAD, _NUMBER),
        *_when(_IF_AT_LEAST, _X32, _ERROR | errno.ENOSYS),
        # Its flags are behind a pointer, where no filter looks; libraries go on with `clone`.
        *_when(_IF_EQUAL, _CLONE3, _ERROR | errno.ENOSYS),
    ]
    for number in known.forbidden.values():
        program += _when(_IF_EQUAL, number, _ERROR | errno.EPERM)
    program += [
        _step(_IF_EQUAL, known.clone, 1, 0),
        _step(_ANSWER, _ALLOW),
        _step(_LOAD, _FIRST_ARGUMENT),
        *_when(_IF_ANY_BIT, _NEW_NAMESPACES, _ERROR | errno.EPERM),
        _step(_ANSWER, _ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """One struct sock_filter; the jumps count steps that are passed over."""
    return struct.pack("<HBBI", code, if_so, if_not, value)


def _when(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 0, 1), _step(_ANSWER, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 1, 0), _step(_ANSWER, answer)]
