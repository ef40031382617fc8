"""Turns what a job needs of the escrow into operations.

Owns      the content digest and the checks of an operation on a lock.
Promises  the same wish gives the same digest; an amount or a duration that no contract would take is refused here.
"""

from hashlib import sha256

from headrace.core.errors import FixTheRequest
from headrace.core.operation import Operation
from headrace.core.words import Address, ChainId, OperationId, TxHash
from headrace.workloads.escrow.payload import CLAIM, KINDS, LOCK, NOBODY, UINT256_MAX, WITHDRAW, LockKey, Payload
from headrace.workloads.escrow.workload import NAME


def operation_of(
    *,
    id: OperationId,
    chain: ChainId,
    kind: str,
    payload: Payload,
    received_at: float,
    deadline: float | None = None,
) -> Operation:
    """Sent by the payee's lane and no other. `deadline` in unix seconds: of a claim, the last moment to send it.

    Raises FixTheRequest, naming the field."""
    _check(kind, payload)
    packed = payload.pack()
    content = sha256(repr((NAME, kind, int(chain), deadline)).encode() + packed)
    return Operation(
        id=id,
        content=content.digest(),
        workload=NAME,
        kind=kind,
        form=kind,
        chain=chain,
        subject=payload.key.digest(),
        payload=packed,
        received_at=received_at,
        deadline=deadline,
        sender=payload.key.payee,
    )


def withdrawal(payee: Address, token: Address, amount: int, *, earned_in: TxHash) -> Payload:
    """Of what one transaction earned. Two of them are two wishes, whatever else they have in common."""
    number = int.from_bytes(earned_in, "big")
    return Payload(key=LockKey(payee=payee, payer=NOBODY, token=token, job=number), amount=amount)


def _check(kind: str, payload: Payload) -> None:
    if kind not in KINDS:
        raise FixTheRequest(f"kind: {kind!r} is none of {', '.join(KINDS)}", field="kind")
    key = payload.key
    if kind != WITHDRAW:
        if not 0 < key.job <= UINT256_MAX:
            raise FixTheRequest(f"job: {key.job} is no job's number: 1 to 2^256 - 1", field="job")
        if key.payer in (NOBODY, key.payee):
            raise FixTheRequest("payer: is the zero address or the payee itself", field="payer")
    if key.token == NOBODY:
        raise FixTheRequest("token: is the zero address", field="token")
    if not 0 <= payload.amount <= UINT256_MAX:
        raise FixTheRequest(f"amount: {payload.amount} does not fit a uint256", field="amount")
    if kind in (LOCK, CLAIM, WITHDRAW) and payload.amount == 0:
        raise FixTheRequest(f"amount: a {kind} of nothing", field="amount")
    if kind == LOCK and not 0 < payload.duration_s < 1 << 63:
        raise FixTheRequest(
            f"duration_s: {payload.duration_s} is no time that a lock can last", field="duration_s"
        )
