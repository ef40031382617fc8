"""Contracts with moods, for the simulation: what a task contract may do beside what ours does.

The state of a mood is not of the chain: it is there from one moment to the next, in every block that is run.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from headrace.core.words import Address
from headrace.testing.builders import REGISTRY, TASK_MANAGER, TaskChain
from headrace.testing.fake_contracts import FakeTaskManager
from headrace.testing.fake_world import FakeRevert, Frame
from headrace.testing.task_abi import error_data

BURNER: Final = Address(b"\x09burner".ljust(20, b"\x00"))
_UNKNOWN: Final = bytes.fromhex("deadbeef")
_VIEW_BYTES: Final = 36


@dataclass(slots=True)
class MoodyTaskManager(FakeTaskManager):
    """`moody` task ids are refused with an error nobody knows, `wordy` ones with a text. `refused` counts."""

    moody: set[bytes] = field(default_factory=set)
    wordy: set[bytes] = field(default_factory=set)
    refused: Counter[bytes] = field(default_factory=Counter)

    def run(self, frame: Frame, data: bytes) -> bytes:
        if len(data) > _VIEW_BYTES:
            for task_id in self.moody:
                if task_id in data:
                    self.refused[task_id] += 1
                    raise FakeRevert(_UNKNOWN)
            for task_id in self.wordy:
                if task_id in data:
                    raise FakeRevert(error_data("Error(string)", "not today"))
        return FakeTaskManager.run(self, frame, data)


@dataclass(slots=True)
class Burner:
    """Fills blocks."""

    code: bytes = b"\xfe burner"

    def run(self, frame: Frame, data: bytes) -> bytes:
        frame.burn(frame.gas_left)
        return b""


def give_moods(contracts: TaskChain, windows: tuple[int, int]) -> MoodyTaskManager:
    """In place of its task manager."""
    moody = MoodyTaskManager(REGISTRY, creation_window=windows[0], response_window=windows[1], item_burns={})
    contracts.chain.contracts[TASK_MANAGER] = moody
    contracts.chain.contracts[BURNER] = Burner()
    return moody
