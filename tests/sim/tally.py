"""What a run has been through, counted: whoever doubts that the simulation meets trouble reads it here."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

_COUNTS: Final = {
    "operations": "SELECT count(*) FROM operations",
    "transactions": "SELECT count(*) FROM transactions",
    "transactions replaced": "SELECT count(DISTINCT transaction_seq) FROM attempts WHERE position > 0",
    "transactions with a no-op": "SELECT count(DISTINCT transaction_seq) FROM attempts WHERE purpose = 'no_op'",
    "transactions that reverted": "SELECT count(*) FROM transactions WHERE ok = 0",
    "nonces a stranger took for good": "SELECT count(*) FROM transactions WHERE state = 'void'",
    "nonces a stranger held": "SELECT count(*) FROM notes WHERE text LIKE 'a foreign transaction has this nonce%'",
    "attempts": "SELECT count(*) FROM attempts",
    "operations that spent retries": "SELECT count(*) FROM operations WHERE retries > 0",
    "retractions": "SELECT count(*) FROM notes WHERE text LIKE '%was uncled%'",
}


def tally_of(world: Any, taken: Mapping[str, int]) -> Counter[str]:
    counts: Counter[str] = Counter({f"step {name}": count for name, count in taken.items()})
    counts["deaths"] = world.deaths
    if not world.path.is_file():
        return counts
    for name, sql in _COUNTS.items():
        counts[name] = world.db.execute(sql).fetchone()[0]
    for row in world.db.execute("SELECT outcome, operations FROM outcomes"):
        counts[f"outcome {row['outcome']}"] = row["operations"]
    return counts
