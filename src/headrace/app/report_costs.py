"""What the chain was paid to carry the tasks of a run: transactions, blocks, gas, wei.

Promises  every transaction that carried one of our tasks counts once, whatever else it carried.
"""

from collections import Counter
from dataclasses import dataclass

from headrace.app.chain_watch import ChainRecord
from headrace.app.percentiles import nearest_rank
from headrace.app.report_shape import PerTransaction


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
        tasks_by_transaction: Counter[bytes] = Counter()
        with_effect = done_twice = 0
        for task in ours:
            seen = record.tasks.get(task)
            if seen is None:
                continue
            # A set: created and responded in one transaction is one ride.
            rides = {one.transaction for one in (seen.created, seen.responded) if one is not None}
            tasks_by_transaction.update(rides)
            with_effect += bool(rides)
            done_twice += seen.creations > 1 or seen.responses > 1
        senders = {record.transactions[hash_].sender for hash_ in tasks_by_transaction}
        carrying = [
            seen
            for hash_, seen in record.transactions.items()
            if hash_ in tasks_by_transaction or (seen.tasks == 0 and seen.sender in senders)
        ]
        sizes = sorted(tasks_by_transaction.values())
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
            done_twice=done_twice,
        )
