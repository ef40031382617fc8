"""Holds poisoned legs of a load against clean ones. No I/O.

Owns      what *throughput*, *waited blocks* and *backlog* of a leg mean, and which batch had poison.
Promises  only valid tasks count for throughput and delay; what did not land is counted, never left out quietly.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.app.chain_watch import ChainRecord, TaskSeen
from headrace.app.load.endings import SaidEnding
from headrace.app.load.journal import Accepted, Entry
from headrace.app.load.task_source import Kind
from headrace.app.percentiles import nearest_rank

REASON = "InterfaceNotSupported"  # of the poison: its policy client is no policy client


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """One sealed batch: how many valid tasks landed by it, and how much poison its simulation took out."""

    valid: int
    poison: int

    @property
    def size(self) -> int:
        return self.valid + self.poison


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What one leg showed. `waited_blocks`: of each valid task that landed, sorted: its block less the newest one
    that was seen when it was asked for, so that the very next block is 1. `waited_s`: the same in seconds, until
    the block was seen. `took_s`: from the first request to the block that brought the last valid task.
    `backlog_max`: the most valid tasks that were asked for and had not landed when a block was seen."""

    poisoned: bool
    valid: int
    waited_blocks: Sequence[int]
    waited_s: Sequence[float]
    took_s: float
    backlog_max: int
    poison: int
    poison_rejected: int  # told so, by the decoded name of its own revert
    poison_on_chain: int
    batches: Sequence[BatchSeen]

    @property
    def landed(self) -> int:
        return len(self.waited_blocks)


def leg_of(
    entries: Sequence[Entry], record: ChainRecord, endings: Mapping[str, SaidEnding], *, poisoned: bool
) -> Leg:
    """`endings`: of valid and of poisoned operations, by operation id. `record` began before the first request."""
    valid = [entry for entry in entries if entry.kind is Kind.GOOD]
    poison = [entry for entry in entries if entry.kind is Kind.POISON]
    landed = [
        (entry, seen.responded) for entry in valid if (seen := _seen(entry, record)) and seen.responded is not None
    ]
    heads = sorted((at_s, number) for number, at_s in record.block_seen_at_s.items())
    asked_s = sorted(entry.scheduled_at_s for entry in valid)
    landed_s = sorted(sighting.seen_at_s for _, sighting in landed)
    return Leg(
        poisoned=poisoned,
        valid=len(valid),
        waited_blocks=sorted(
            sighting.block_number - _head_at(heads, entry.scheduled_at_s) for entry, sighting in landed
        ),
        waited_s=sorted(sighting.seen_at_s - entry.scheduled_at_s for entry, sighting in landed),
        took_s=landed_s[-1] - min(entry.scheduled_at_s for entry in entries) if landed else 0.0,
        backlog_max=max(
            # Just before the block: what it brings was still waiting.
            (bisect_left(asked_s, at_s) - bisect_left(landed_s, at_s) for at_s, _ in heads),
            default=0,
        ),
        poison=len(poison),
        poison_rejected=sum(_rejected(endings.get(entry.operation_id)) for entry in poison),
        poison_on_chain=sum(_seen(entry, record) is not None for entry in poison),
        batches=_batches(endings, [e.operation_id for e in valid], [e.operation_id for e in poison]),
    )


def _seen(entry: Entry, record: ChainRecord) -> TaskSeen | None:
    """Also one that failed inside a mined batch was on chain: it cost gas."""
    return record.tasks.get(entry.answer.task_id) if isinstance(entry.answer, Accepted) else None


def _rejected(ending: SaidEnding | None) -> bool:
    return ending is not None and ending.outcome == "rejected" and ending.revert == REASON


def _head_at(heads: Sequence[tuple[float, int]], at_s: float) -> int:
    index = bisect_right(heads, at_s, key=lambda head: head[0]) - 1
    assert index >= 0, "a request before the first block that was seen"
    return heads[index][1]


def _batches(
    endings: Mapping[str, SaidEnding], valid: Sequence[str], poison: Sequence[str]
) -> Sequence[BatchSeen]:
    """Whose simulation found which poison. A lane's batches are judged and sealed one after the other, what is
    rejected always before what stands is sealed: poison is of the first batch that was sealed after its end."""
    sealed: dict[str, float] = {}
    sizes: Counter[str] = Counter()
    for id_ in valid:
        ending = endings.get(id_)
        if ending is not None and ending.batch is not None and ending.batched_at is not None:
            sealed[ending.batch] = ending.batched_at
            sizes[ending.batch] += 1
    order = sorted(sealed, key=lambda batch: sealed[batch])
    moments = [sealed[batch] for batch in order]
    found: Counter[str] = Counter()
    for id_ in poison:
        ending = endings.get(id_)
        if _rejected(ending) and ending is not None and ending.ended_at is not None:
            index = bisect_left(moments, ending.ended_at)
            if index < len(order):
                found[order[index]] += 1
    return [BatchSeen(sizes[batch], found[batch]) for batch in order]


@dataclass(frozen=True, slots=True)
class Side:
    """All legs of one kind together."""

    legs: Sequence[Leg]

    @property
    def per_second(self) -> float:
        """Valid tasks landed a second."""
        seconds = sum(leg.took_s for leg in self.legs)
        return sum(leg.landed for leg in self.legs) / seconds if seconds else 0.0

    @property
    def backlog_max(self) -> int:
        return max((leg.backlog_max for leg in self.legs), default=0)

    def waited(self, percent: int) -> int:
        """Blocks, by nearest rank; 100 is the slowest of all. 0 where nothing landed."""
        ordered = sorted(blocks for leg in self.legs for blocks in leg.waited_blocks)
        return int(nearest_rank(ordered, percent)) if ordered else 0

    def waited_s(self, percent: int) -> float:
        ordered = sorted(seconds for leg in self.legs for seconds in leg.waited_s)
        return nearest_rank(ordered, percent) if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    clean: Side
    poisoned: Side

    @classmethod
    def of(cls, legs: Sequence[Leg]) -> "Comparison":
        return cls(Side([leg for leg in legs if not leg.poisoned]), Side([leg for leg in legs if leg.poisoned]))

    @property
    def throughput_percent(self) -> float:
        """Of the poisoned side, in per cent of the clean one."""
        return 100 * self.poisoned.per_second / self.clean.per_second if self.clean.per_second else 0.0

    def additional_blocks(self, percent: int = 100) -> int:
        """How many blocks more than on the clean side, 0 where it is fewer. By default that of the slowest."""
        return max(self.poisoned.waited(percent) - self.clean.waited(percent), 0)

    @property
    def valid_not_landed(self) -> int:
        return sum(leg.valid - leg.landed for side in (self.clean, self.poisoned) for leg in side.legs)

    @property
    def poison(self) -> int:
        return sum(leg.poison for leg in self.poisoned.legs)

    @property
    def poison_not_rejected(self) -> int:
        return sum(leg.poison - leg.poison_rejected for leg in self.poisoned.legs)

    @property
    def poison_on_chain(self) -> int:
        return sum(leg.poison_on_chain for leg in self.poisoned.legs)

    @property
    def batches(self) -> Sequence[BatchSeen]:
        """Of the poisoned side."""
        return [batch for leg in self.poisoned.legs for batch in leg.batches]

    @property
    def with_poison_percent(self) -> float:
        """Of the poisoned side's valid tasks, those whose batch had poison."""
        valid = sum(batch.valid for batch in self.batches)
        return 100 * sum(batch.valid for batch in self.batches if batch.poison) / valid if valid else 0.0
