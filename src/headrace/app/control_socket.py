"""The operator's door of a gateway: a Unix domain socket beside the store, for its owner only.

Owns      the socket's file: who may connect, what a dead gateway left, names that are too long for a socket.
Promises  nobody but the owner (and root) can connect, not for a moment; a file that is no socket is never removed,
          and neither is one at which somebody listens.
Leaves    what is answered there to `api.control`.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace.core.errors import NeedsOperator

PATH_BYTES_MAX: Final = 107  # sun_path of Linux has 108, the last one is 0
_OWNER_ONLY: Final = 0o600
_OPEN_FILES: Final = Path("/proc/self/fd")
_BACKLOG: Final = 16


@contextlib.contextmanager
def control_listener(path: Path) -> Iterator[socket.socket]:
    """Whoever holds the store opens it, so that a file left there is a dead process' own. Raises NeedsOperator."""
    with _bound(path) as listener:
        mine = path.lstat().st_ino
        try:
            yield listener
        finally:
            _remove(path, inode=mine)


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            _clear(path)
            with short_name(path) as name:
                listener.bind(name)
            # Before it listens, a connection is refused whatever the mode: there is no moment for others.
            path.chmod(_OWNER_ONLY)
        except OSError as error:
            raise _trouble(path, error.strerror or str(error)) from None
        listener.listen(_BACKLOG)
        yield listener


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of this file that fits a socket address, while it is needed: through its open folder, if the path is
    too long. Raises NeedsOperator where that is not possible either."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = _OPEN_FILES / str(folder) / path.name
        if not _OPEN_FILES.is_dir() or len(os.fsencode(name)) > PATH_BYTES_MAX:
            raise _trouble(path, f"a socket's path may have {PATH_BYTES_MAX} bytes")
        yield str(name)
    finally:
        os.close(folder)


def _clear(path: Path) -> None:
    """Removes what a dead process left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _trouble(path, "there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock, short_name(path) as name:
        knock.settimeout(1.0)
        try:
            knock.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise _trouble(path, "another process listens there")


def _remove(path: Path, *, inode: int) -> None:
    with contextlib.suppress(OSError):  # it is gone, or not ours to remove: the next start clears it
        if path.lstat().st_ino == inode:
            path.unlink()


def _trouble(path: Path, why: str) -> NeedsOperator:
    return NeedsOperator(
        f"the operator's socket {path}: {why}; name another in gateway.control_socket", file=str(path)
    )
