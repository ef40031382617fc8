"""A job's outputs as one tar file.

Owns      what goes in, in which order, and what is left out.
Promises  only bytes that the job wrote: no link is followed, nothing but plain files and folders is read; the same
          outputs give the same file.
Leaves    where it is kept to `shelf`.
"""

import os
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ENTRIES_MAX: Final = 20_000
_DEPTH_MAX: Final = 32
_LEFT_OUT_MAX: Final = 100  # so many are named


class TooLarge(Exception):
    """`str` says what is too large, and the bound."""


@dataclass(slots=True)
class Archived:
    """`left_out`: each a name and why."""

    entries: int = 0
    content_bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    left_out_count: int = 0

    def leave_out(self, name: str, why: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < _LEFT_OUT_MAX:
            self.left_out.append(f"{_printable(name)}: {why}")


def write_archive(outputs: int, target: Path, *, bytes_max: int) -> Archived:
    """Of the folder behind the descriptor, which nobody changes any more. Raises TooLarge, OSError."""
    done = Archived()
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        _add_folder(tar, outputs, "", done, bytes_max, depth=0)
    return done


def _add_folder(
    tar: tarfile.TarFile, folder: int, prefix: str, done: Archived, bytes_max: int, *, depth: int
) -> None:
    for name in sorted(os.listdir(folder), key=os.fsencode):
        path = prefix + name
        try:
            # Not a link, and never waiting for the other end of a pipe.
            found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            done.leave_out(path, _reason(name, folder, error))
            continue
        try:
            _add(tar, found, path, done, bytes_max, depth=depth)
        finally:
            os.close(found)


def _add(tar: tarfile.TarFile, found: int, path: str, done: Archived, bytes_max: int, *, depth: int) -> None:
    status = os.fstat(found)
    is_folder = stat.S_ISDIR(status.st_mode)
    if not is_folder and not stat.S_ISREG(status.st_mode):
        done.leave_out(path, "is neither a file nor a folder")
        return
    if is_folder and depth >= _DEPTH_MAX:
        done.leave_out(path, f"is more than {_DEPTH_MAX} folders deep")
        return
    done.entries += 1
    done.content_bytes += 0 if is_folder else status.st_size
    if done.entries > ENTRIES_MAX:
        raise TooLarge(f"outputs have more than {ENTRIES_MAX} files and folders")
    # By its apparent size: a file full of holes takes no room where it is, and all of it in an archive.
    if done.content_bytes > bytes_max:
        raise TooLarge(f"outputs have more than {bytes_max} bytes")
    entry = tarfile.TarInfo(path)
    # Of the job's own rights only whether it can be run; no times and no owners: same outputs, same bytes.
    entry.mode = 0o755 if is_folder or status.st_mode & stat.S_IXUSR else 0o644
    if is_folder:
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
        _add_folder(tar, found, path + "/", done, bytes_max, depth=depth + 1)
        return
    entry.size = status.st_size
    with open(found, "rb", closefd=False) as content:
        tar.addfile(entry, content)


def _reason(name: str, folder: int, error: OSError) -> str:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return os.strerror(error.errno or 0)
    return "is a link" if stat.S_ISLNK(mode) else os.strerror(error.errno or 0)


def _printable(name: str) -> str:
    return ascii(name) if len(name) <= 200 else ascii(name[:200]) + "..."
