"""Tells the whole story of an operation, a batch, a transaction or a nonce, in words, from the store.

Owns      what `headrace inspect` prints.
Promises  it only reads, beside a running gateway or after it died.
Leaves    what happened to those who noted it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from headrace.core.amounts import wei_in_words
from headrace.core.operation import Account, Ride, Stage
from headrace.core.ports import Evaluation, LaneAccount, LedgerEntry, Line, Reader
from headrace.core.transaction import (
    Cancel,
    InFlight,
    Mined,
    Settled,
    Taken,
    Transaction,
    Void,
    mined_of,
    signed,
)
from headrace.core.words import Address, BatchId, Nonce, OperationId, Outcome, TxHash
from headrace.engine.story import told_fees
from headrace.operators.evaluation import Certified, Failed, Refused, result_of

CARRIED_SHOWN_MAX = 20
NONCE_DIGITS_MAX = 18  # all that a store can hold fit, and no account ever gets there


class StoryReader(Reader, Protocol):
    """What a story needs of the store."""

    async def evaluation(self, operation: OperationId) -> Evaluation | None: ...

    async def evaluation_about(self, subject: bytes) -> Evaluation | None: ...


@dataclass(frozen=True, slots=True)
class Story:
    title: str
    lines: tuple[Line, ...]


async def stories_of(id: str, reader: StoryReader) -> list[Story]:
    """`id` is an operation id, a task id, a batch id, a transaction hash, a nonce (LANE/NONCE where several lanes
    have it) or a lane's address. Empty where none has it."""
    stories = []
    account = await reader.account(OperationId(id))
    evaluation = await reader.evaluation(OperationId(id))
    if account is not None or evaluation is not None:
        return [await _operation(OperationId(id), account, evaluation, reader)]
    if (key := _bytes(id, 32)) is not None:
        evaluation = await reader.evaluation_about(key)
        accounts: dict[OperationId, Account | None] = {}
        for found in await reader.accounts_about(key):
            accounts[found.operation.id] = found
        if evaluation is not None:
            accounts.setdefault(evaluation.operation, None)
        for operation, about in accounts.items():
            own = evaluation if evaluation is not None and evaluation.operation == operation else None
            stories.append(await _operation(operation, about, own, reader))
        if stories:
            return stories
    entry = await _ledger_entry(id, key, reader)
    if entry is not None:
        return [await _transaction(entry, reader)]
    lane = id.lower()
    return [await _lane(account, reader) for account in await reader.lanes() if f"0x{account.lane.hex()}" == lane]


async def _ledger_entry(id: str, key: bytes | None, reader: StoryReader) -> LedgerEntry | None:
    if key is not None and (entry := await reader.ledger_entry(hash=TxHash(key))) is not None:
        return entry
    lane, slash, nonce = id.rpartition("/")
    if len(nonce) <= NONCE_DIGITS_MAX and nonce.isdecimal():
        if not slash:
            return await reader.ledger_entry(nonce=Nonce(int(nonce)))
        if (address := _bytes(lane, 20)) is not None:
            return await reader.ledger_entry(lane=Address(address), nonce=Nonce(int(nonce)))
    return await reader.ledger_entry(batch=BatchId(id))


# ---- An operation


async def _operation(
    id: OperationId, account: Account | None, evaluation: Evaluation | None, reader: StoryReader
) -> Story:
    lines = [*_evaluated(evaluation), *await reader.lines(id)]
    if account is None:
        return Story(f"operation {id}: not recorded on chain", tuple(lines))
    if (ride := account.ride) is None:
        lines = [*_saved(account), *lines]
    else:
        entry = await reader.ledger_entry(lane=ride.lane, nonce=ride.nonce)
        on_its_way = await reader.lines(f"0x{ride.lane.hex()}/{ride.nonce}")
        # Of one moment: what it did, what was noted, where that led.
        lines = [
            *_saved(account),
            *lines,
            *_sent(account, ride, entry),
            *on_its_way,
            *_mined(account, ride, entry),
        ]
    lines = sorted(lines, key=lambda line: line.at)
    last_at = lines[-1].at if lines else account.operation.received_at
    lines += [Line(at=account.done_at or last_at, subject=id, text=text) for text in _ended(account)]
    operation = account.operation
    title = f"{operation.workload} {operation.kind} {id}, about 0x{operation.subject.hex()}: {_state(account)}"
    return Story(title, tuple(lines))


def _state(account: Account) -> str:
    if account.outcome is None:
        return account.state.value
    return account.outcome.value


def _evaluated(evaluation: Evaluation | None) -> list[Line]:
    if evaluation is None:
        return []
    at, subject = evaluation.received_at, evaluation.operation
    lines = [Line(at=at, subject=subject, text=f"asked for; task 0x{evaluation.subject.hex()} built and saved")]
    match result_of(evaluation):
        case Certified(signers=signers, non_signers=silent):
            text = f"{len(signers)} operators signed, {len(silent)} did not; the caller has the certificate"
        case Refused(message=message):
            text = f"not recorded: {message}"
        case Failed(message=message):
            text = f"not recorded: {message}"
        case None if evaluation.resume:
            text = "the operators are being asked"
        case None:
            # Whether they are being asked just now only the gateway knows; the store does not.
            text = "no answer yet; if nobody waits for one any more, ask again with the same id"
    return [*lines, Line(at=at, subject=subject, text=text)]


def _saved(account: Account) -> list[Line]:
    operation = account.operation
    text = "saved, queued" if operation.after is None else f"saved, after {operation.after}"
    return [Line(at=operation.received_at, subject=operation.id, text=text)]


def _sent(account: Account, ride: Ride, entry: LedgerEntry | None) -> list[Line]:
    id, place = account.operation.id, f"nonce {ride.nonce} of lane 0x{ride.lane.hex()}"
    sealed = f"sealed as item {ride.index} of batch {ride.batch}, {place}"
    lines = [Line(at=account.batched_at or 0.0, subject=id, text=sealed)]
    if account.sent_at is not None:
        lines.append(Line(at=account.sent_at, subject=id, text=f"sent as 0x{_first_hash(ride, entry).hex()}"))
    return lines


def _mined(account: Account, ride: Ride, entry: LedgerEntry | None) -> list[Line]:
    if account.mined_at is None:
        return []
    first = _first_hash(ride, entry) == ride.hash
    won = "" if first else f" as 0x{ride.hash.hex()} (one of {ride.attempts} attempts)"
    mined = None if entry is None else mined_of(entry.transaction)
    did = ", and reverted" if mined is not None and not mined.ok else ""
    share = f"its share {ride.gas_share} gas, {wei_in_words(ride.cost_share_wei)}"
    text = f"mined{won} in block {ride.block}{did}; {share}"
    return [Line(at=account.mined_at, subject=account.operation.id, text=text)]


def _first_hash(ride: Ride, entry: LedgerEntry | None) -> TxHash:
    return ride.hash if entry is None else signed(entry.transaction).attempts[0].hash


def _ended(account: Account) -> list[str]:
    """What became of it, or what it waits for."""
    if account.outcome is not None:
        return [_outcome(account, account.outcome)]
    now = _WAITS_FOR[account.stage]
    if account.reason:
        now += f"; the last that happened: {account.reason}"
    if account.revert is not None:
        now += f"; the contract said {account.revert}"
    return [f"now: {now}"]


_WAITS_FOR: Final[Mapping[Stage, str]] = {
    Stage.WAITING: "waiting for the operation it comes after",
    Stage.QUEUED: "queued for the next batch",
    Stage.CLAIMED: "being put into a batch",
    Stage.SEALED: "riding in its transaction, until that is final",
    Stage.DONE: "done",
}


def _outcome(account: Account, outcome: Outcome) -> str:
    text = f"done: {outcome.value}"
    if outcome is Outcome.LANDED:
        text += ", its own effect is in a final block"
    if account.reason:
        text += f"; {account.reason}"
    if account.revert is not None:
        text += f"; the contract said {account.revert}"
    if account.ride is None and account.revert is not None:
        text += "; found by simulation, so that nothing was sent for it and nothing paid"
    return text


# ---- A transaction


async def _transaction(entry: LedgerEntry, reader: StoryReader) -> Story:
    in_flight, mined = signed(entry.transaction), mined_of(entry.transaction)
    subject = f"0x{entry.lane.hex()}/{in_flight.nonce}"
    notes = await reader.lines(subject)
    carries = "nothing (fills its nonce)" if in_flight.batch is None else f"batch {in_flight.batch}"
    texts = [
        (
            in_flight.sealed_at,
            f"sealed: {carries}, {_count(len(entry.operations), 'operation')} "
            f"({entry.workload} {entry.form}), gas limit {in_flight.gas_limit}",
        )
    ]
    for attempt in in_flight.attempts:
        hash = f"0x{attempt.hash.hex()}"
        if not any(hash in note.text for note in notes):  # the others tell when and why they were signed
            text = f"signed as {hash} ({attempt.purpose.value}): {told_fees(attempt.fees)}"
            texts.append((in_flight.sealed_at, text))
    if in_flight.sent_at is not None:
        texts.append((in_flight.sent_at, "sent to a node"))
    lines = [*(Line(at=at, subject=subject, text=text) for at, text in texts), *notes]
    if mined is not None:
        did = "" if mined.ok else ", and reverted"
        cost = f"{mined.gas_used} gas at {wei_in_words(mined.gas_price_wei)}"
        text = f"mined as 0x{mined.winner.hex()} in block {mined.block}{did}: {cost}"
        lines.append(Line(at=mined.mined_at, subject=subject, text=text))
    lines = sorted(lines, key=lambda line: line.at)
    # The newest that is known: the rest of the story says when.
    at = lines[-1].at
    lines.append(Line(at=at, subject=subject, text=_now(entry.transaction)))
    if entry.operations:
        lines.append(Line(at=at, subject=subject, text=await _carried(entry, reader)))
    title = f"nonce {in_flight.nonce} of lane 0x{entry.lane.hex()} on chain {entry.chain}: {carries}"
    return Story(title, tuple(lines))


async def _carried(entry: LedgerEntry, reader: StoryReader) -> str:
    """Each with how it is now, which may be the work of another transaction."""
    told = []
    for id in entry.operations[:CARRIED_SHOWN_MAX]:
        account = await reader.account(id)
        told.append(id if account is None else f"{id} ({_state(account)})")
    more = len(entry.operations) - len(told)
    return f"carried {', '.join(told)}" + (f" and {more} more" if more else "")


def _now(transaction: Transaction) -> str:
    match transaction:
        case InFlight(help_wanted=str() as reason):
            return f"now: needs a person: {reason}"
        case InFlight(cancelled=Cancel()):
            return "now: cancelled by hand; waiting for the no-op that fills its nonce to be mined"
        case InFlight():
            return "now: waiting to be mined"
        case Taken(since=since):
            return f"now: a foreign transaction has the nonce since block {since}; waiting until that is final"
        case Void():
            return "now: final without us; what rode here travels again"
        case Mined():
            return "now: mined, not final yet"
        case Settled():
            return "now: final"


# ---- A lane


async def _lane(account: LaneAccount, reader: StoryReader) -> Story:
    """Where it stands, and what people did to it by hand."""
    subject = f"0x{account.lane.hex()}"
    lines = list(await reader.lines(subject))
    now = (
        f"now: {account.state.value}; next nonce {account.next_nonce}, {account.in_flight} in flight, "
        f"{account.mined} mined and not final, {account.settled} final"
    )
    lines.append(Line(at=lines[-1].at if lines else 0.0, subject=subject, text=now))
    return Story(f"lane {subject} of chain {account.chain}: {account.state.value}", tuple(lines))


# ---- As text


def as_text(story: Story) -> str:
    return "\n".join([story.title, *(f"  {_time(line.at)}  {line.text}" for line in story.lines)])


def as_json(stories: Sequence[Story]) -> list[dict[str, object]]:
    return [
        {"title": s.title, "lines": [{"at": li.at, "subject": li.subject, "text": li.text} for li in s.lines]}
        for s in stories
    ]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bytes(text: str, size: int) -> bytes | None:
    digits = text.removeprefix("0x")
    if len(digits) != 2 * size:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None
