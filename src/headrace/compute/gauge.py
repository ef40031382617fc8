"""What a job uses now: processes, memory, and room for files.

Owns      reading it from outside, where the job cannot lie.
Leaves    what is too much to `run`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_ENTRIES_MAX: Final = 200_000  # of a folder that is counted; more is too many for any limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """`memory_bytes` is what is resident in each process, added up: what several share counts for each of them, so
    that it is never less than what they really take (`fair_bytes`). `entries` are files and folders."""

    processes: int
    memory_bytes: int
    disk_bytes: int
    entries: int


def descendants(root: int) -> dict[int, int]:
    """The resident bytes of this process and of all below it, by their numbers."""
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    for pid, parent, pages in _processes():
        parents[pid], resident[pid] = parent, pages * _PAGE_BYTES
    below = {root}
    rest = set(parents)
    while found := {pid for pid in rest if parents[pid] in below}:
        below |= found
        rest -= found
    return {pid: resident[pid] for pid in below if pid in resident}


def fair_bytes(processes: Mapping[int, int]) -> int:
    """What they take, with what several share counted once (PSS; proc(5), `smaps_rollup`). Takes longer to read,
    and may be hidden from us: then what is resident."""
    return sum(_fair_bytes(pid, resident) for pid, resident in processes.items())


def _fair_bytes(pid: int, resident_bytes: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return resident_bytes


def _processes() -> Iterator[tuple[int, int, int]]:
    """Number, parent, resident pages (proc(5), `stat`: fields 1, 4 and 24)."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it ended meanwhile
            text = (process / "stat").read_bytes()
            # The name of a program may have blanks and brackets in it: what follows the last one is ours.
            rest = text[text.rindex(b")") + 2 :].split()
            yield int(process.name), int(rest[1]), int(rest[21])


def processes_naming(folder: Path) -> list[int]:
    """Those that have its path in a variable."""
    name, found = str(folder).encode(), []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and name in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def file_system_use(folder: int) -> tuple[int, int]:
    """Bytes and entries in the file system that this open folder is on: a job's own."""
    status = os.fstatvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize, status.f_files - status.f_ffree


def folder_use(folder: Path) -> tuple[int, int]:
    """The same of a folder on a file system that is shared with others."""
    size = entries = 0
    for path, folders, files in os.walk(folder):
        entries += len(folders) + len(files)
        if entries > _ENTRIES_MAX:
            break
        for name in files:
            with suppress(OSError):
                size += Path(path, name).lstat().st_blocks * 512
    return size, entries
