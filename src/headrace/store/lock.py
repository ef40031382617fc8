"""One process at a time writes to a store file: an exclusive lock on a file beside it.

The kernel drops the lock when its holder dies, however it dies. The lock file itself stays: removing it would let
two processes lock two files of the same name.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from headrace.core.errors import NeedsOperator


def lock_path(store: Path) -> Path:
    real = store.resolve()  # two names of one file are one file
    return real.with_name(real.name + ".lock")


@contextlib.contextmanager
def hold_lock(store: Path) -> Iterator[None]:
    """Raises NeedsOperator at once if somebody else holds it, this very process included."""
    path = lock_path(store)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise NeedsOperator(
            f"store file {store}: its lock file {path} cannot be opened ({error.strerror}); "
            "make its folder writable for this user",
            file=str(store),
        ) from error
    try:
        _lock_or_refuse(descriptor, store, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)  # after a clean end nobody is named
    finally:
        os.close(descriptor)


def _lock_or_refuse(descriptor: int, store: Path, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        holder = int(text) if text.isdecimal() else None
        who = f"process {holder}" if holder is not None else "another process"
        raise NeedsOperator(
            f"store file {store} is in use by {who}, which holds {path}; stop that process, or give this one "
            "a store file of its own (reading it with `headrace status` and `headrace inspect` works meanwhile)",
            file=str(store),
            holder=holder,
        ) from error
