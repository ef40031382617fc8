"""Gas of tasks: batches of ours in both forms, one by one, and by a plain `aggregate3`.

Owns      the experiment, and the largest batch that a transaction has room for.
Promises  every operation that is counted has its event; ways are compared with tasks of the same make.

Nobody compares with a right that strangers would have: the plain contract must be a task generator for this, and
who calls it is not asked.
"""

from collections.abc import Sequence
from typing import Final

from headrace.app.gas.certified import BODY_BYTES, CertifiedTasks
from headrace.app.gas.figures import PLAIN, PLAIN_TWO_CALLS, SINGLE, STRICT, TRY, Figure, Figures, figure_of
from headrace.app.gas.plain_calls import aggregate3
from headrace.app.gas.stage import TRANSACTION_GAS_MAX, TaskStage
from headrace.chain.limits import TRANSACTION_BYTES_MAX
from headrace.core.words import Address, BlockNumber
from headrace.workloads.tasks.batches import batch_calldata, single_calldata
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, KINDS, RESPOND, Payload

WORKLOAD: Final = "tasks"
SINGLES: Final = 5
_ENVELOPE_BYTES: Final = 256  # the rest of a transaction: signature, fees, nonce
_SETUP_SIZE: Final = 60


class Incomplete(Exception):
    """Operations that did not land, so that their gas says nothing. The message says how many of what."""


class TaskGas:
    """One experiment on one stage."""

    def __init__(self, stage: TaskStage, *, seed: int, body_bytes: int = BODY_BYTES) -> None:
        self._stage, self._body_bytes = stage, body_bytes
        self._tasks = CertifiedTasks(
            seed, chain=stage.chain.chain, task_manager=stage.task_manager, operators=stage.operators
        )

    async def measure(self, sizes: Sequence[int], *, kinds: Sequence[str] = KINDS) -> Figures:
        """Raises Incomplete, DidNotSucceed."""
        found = []
        for kind in kinds:
            found.append(await self.one(kind, SINGLE, SINGLES))
            for size in sizes:
                for way in (TRY, STRICT, PLAIN):
                    found.append(await self.one(kind, way, size))
                if kind == CREATE_AND_RESPOND:
                    found.append(await self.one(kind, PLAIN_TWO_CALLS, size))
        return Figures(tuple(found))

    async def full(self, kind: str, near: Figure) -> Figure:
        """The try form with as many as one transaction has room for, judged by a smaller batch. Raises as
        `measure`."""
        size = fits(near)
        while True:
            try:
                return await self.one(kind, TRY, size)
            except Incomplete:
                if size <= near.size:
                    raise
                size -= 1

    async def one(self, kind: str, way: str, size: int) -> Figure:
        """Raises Incomplete, DidNotSucceed."""
        stage = self._stage
        payloads = await self._new(size)
        if kind == RESPOND:
            await self._create(payloads)
        to, calldata = self._calls(kind, way, payloads)
        mined = await stage.send(to, calldata, f"{kind} {way}")
        created, responded = await stage.recorded(mined)
        wanted = (0 if kind == RESPOND else size, 0 if kind == CREATE else size)
        if (created, responded) != wanted:
            raise Incomplete(
                f"{size} {kind}, {way}: {created} tasks and {responded} responses were recorded, "
                f"not {wanted[0]} and {wanted[1]}"
            )
        return figure_of(WORKLOAD, kind, way, size, calldata, [one.gas_used for one in mined])

    def _calls(self, kind: str, way: str, payloads: Sequence[Payload]) -> tuple[Address, list[bytes]]:
        stage = self._stage
        match way:
            case "try form" | "strict form":
                return stage.batch, [batch_calldata(kind, payloads, strict=way == STRICT)]
            case "individually":
                # Create and respond is two transactions where there is no batch contract: the public interface
                # has no single call for both.
                forms = (CREATE, RESPOND) if kind == CREATE_AND_RESPOND else (kind,)
                return stage.task_manager, [single_calldata(form, p) for p in payloads for form in forms]
            case "aggregate3":
                calls = [single_calldata(kind, p) for p in payloads]
                return stage.plain, [aggregate3(stage.task_manager, calls)]
            case "aggregate3, two calls":
                calls = [single_calldata(form, p) for p in payloads for form in (CREATE, RESPOND)]
                return stage.plain, [aggregate3(stage.task_manager, calls)]
            case _:
                raise AssertionError(f"no such way: {way}")

    async def _new(self, count: int) -> list[Payload]:
        height = await self._stage.chain.height()
        made = self._tasks.make(count, reference=BlockNumber(height), body_bytes=self._body_bytes)
        await self._stage.chain.mine()
        return made

    async def _create(self, payloads: Sequence[Payload]) -> None:
        parts = [payloads[start : start + _SETUP_SIZE] for start in range(0, len(payloads), _SETUP_SIZE)]
        calldata = [batch_calldata(CREATE, part, strict=True) for part in parts]
        await self._stage.send(self._stage.batch, calldata, "create beforehand")


def fits(near: Figure) -> int:
    """How many such operations a transaction has room for, at most: by gas and by bytes."""
    by_gas = near.size * TRANSACTION_GAS_MAX // near.gas
    by_bytes = near.size * (TRANSACTION_BYTES_MAX - _ENVELOPE_BYTES) // near.calldata_bytes
    return min(by_gas, by_bytes)
