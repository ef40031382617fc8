"""Invariants about bytes: what a node may be shown, and when a transaction may be called final."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.core.transaction import Settled, Void
from headrace.core.words import Address
from headrace.testing.raw_transaction import RawTransaction
from headrace.workloads.tasks import batches
from headrace.workloads.tasks.payload import CREATE, RESPOND
from sim.holding import invariant
from sim.profile import BUMP_PERCENT, GWEI
from sim.witness import saved_raw

_FORM: Final = {
    selector: form for table in (batches.STRICT, batches.TRY, batches.SINGLE) for form, selector in table.items()
}


def carried(world: Any, transaction: RawTransaction) -> Iterator[tuple[bytes, str]]:
    """Which effects its calldata is after: task id, and `create` or `respond`."""
    if not transaction.data:
        return
    form = _FORM[transaction.data[:4]]
    for subject in {w.subject: None for w in world.wishes.all}:
        if subject in transaction.data:
            if form != RESPOND:
                yield subject, CREATE
            if form != CREATE:
                yield subject, RESPOND


@invariant("sent", "saved-before-seen")
def is_saved(world: Any, transaction: RawTransaction) -> Iterator[str]:
    if saved_raw(world.db, transaction.hash) != transaction.raw:
        yield f"nonce {transaction.nonce}: a node sees 0x{transaction.hash.hex()}, the store does not have it"


@invariant("end", "no-attempt-forgotten")
def is_remembered(world: Any, _: None) -> Iterator[str]:
    for (_lane, nonce), transactions in world.witness.seen.items():
        for transaction in transactions:
            if saved_raw(world.db, transaction.hash) != transaction.raw:
                yield f"nonce {nonce}: 0x{transaction.hash.hex()} was sent and is not in the store any more"


@invariant("sent", "fees-under-the-ceiling")
def is_affordable(world: Any, transaction: RawTransaction) -> Iterator[str]:
    ceiling_wei = world.profile.ceiling_gwei * GWEI
    if transaction.data:
        ceiling_wei = ceiling_wei * 100 // (100 + BUMP_PERCENT)  # room for the no-op after it
    if transaction.max_fee_wei > ceiling_wei:
        yield f"nonce {transaction.nonce}: {transaction.max_fee_wei} wei is over the ceiling of {ceiling_wei}"


@invariant("sent", "a-nonce-carries-one-batch")
def is_the_same_batch(world: Any, transaction: RawTransaction) -> Iterator[str]:
    if not transaction.data:
        return
    for other in world.witness.seen.get((transaction.sender, transaction.nonce), ()):
        if other.data and other.data != transaction.data:
            yield f"nonce {transaction.nonce}: two batches under it"


@invariant("sent", "given-up-is-given-up")
def is_wanted(world: Any, transaction: RawTransaction) -> Iterator[str]:
    seen = world.witness.seen.get((transaction.sender, transaction.nonce), ())
    had_won = any(other.data and other.hash in world.witness.undone for other in seen)
    if transaction.data and any(not other.data for other in seen) and not had_won:
        yield f"nonce {transaction.nonce}: its batch is offered again, after a no-op was sent to fill it"


@invariant("sent", "no-effect-twice")
def rides_once(world: Any, transaction: RawTransaction) -> Iterator[str]:
    witness = world.witness
    here = (transaction.sender, transaction.nonce)
    if here in witness.seen:
        return
    mine = {effect for effect in carried(world, transaction) if not _has_twin(world, *effect)}
    for (lane, nonce), others in witness.seen.items() if mine else ():
        if nonce < witness.final_nonce.get(lane, 0) or any(o.hash in witness.undone for o in others):
            continue
        both = mine & {effect for other in others for effect in carried(world, other)}
        for subject, part in sorted(both):
            yield (
                f"{part} of task 0x{subject.hex()[:8]} is sent under nonce {transaction.nonce} of lane "
                f"0x{transaction.sender.hex()[:6]}, while nonce {nonce} of lane 0x{lane.hex()[:6]} carries it too "
                "and is not final"
            )


def _has_twin(world: Any, subject: bytes, part: str) -> bool:
    """Whether several operations are after this effect: then each may ride."""
    about = world.wishes.about(subject)
    return sum(w.creates if part == CREATE else w.responds for w in about) > 1


@invariant("sent", "no-response-before-its-task")
def has_its_task(world: Any, transaction: RawTransaction) -> Iterator[str]:
    if not transaction.data or _FORM[transaction.data[:4]] != RESPOND:
        return
    for subject, _part in carried(world, transaction):
        if subject not in world.witness.tasks_ever:
            yield f"a response to task 0x{subject.hex()[:8]} is sent, and no block ever had the task"


@invariant("settling", "settled-only-on-the-canonical-chain")
def is_final(world: Any, settling: tuple[Address, Settled | Void]) -> Iterator[str]:
    if world.profile.deep:
        return
    (lane, final), chain, witness = settling, world.chain, world.witness
    if isinstance(final, Void):
        nonce = final.in_flight.nonce
        if nonce >= witness.final_nonce.get(lane, 0):
            yield f"nonce {nonce} is given up, and no final block has spent it"
        for attempt in final.in_flight.attempts:
            if chain.receipt(attempt.hash) is not None:
                yield f"nonce {nonce} is given up, and 0x{attempt.hash.hex()} is on the chain"
        return
    mined = final.mined
    block = chain.by_hash(mined.block_hash)
    if block is None:
        yield f"0x{mined.winner.hex()} is settled in block {mined.block}, which is not canonical"
    elif all(t.hash != mined.winner for t in block.transactions):
        yield f"0x{mined.winner.hex()} is settled in block {mined.block}, which does not have it"
    if mined.block > witness.final_block:
        yield f"0x{mined.winner.hex()} is settled in block {mined.block}; final is block {witness.final_block}"
