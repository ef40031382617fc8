"""What clients ask for, and what may come of it.

Owns      the natures of operations (sound, or poisoned in one of several ways), and what each may end as.
Promises  what is expected is said here from the making of an operation, not from what the engine made of it.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.core.operation import Operation
from headrace.core.words import BlockNumber, OperationId
from headrace.testing.builders import CHAIN, Builder
from headrace.workloads.tasks.operations import Windows, operation_of
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND
from headrace.workloads.tasks.structs import Task, TaskResponse

SOUND: Final = "sound"
POISON: Final = (
    "bad signature",  # InvalidBLSSignature
    "other policy",  # PolicyMismatch
    "greedy",  # uses more gas than an item may
    "moody",  # an error that nobody knows; it passes, sometimes
    "refused in words",  # Error(string)
    "from the far future",  # its reference block is not there for a long time
    "unbuildable",  # its payload cannot be read
)


@dataclass(slots=True, eq=False)
class Wish:
    """One operation, as its client knows it. `cancelled`: the client was told that it is."""

    operation: Operation
    task: Task
    response: TaskResponse | None
    nature: str
    acknowledged: bool = False
    cancelled: bool = False
    competed: bool = False  # somebody else had to do with its task
    outcomes: list[str] = field(default_factory=list)  # as told, or as found in the store after a death

    @property
    def id(self) -> OperationId:
        return self.operation.id

    @property
    def subject(self) -> bytes:
        return self.operation.subject

    @property
    def creates(self) -> bool:
        return self.operation.kind != RESPOND

    @property
    def responds(self) -> bool:
        return self.operation.kind != CREATE


class Wishes:
    """All that clients asked for in one run."""

    def __init__(self, seed: int, windows: tuple[int, int]) -> None:
        self._made = Builder(seed, policy=b"\x05policy".ljust(32, b"\x00"))
        self._windows = Windows(creation=windows[0], response=windows[1])
        self.all: list[Wish] = []

    def by_id(self, id: str) -> Wish | None:
        return next((w for w in self.all if w.id == id), None)

    def about(self, subject: bytes) -> list[Wish]:
        return [w for w in self.all if w.subject == subject]

    def make(self, chance: random.Random, *, head: int, now: float) -> list[Wish]:
        """One recording, whole or in two parts; mostly sound."""
        nature = SOUND if chance.random() < 0.75 else chance.choice(POISON)
        # Clients know other nodes, which may be a little ahead of ours, or behind.
        created = (
            head + 10**5 if nature == "from the far future" else max(1, head + chance.choice([0, 0, -1, -2, 2]))
        )
        task = self._made.task(created_block=created, data_bytes=4)
        near = chance.random() < 0.12
        expire = created + chance.choice([3, 6, 10]) if near else 10**6
        response = self._made.response(task, expire_block=expire)
        if nature == "other policy":
            response = replace(response, policy_id=b"\x06another policy".ljust(32, b"\x00"))
        signature = self._made.signature_data(good=nature != "bad signature")
        deadline = now + chance.choice([5, 20, 60]) if chance.random() < 0.08 else None
        id = f"op {len(self.all)}"
        if chance.random() < 0.6:
            whole = self._operation(id, CREATE_AND_RESPOND, task, response, signature, now, deadline=deadline)
            return [self._wish(whole, task, response, nature)]
        create = self._operation(f"{id}/create", CREATE, task, None, b"", now)
        respond = self._operation(
            id,
            RESPOND,
            task,
            response,
            signature,
            now,
            after=create.id,
            wait_until=now + chance.choice([60, 600, 10**6]),
            deadline=deadline,
        )
        of_create = nature if nature not in ("bad signature", "other policy") else SOUND
        return [self._wish(create, task, None, of_create), self._wish(respond, task, response, nature)]

    def again(self, wish: Wish, *, now: float) -> Wish:
        """The same task under another id."""
        op = wish.operation
        if op.after is not None:
            return wish
        other = replace(op, id=OperationId(f"{op.id} again {len(self.all)}"), received_at=now)
        twin = self._wish(other, wish.task, wish.response, wish.nature)
        for each in self.about(wish.subject):
            each.competed = True
        return twin

    def other_content(self, wish: Wish) -> Operation:
        """Another wish under the same id."""
        return replace(wish.operation, content=bytes(32))

    def other_task(self, wish: Wish) -> tuple[Task, TaskResponse, bytes]:
        """Another task under the same task id, as a stranger might record it."""
        task = replace(wish.task, wasm_args=b"another")
        return task, self._made.response(task, expire_block=10**6), self._made.signature_data()

    def other_response(self, wish: Wish) -> tuple[Task, TaskResponse, bytes]:
        response = self._made.response(wish.task, expire_block=10**6, evaluation_result=b"\x00")
        return wish.task, response, self._made.signature_data()

    def signature(self) -> bytes:
        return self._made.signature_data()

    def _wish(self, operation: Operation, task: Task, response: TaskResponse | None, nature: str) -> Wish:
        if nature == "unbuildable":
            operation = replace(operation, payload=b"\x00not a payload")
        wish = Wish(operation, task, response, nature)
        self.all.append(wish)
        return wish

    def _operation(
        self,
        id: str,
        kind: str,
        task: Task,
        response: TaskResponse | None,
        signature: bytes,
        now: float,
        *,
        after: OperationId | None = None,
        wait_until: float | None = None,
        deadline: float | None = None,
    ) -> Operation:
        operation = operation_of(
            id=OperationId(id),
            chain=CHAIN,
            kind=kind,
            task=task,
            response=response,
            signature_data=signature,
            windows=self._windows,
            received_at=now,
            after=after,
            wait_until=wait_until,
            deadline=deadline,
        )
        assert operation.deadline_block is not None
        return replace(operation, deadline_block=BlockNumber(min(operation.deadline_block, 2**40)))
