"""What a claim run does: with each payment that is due, by its bill, its lock and the time.

Owns      the choice between claim, release, cancel, waiting, looking and asking; the grouping; the order.
Promises  a plain function. No claim or release is planned after the lock's expiry less the margin, none twice for
          one lock, none for more than the lock holds; what could not be read finishes nothing; one job that makes
          no sense hurts only itself.
Leaves    reading locks and logs, and all sending, to whoever runs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from headrace.core.job import Job, JobId
from headrace.core.settlement import Move, SettlementState
from headrace.core.terms import Terms, number_on_chain
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.jobs.billing import Bill, Unclear, bill
from headrace.jobs.scan_order import least_scanning
from headrace.jobs.schedule import ClaimPolicy
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LockKey


@dataclass(frozen=True, slots=True)
class Read:
    """Every live lock of a payee on a chain as of one block, in the contract's order."""

    locks: Sequence[LiveLock]
    block: BlockNumber


@dataclass(frozen=True, slots=True)
class Unread:
    """They could not be read: nothing is known, least of all that there are none."""

    reason: str


Payee = tuple[ChainId, Address]
Locks = Mapping[Payee, Read | Unread]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`amount` in the token's smallest unit, 0 unless it is claimed. `send_before` in unix seconds; None: any
    time. `used_ms` is what the bill stands on."""

    job: JobId
    key: LockKey
    amount: int
    send_before: float | None
    used_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What travels together, in this order."""

    chain: ChainId
    payee: Address
    move: Move
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Said:
    """A job, and why it is where it is in the plan. `passes`: it is left for what will be otherwise soon."""

    job: JobId
    reason: str
    passes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`look`: their locks are gone, their ends must be looked for in the logs. `ask`: a person must decide.
    `left`: for a later run, as they are."""

    groups: Sequence[Group]
    look: Sequence[JobId]
    ask: Sequence[Said]
    left: Sequence[Said]


@dataclass(frozen=True, slots=True)
class _Look:
    pass


@dataclass(frozen=True, slots=True)
class _Ask:
    reason: str


@dataclass(frozen=True, slots=True)
class _Leave:
    reason: str
    passes: bool = False


_Choice = tuple[Move, Item] | _Look | _Ask | _Leave


def plan(jobs: Iterable[Job], locks: Locks, *, now: float, policy: ClaimPolicy) -> Plan:
    """`jobs` are those whose payment is due. `now` in unix seconds."""
    found = {payee: {lock.key: lock for lock in read.locks} for payee, read in _read(locks)}
    chosen: dict[tuple[ChainId, Address, Move], list[Item]] = {}
    look: list[JobId] = []
    ask: list[Said] = []
    left: list[Said] = []
    for job in jobs:
        choice = _choose(job, found, locks, now, policy)
        match choice:
            case _Look():
                look.append(job.id)
            case _Ask(reason):
                ask.append(Said(job.id, reason))
            case _Leave(reason, passes):
                left.append(Said(job.id, reason, passes))
            case (move, item):
                assert job.terms is not None
                chosen.setdefault((job.terms.chain, job.terms.payee, move), []).append(item)
            case _:
                assert_never(choice)
    return Plan(groups=_groups(chosen, locks, now, policy), look=look, ask=ask, left=left)


def _choose(
    job: Job, found: Mapping[Payee, Mapping[LockKey, LiveLock]], locks: Locks, now: float, policy: ClaimPolicy
) -> _Choice:
    terms = job.terms
    if terms is None or job.result is None or job.settlement.state is not SettlementState.DUE:
        return _Leave(f"its payment is {job.settlement.state.value}, not due")
    payee = (terms.chain, terms.payee)
    read = locks.get(payee, Unread("nobody asked"))
    if isinstance(read, Unread):
        return _Leave(f"its lock on chain {terms.chain} could not be read: {read.reason}")
    lock = found[payee].get(_key(job.id, terms))
    if lock is None and job.lock is not None and read.block < job.lock.block:
        # A node that is behind knows of no lock yet, and of no end of it either.
        said = f"its lock was read as of block {read.block}, and it is in block {job.lock.block}"
        return _Leave(said, passes=True)
    if lock is None:
        return _Look()
    if policy.is_expired(lock.expiry, now=now):
        return Move.CANCEL, Item(job=job.id, key=lock.key, amount=0, send_before=None, used_ms=0)
    send_before = policy.send_before(lock.expiry)
    if now > send_before:
        return _Leave(f"its lock expires at {lock.expiry}, too soon to claim it; it is cancelled after that")
    owed = bill(job)
    match owed:
        case Unclear(reason):
            return _Ask(reason)
        case Bill(amount=amount, used_ms=used_ms):
            # The lock on chain has the last word; by the terms it holds enough.
            amount = min(amount, lock.amount)
            item = Item(job=job.id, key=lock.key, amount=amount, send_before=send_before, used_ms=used_ms)
            return (Move.CLAIM if amount else Move.RELEASE), item
        case _:
            assert_never(owed)


def _groups(
    chosen: Mapping[tuple[ChainId, Address, Move], Sequence[Item]], locks: Locks, now: float, policy: ClaimPolicy
) -> list[Group]:
    """Claims first, as they have a last moment; each group in the array that the one before leaves."""
    groups = []
    arrays = {payee: [lock.key for lock in read.locks] for payee, read in _read(locks)}
    for move in (Move.CLAIM, Move.RELEASE, Move.CANCEL):
        for payee in arrays:
            chain, address = payee
            items = {item.key: item for item in chosen.get((chain, address, move), ())}
            if not items:
                continue
            order: list[LockKey] = []
            # Who cannot wait for another run does not wait behind those who can.
            pressing = {key for key, item in items.items() if _presses(item, now, policy)}
            for tier in (pressing, items.keys() - pressing):
                taken, arrays[payee] = least_scanning(arrays[payee], tier)
                order += taken
            groups.append(Group(chain=chain, payee=address, move=move, items=[items[key] for key in order]))
    return groups


def _presses(item: Item, now: float, policy: ClaimPolicy) -> bool:
    return item.send_before is not None and item.send_before < now + policy.interval_s


def _read(locks: Locks) -> list[tuple[Payee, Read]]:
    return [(payee, read) for payee, read in locks.items() if isinstance(read, Read)]


def _key(job: JobId, terms: Terms) -> LockKey:
    return LockKey(payee=terms.payee, payer=terms.payer, token=terms.token, job=number_on_chain(job))
