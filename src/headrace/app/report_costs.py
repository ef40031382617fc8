"""What the chain was paid to carry the tasks of a run: transactions, blocks, gas, wei.

Promises  every transaction that carried one of our tasks counts once, whatever else it carried.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.app.chain_watch import ChainRecord, TransactionSeen
from headrace.app.percentiles import nearest_rank
from headrace.app.report_shape import PerTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ride:
    """A mined transaction that carried tasks of ours: how many it created, answered, and had in it in all."""

    hash: bytes
    seen: TransactionSeen
    created: int
    responded: int
    tasks: int


def rides(record: ChainRecord, ours: frozenset[bytes]) -> Sequence[Ride]:
    """In the order of the chain."""
    created: Counter[bytes] = Counter()
    responded: Counter[bytes] = Counter()
    tasks: Counter[bytes] = Counter()
    for task in ours:
        seen = record.tasks.get(task)
        if seen is None:
            continue
        if seen.created is not None:
            created[seen.created.transaction] += 1
        if seen.responded is not None:
            responded[seen.responded.transaction] += 1
        # A set: created and responded in one transaction is one ride.
        tasks.update({one.transaction for one in (seen.created, seen.responded) if one is not None})
    return [
        Ride(hash=hash_, seen=seen, created=created[hash_], responded=responded[hash_], tasks=tasks[hash_])
        for hash_, seen in record.transactions.items()
        if hash_ in tasks
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The transactions that carried our tasks, and those of the same senders that carried nothing (reverted, or
    every item failed): they were paid for too. Transactions with others' tasks only are none of ours."""

    transactions: int
    reverted: int
    blocks: int
    per_transaction: PerTransaction
    gas_total: int
    gas_per_operation: int
    cost_wei: int
    done_twice: int

    @classmethod
    def by(cls, record: ChainRecord, ours: frozenset[bytes]) -> "Carried":
        carried = rides(record, ours)
        seen_of_ours = [seen for task in ours if (seen := record.tasks.get(task)) is not None]
        with_effect = sum(seen.created is not None or seen.responded is not None for seen in seen_of_ours)
        senders = {ride.seen.sender for ride in carried}
        carrying = [ride.seen for ride in carried]
        carrying += [seen for seen in record.transactions.values() if seen.tasks == 0 and seen.sender in senders]
        sizes = sorted(ride.tasks for ride in carried)
        gas_total = sum(seen.gas_used for seen in carrying)
        return cls(
            transactions=len(carrying),
            reverted=sum(not seen.ok for seen in carrying),
            blocks=len({seen.sighting.block_hash for seen in carrying}),
            per_transaction={
                "p50": int(nearest_rank(sizes, 50)) if sizes else 0,
                "max": sizes[-1] if sizes else 0,
            },
            gas_total=gas_total,
            gas_per_operation=round(gas_total / with_effect) if with_effect else 0,
            cost_wei=sum(seen.fee_wei for seen in carrying),
            done_twice=sum(seen.creations > 1 or seen.responses > 1 for seen in seen_of_ours),
        )
