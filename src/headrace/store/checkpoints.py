"""Moves what is committed from the write-ahead log into the database file, beside the writing.

Owns      a thread and a connection of its own, and the pace of the moves.
Promises  no commit waits for a move as long as moves keep up; when they do not, the writer moves what is left by
          itself and the log stays bounded. What is durable does not hang on any of it.
Leaves    commits to `store.writer`.

SQLite would make every so-manieth commit do the move, and everybody in that commit wait for it and for the disk.
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from headrace.store.connection import connect

log = logging.getLogger(__name__)

# A commit that meets a move waits for the disk as long as the move is large: small moves, often. One that has
# caught up lets the next commit begin the log anew: under a light load the writer never moves anything by itself.
PACE_S: Final = 0.02
# For moves at most: where a disk is slow they become few and large, and leave it to the commits in between.
_SHARE_OF_TIME: Final = 0.2
# From there on the writer does it: 32 MiB in pages of 4 KiB. Under a heavy load a move beside never reaches the
# end of a log that grows meanwhile; only the writer can begin it anew, and then finds little left to move.
_LOG_PAGES_MAX: Final = 8_000


class Checkpoints:
    """Takes the moves from `writing`, a connection to the file at `path`. `close` it before that one: who closes
    last tidies the log away."""

    def __init__(self, writing: sqlite3.Connection, path: Path) -> None:
        self._db = connect(path)
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        writing.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES_MAX}")
        self._path = path
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="store's checkpoints", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """There is something to move."""
        self._wanted.set()

    def close(self) -> None:
        self._closing.set()
        self._wanted.set()
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        took_s = 0.0
        while True:
            self._wanted.wait()
            if self._closing.wait(pause_after(took_s)):
                return
            self._wanted.clear()
            if self._closing.is_set():
                return  # it was closed in between, and its call was the one that was just cleared
            began_s = time.monotonic()
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                # The log keeps what is not moved, and the writer meets the same trouble where it counts.
                log.warning("store file %s: %s while its log was moved into it", self._path, error)
            took_s = time.monotonic() - began_s


def pause_after(took_s: float) -> float:
    """Seconds to wait before the next move, after one that took so long."""
    return max(PACE_S, took_s * (1 / _SHARE_OF_TIME - 1))
