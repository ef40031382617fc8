"""Which errors can come from task contracts: ours, and those of the source document's deployed ones.

Owns      the list; each error in it has a row in `tasks.verdicts`.
Leaves    decoding to `chain.reverts`, errors of contracts behind ours (a policy client's) to the ABIs of users.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from headrace.chain.abi import Abi
from headrace.chain.artifacts import load
from headrace.chain.reverts import Errors
from headrace.core.words import Revert, Selector

CONTRACTS: Final = ("TaskManager", "BatchTaskManager", "OperatorRegistry")

# What the deployed contracts of the source can say and ours cannot; their selectors are published.
DEPLOYED: Final = Abi(
    [
        {"type": "error", "name": "CurrentlyPaused"},
        {"type": "error", "name": "OperatorNotWhitelisted"},
        {"type": "error", "name": "StaleStakesForbidden"},
    ],
    name="the deployed task contracts",
)
_DEPTH_MAX: Final = 3


def task_errors(*others: Abi) -> Errors:
    """All of them, and those of `others`. Raises ValueError where two share a selector."""
    return Errors.of(*(load(name).abi for name in CONTRACTS), DEPLOYED, *others)


class TaskReverts:
    """Reads revert data. What failed inside a batch is decoded too, for people: `error` beside its `reason`."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors

    @property
    def unknown(self) -> Mapping[Selector, int]:
        """How often each selector came that no known error has."""
        return self._errors.unknown

    def read(self, data: bytes) -> Revert:
        """Never raises."""
        return self._read(data, _DEPTH_MAX)

    def _read(self, data: bytes, depth: int) -> Revert:
        revert = self._errors.decode(data)
        items = revert.args.get("failures")
        if revert.name != "BatchPartialFailure" or not isinstance(items, list) or depth == 0:
            return revert
        return Revert(data, revert.name, {"failures": self._named(items, depth - 1)})

    def _named(self, items: Sequence[Mapping[str, object]], depth: int) -> list[object]:
        return [
            {**item, "error": str(self._read(bytes.fromhex(str(item["reason"])[2:]), depth))} for item in items
        ]
