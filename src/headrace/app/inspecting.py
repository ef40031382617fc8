"""Tells the whole story of an operation, a batch, a transaction or a nonce, in words, from the store.

Owns      what `headrace inspect` prints.
Promises  it only reads, beside a running gateway or after it died.
Leaves    what happened to those who noted it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from headrace.core.operation import Account, Stage
from headrace.core.ports import Evaluation, LedgerEntry, Line, Reader
from headrace.core.transaction import InFlight, Mined, Settled, Taken, Transaction, Void, signed
from headrace.core.words import BatchId, Nonce, OperationId, Outcome, TxHash
from headrace.operators.evaluation import Certified, Failed, Refused, result_of

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
    """`id` is an operation id, a task id, a batch id, a transaction hash or a nonce. Empty where none has it."""
    stories = []
    account = await reader.account(OperationId(id))
    evaluation = await reader.evaluation(OperationId(id))
    if account is not None or evaluation is not None:
        return [await _operation(OperationId(id), account, evaluation, reader)]
    if (key := _bytes32(id)) is not None:
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
    return [] if entry is None else [await _transaction(entry, reader)]


async def _ledger_entry(id: str, key: bytes | None, reader: StoryReader) -> LedgerEntry | None:
    if key is not None and (entry := await reader.ledger_entry(hash=TxHash(key))) is not None:
        return entry
    if len(id) <= NONCE_DIGITS_MAX and id.isdecimal():
        return await reader.ledger_entry(nonce=Nonce(int(id)))
    return await reader.ledger_entry(batch=BatchId(id))


# ---- An operation


async def _operation(
    id: OperationId, account: Account | None, evaluation: Evaluation | None, reader: StoryReader
) -> Story:
    lines = [*_evaluated(evaluation), *await reader.lines(id)]
    if account is None:
        return Story(f"operation {id}: not recorded on chain", tuple(lines))
    lines += _travelled(account)
    if account.ride is not None:
        lane = f"0x{account.ride.lane.hex()}"
        lines += await reader.lines(f"{lane}/{account.ride.nonce}")
    lines += _ended(account)
    operation = account.operation
    title = f"{operation.workload} {operation.kind} {id}, about 0x{operation.subject.hex()}: {_state(account)}"
    return Story(title, tuple(sorted(lines, key=lambda line: line.at)))


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


def _travelled(account: Account) -> list[Line]:
    operation, ride = account.operation, account.ride
    texts = [
        (operation.received_at, "saved, queued" if operation.after is None else f"saved, after {operation.after}")
    ]
    if ride is not None:
        place = f"nonce {ride.nonce} of lane 0x{ride.lane.hex()}"
        texts.append((account.batched_at or 0.0, f"sealed as item {ride.index} of batch {ride.batch}, {place}"))
        if account.sent_at is not None:
            texts.append((account.sent_at, f"sent as 0x{ride.hash.hex()} ({_count(ride.attempts, 'attempt')})"))
        if account.mined_at is not None:
            cost = f"its share {ride.gas_share} gas, {ride.cost_share_wei} wei"
            texts.append((account.mined_at, f"mined in block {ride.block}; {cost}"))
    return [Line(at=at, subject=operation.id, text=text) for at, text in texts]


def _ended(account: Account) -> list[Line]:
    if account.stage is not Stage.DONE or account.outcome is None:
        if account.revert is None:
            return []
        return [
            Line(at=account.operation.received_at, subject=account.operation.id, text=f"last: {account.revert}")
        ]
    text = f"done: {account.outcome.value}"
    if account.outcome is Outcome.LANDED:
        text += ", its own effect is in a final block"
    if account.reason:
        text += f"; {account.reason}"
    if account.revert is not None:
        text += f"; the contract said {account.revert}"
    return [Line(at=account.done_at or 0.0, subject=account.operation.id, text=text)]


# ---- A transaction


async def _transaction(entry: LedgerEntry, reader: StoryReader) -> Story:
    in_flight = signed(entry.transaction)
    subject = f"0x{entry.lane.hex()}/{in_flight.nonce}"
    carries = "nothing (fills its nonce)" if in_flight.batch is None else f"batch {in_flight.batch}"
    lines = [
        Line(
            at=in_flight.sealed_at,
            subject=subject,
            text=f"sealed: {carries}, {_count(len(entry.operations), 'operation')} "
            f"({entry.workload} {entry.form}), gas limit {in_flight.gas_limit}",
        )
    ]
    for attempt in in_flight.attempts:
        text = (
            f"attempt 0x{attempt.hash.hex()} ({attempt.purpose.value}): max fee {attempt.fees.max_fee_wei} wei, "
        )
        lines.append(Line(at=in_flight.sealed_at, subject=subject, text=f"{text}tip {attempt.fees.tip_wei} wei"))
    if in_flight.sent_at is not None:
        lines.append(Line(at=in_flight.sent_at, subject=subject, text="offered to a node"))
    lines += await reader.lines(subject)
    lines += [Line(at=_at(entry.transaction), subject=subject, text=_now(entry.transaction))]
    if entry.operations:
        shown = ", ".join(entry.operations[:20])
        more = f" and {len(entry.operations) - 20} more" if len(entry.operations) > 20 else ""
        lines.append(Line(at=_at(entry.transaction), subject=subject, text=f"carries {shown}{more}"))
    title = f"nonce {in_flight.nonce} of lane 0x{entry.lane.hex()} on chain {entry.chain}: {carries}"
    return Story(title, tuple(lines))


def _at(transaction: Transaction) -> float:
    match transaction:
        case Mined(mined_at=at) | Settled(mined=Mined(mined_at=at)):
            return at
        case _:
            return signed(transaction).sealed_at


def _now(transaction: Transaction) -> str:
    match transaction:
        case InFlight(help_wanted=None):
            return "now: waiting to be mined"
        case InFlight(help_wanted=reason):
            return f"now: needs a person: {reason}"
        case Taken(since=since):
            return f"now: a foreign transaction has the nonce since block {since}; waiting until that is final"
        case Void():
            return "now: final without us; what rode here travels again"
        case Mined() | Settled(mined=Mined()):
            mined = transaction if isinstance(transaction, Mined) else transaction.mined
            final = "final" if isinstance(transaction, Settled) else "not final yet"
            did = "" if mined.ok else ", and reverted"
            return (
                f"mined as 0x{mined.winner.hex()} in block {mined.block}{did}, {final}: "
                f"{mined.gas_used} gas at {mined.gas_price_wei} wei"
            )


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


def _bytes32(text: str) -> bytes | None:
    digits = text.removeprefix("0x")
    if len(digits) != 64:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None
