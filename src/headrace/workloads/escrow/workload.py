"""The workload `escrow`: what the engine must know of the escrow contract.

Owns      which function an operation travels to, its gas until something is learned, what is asked of the chain.
Promises  effects are proven per operation from the escrow's events; works on any contract with that interface.
Leaves    the bytes to `escrow.calldata`, the meaning of reverts to `escrow.verdicts`, who gets how much to `jobs`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.chain.abi_codec import Undecodable
from headrace.core.operation import Operation
from headrace.core.ports import Call, Effect, GasGuess, InCommon, Judgement, NodeTrouble, Seen
from headrace.core.words import Address, Receipt, Revert, Verdict
from headrace.workloads.escrow import calldata, effects, verdicts
from headrace.workloads.escrow.events import read_events
from headrace.workloads.escrow.lock_state import LiveLock, available_funds, find_lock
from headrace.workloads.escrow.payload import CANCEL, CLAIM, KINDS, LOCK, RELEASE, WITHDRAW, Payload

NAME: Final = "escrow"

# Without their calldata, before refunds. Measured on anvil osaka (2026-11-22, batches of 50 to 250): enough for a
# contract that scans its locks, too; from then on receipts teach, and Escrow.sol needs a third of it.
ITEM_GAS: Final = {CLAIM: 66_000, RELEASE: 66_000, CANCEL: 70_000, LOCK: 230_000, WITHDRAW: 60_000}
# The fee's transfer to a collector that never had the token, the router, the payee's first account. Often a third.
OVERHEAD_GAS: Final = 220_000
OVERHEAD_GAS_LEAST: Final = 21_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowContract:
    address: Address
    most_per_transaction: int = 400


class Escrow:
    """Implements core.ports.Workload. `read_revert` decodes revert data by the errors that are known."""

    def __init__(self, contract: EscrowContract, *, read_revert: Callable[[bytes], Revert]) -> None:
        self._contract, self._read_revert = contract, read_revert

    @property
    def name(self) -> str:
        return NAME

    @property
    def forms(self) -> Sequence[str]:
        return KINDS

    @property
    def most_per_transaction(self) -> int:
        return self._contract.most_per_transaction

    @property
    def strict_only(self) -> bool:
        return True  # one that fails reverts the whole

    @property
    def in_turn(self) -> Collection[str]:
        """Their order is made so that each lock stands in front, or at the end, when its turn comes: with those
        before it still there it costs up to twice as much, and many times on an escrow that searches its locks."""
        return (CLAIM, RELEASE, CANCEL)

    def call(self, form: str, operations: Sequence[Operation], *, strict: bool) -> Call:
        payloads = [Payload.unpack(o.payload) for o in operations]
        return Call(self._contract.address, calldata.batch_calldata(form, payloads))

    def size(self, operation: Operation) -> int:
        return calldata.item_bytes(operation.form, Payload.unpack(operation.payload))

    def gas_guess(self, form: str) -> GasGuess:
        return GasGuess(
            per_transaction=OVERHEAD_GAS,
            per_item=ITEM_GAS[form],
            tail=0,
            per_transaction_least=OVERHEAD_GAS_LEAST,
            refunds=form in (CLAIM, RELEASE, CANCEL),
        )

    def in_common(self, operation: Operation) -> Sequence[InCommon]:
        return ()

    def failures(self, revert: Revert, count: int) -> Mapping[int, Revert] | None:
        """The escrow names no item."""
        return {0: revert} if count == 1 else None

    def refuses_all(self, revert: Revert) -> bool:
        return verdicts.refuses_all(revert)

    def read_revert(self, data: bytes) -> Revert:
        return self._read_revert(data)

    def effects(self, operations: Sequence[Operation], receipt: Receipt, *, called: Address) -> Sequence[Seen]:
        events = read_events(receipt.logs, escrow=called)
        return effects.seen_in(events, [(o.form, Payload.unpack(o.payload)) for o in operations])

    def questions(self, operation: Operation, revert: Revert) -> Sequence[Call]:
        payload = Payload.unpack(operation.payload)
        return [self._locks(payload)] if verdicts.needs_lock(operation.form, revert) else []

    def judge(self, operation: Operation, revert: Revert, answers: Sequence[bytes]) -> Judgement:
        payload = Payload.unpack(operation.payload)
        lock = _lock(answers[0], payload) if answers else None
        return verdicts.judge(operation.form, payload, revert, lock)

    def probe(self, operation: Operation) -> Sequence[Call]:
        payload = Payload.unpack(operation.payload)
        if operation.form == WITHDRAW:
            return [Call(self._contract.address, calldata.get_user_funds(payload.key.payee, payload.key.token))]
        return [self._locks(payload)]

    def probed(self, operation: Operation, answers: Sequence[bytes]) -> Seen | Judgement:
        """State shows whether a lock lives, not who took it: a claim of a lock that is gone ends in conflict, and
        the logs tell the rest."""
        payload, (answer,) = Payload.unpack(operation.payload), answers
        if operation.form == WITHDRAW:
            return _funds(payload, answer)
        lock = _lock(answer, payload)
        if operation.form == LOCK:
            return Seen(Effect.UNSEEN) if lock is None else _existing(payload, lock)
        return Seen(Effect.UNSEEN) if lock is not None else verdicts.GONE

    def _locks(self, payload: Payload) -> Call:
        return Call(self._contract.address, calldata.get_locks(payload.key))


def _existing(payload: Payload, lock: LiveLock) -> Seen | Judgement:
    judgement = verdicts.existing(payload, lock)
    return Seen(Effect.DONE) if judgement.verdict is Verdict.ALREADY_DONE else judgement


def _lock(answer: bytes, payload: Payload) -> LiveLock | None:
    try:
        return find_lock(answer, payload.key)
    except Undecodable as error:
        # Not known is not absent.
        raise NodeTrouble(f"getLocks of the escrow: {error}") from error


def _funds(payload: Payload, answer: bytes) -> Seen | Judgement:
    """The escrow does nothing, silently, when it has less for us."""
    try:
        available = available_funds(answer)
    except Undecodable as error:
        raise NodeTrouble(f"getUserFunds of the escrow: {error}") from error
    if available >= payload.amount:
        return Seen(Effect.UNSEEN)
    return Judgement(Verdict.CONFLICT, f"the payee has {available} available in the escrow, not {payload.amount}")
