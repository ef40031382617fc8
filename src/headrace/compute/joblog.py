"""What an algorithm prints, kept up to a bound.

Promises  however much it prints, so much is kept and no more, and the last line says what is missing.
"""

from contextlib import suppress
from pathlib import Path


class JobLog:
    """Of one run. Bytes as they come; not text."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._bytes_max = bytes_max
        self._kept = 0
        self._dropped = 0

    def write(self, some: bytes) -> None:
        kept = 0
        if self._kept < self._bytes_max:
            # Our own disk may be full: the job is not to blame, and its log says what is missing.
            with suppress(OSError):
                kept = self._file.write(some[: self._bytes_max - self._kept])
        self._kept += kept
        self._dropped += len(some) - kept

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            if self._dropped:
                self._file.write(
                    f"\n[headrace: the log is cut here: {self._kept} bytes are kept, {self._dropped} more were "
                    "printed]\n".encode()
                )
        finally:
            self._file.close()
