"""Holds what the client was promised and told against what the chain shows. No I/O.

Owns      what *lost*, *doubled* and *misjudged* mean.
Promises  it knows the client's journal, what the client was told, and a record of the whole canonical chain:
          nothing of the gateway's own. Each finding says in words what is wrong.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.app.chain_watch import ChainRecord, TaskSeen
from headrace.app.chaos.told import Told, ToldBook
from headrace.app.load.journal import Accepted, Entry, Journal, Unanswered
from headrace.app.load.task_source import Kind
from headrace.app.report import WITH_EFFECT


@dataclass(slots=True)
class Judgement:
    """Findings by operation id, or by task id where nobody knows the operation."""

    operations: int = 0  # acknowledged
    valid: int = 0  # asked for and valid, acknowledged or not
    completed: int = 0  # valid, on chain, and the client was told so
    poisoned: int = 0  # acknowledged
    poison_rejected: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    misjudged: dict[str, str] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)

    @property
    def completed_percent(self) -> float:
        return 100 * self.completed / self.valid if self.valid else 0.0


def judge(journal: Journal, told: ToldBook, chain: ChainRecord) -> Judgement:
    found = Judgement()
    acknowledged = Counter(e.answer.task_id for e in journal.entries if isinstance(e.answer, Accepted))
    for entry in journal.entries:
        found.valid += entry.kind is Kind.GOOD
        if isinstance(entry.answer, Accepted):
            _judge_one(found, entry, entry.answer.task_id, told, chain.tasks.get(entry.answer.task_id))
            if acknowledged[entry.answer.task_id] > 1:
                found.lost[entry.operation_id] = "its task was acknowledged to another operation too"
    _judge_strangers(found, chain, acknowledged, journal)
    return found


def _judge_one(found: Judgement, entry: Entry, task: bytes, told: ToldBook, seen: TaskSeen | None) -> None:
    operation, ending = entry.operation_id, told.ending(entry.operation_id)
    on_chain = seen is not None and seen.responded is not None
    found.operations += 1
    if seen is not None and (seen.creations > 1 or seen.responses > 1):
        found.doubled[operation] = f"{seen.creations} creations and {seen.responses} responses on chain"
    for one in told.about(operation):
        if one.ends and (wrong := _contradiction(one, seen)):
            found.misjudged[operation] = wrong
    if ending is None:
        found.undecided[operation] = f"the client never heard how it ended; on chain: {on_chain}"
    good_end = ending is not None and ending.outcome in WITH_EFFECT
    if entry.kind is Kind.GOOD:
        if not on_chain and (ending is None or good_end):
            found.lost[operation] = "acknowledged, not on chain, and the client was not told otherwise"
        found.completed += on_chain and good_end
    elif entry.kind is Kind.POISON:
        found.poisoned += 1
        found.poison_rejected += ending is not None and ending.outcome == "rejected"


def _contradiction(told: Told, seen: TaskSeen | None) -> str | None:
    """What a told end and the chain disagree about."""
    responded = None if seen is None else seen.responded
    if (told.outcome in WITH_EFFECT) != (responded is not None):
        return f"told {told.outcome}, on chain: {responded is not None}"
    if told.outcome != "landed" or responded is None or told.transaction is None:
        return None
    if (told.transaction, told.block) != (responded.transaction, responded.block_number):
        return (
            f"told landed by 0x{told.transaction.hex()} in block {told.block}, "
            f"on chain by 0x{responded.transaction.hex()} in block {responded.block_number}"
        )
    return None


def _judge_strangers(
    found: Judgement, chain: ChainRecord, acknowledged: Mapping[bytes, int], journal: Journal
) -> None:
    """Tasks on chain that nobody was told of: a request done a second time under another task id looks like that.
    A request without an answer may be one of them, for it was never told its task."""
    excused = sum(isinstance(entry.answer, Unanswered) for entry in journal.entries)
    strangers = [
        task
        for task, seen in chain.tasks.items()
        if task not in acknowledged and (seen.created is not None or seen.responded is not None)
    ]
    for task in strangers[excused:]:
        found.doubled["0x" + task.hex()] = "a task on chain that no client was told of"
