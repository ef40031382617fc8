"""What every part of the SQLite store stands on: who writes, who reads, what time it is."""

from headrace.core.ports import Clock
from headrace.store.reader import ReadThread
from headrace.store.resting import Resting
from headrace.store.writer import Writer


class Machinery:
    def __init__(self, writer: Writer, reader: ReadThread, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._resting = Resting()
