"""Turns a task, its response and its certificate into operations.

Owns      an operation's content digest, its deadline block, and how a recording mode splits the work.
Promises  the same request gives the same digest; a deadline is the earliest of the contract's windows.
"""

from dataclasses import dataclass
from hashlib import sha256

from headrace.core.operation import Operation
from headrace.core.words import BlockNumber, ChainId, OperationId
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, Payload, payload_of
from headrace.workloads.tasks.structs import Task, TaskResponse
from headrace.workloads.tasks.workload import NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """TaskManager's: a task must be created within `creation` blocks of its reference block, and answered in a
    block before reference + `response`."""

    creation: int
    response: int


def operation_of(
    *,
    id: OperationId,
    chain: ChainId,
    kind: str,
    task: Task,
    response: TaskResponse | None,
    signature_data: bytes,
    windows: Windows,
    received_at: float,
    after: OperationId | None = None,
    wait_until: float | None = None,
    deadline: float | None = None,
) -> Operation:
    """Raises FixTheRequest where the parts do not make an operation of this kind."""
    payload = payload_of(kind, task, response, signature_data)
    return Operation(
        id=id,
        content=_content(kind, chain, payload, after, deadline),
        workload=NAME,
        kind=kind,
        form=kind,
        chain=chain,
        subject=task.task_id,
        payload=payload.pack(),
        received_at=received_at,
        after=after,
        wait_until=wait_until,
        deadline=deadline,
        deadline_block=_deadline_block(kind, task, response, windows),
    )


def _content(
    kind: str, chain: ChainId, payload: Payload, after: OperationId | None, deadline: float | None
) -> bytes:
    # Not the signatures: aggregating again after a crash changes who signed, not what was asked. `after` and
    # `deadline` are part of what was asked.
    parts = (NAME.encode(), kind.encode(), chain.to_bytes(32, "big"), payload.task, payload.response)
    told = [piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)]
    return sha256(b"".join(told) + repr((after, deadline)).encode()).digest()


def _deadline_block(kind: str, task: Task, response: TaskResponse | None, windows: Windows) -> BlockNumber:
    last = []
    if kind != RESPOND:
        last.append(task.created_block + windows.creation)
    if kind != CREATE:
        last.append(task.created_block + windows.response - 1)
    if response is not None:
        last.append(response.expire_block)
    return BlockNumber(min(last))


def recording(
    mode: str,
    *,
    id: OperationId,
    chain: ChainId,
    task: Task,
    response: TaskResponse,
    signature_data: bytes,
    windows: Windows,
    respond_wait_s: float,
    received_at: float,
    now: float,
) -> tuple[Operation, ...]:
    """The operations that record an answered task: one in `combined`; in `separate` a create and a respond that
    waits for it. The respond has the caller's id: its end is the end of what the caller asked."""
    if mode == "combined":
        return (
            operation_of(
                id=id,
                chain=chain,
                kind=CREATE_AND_RESPOND,
                task=task,
                response=response,
                signature_data=signature_data,
                windows=windows,
                received_at=received_at,
            ),
        )
    assert mode == "separate", mode
    create_id = OperationId(f"{id}/create")
    create = operation_of(
        id=create_id,
        chain=chain,
        kind=CREATE,
        task=task,
        response=None,
        signature_data=b"",
        windows=windows,
        received_at=received_at,
    )
    respond = operation_of(
        id=id,
        chain=chain,
        kind=RESPOND,
        task=task,
        response=response,
        signature_data=signature_data,
        windows=windows,
        received_at=received_at,
        after=create_id,
        wait_until=now + respond_wait_s,
    )
    return (create, respond)
