"""What an operation costs in a batch, learned from what batches did cost.

Owns      the estimate of a batch's gas limit: per transaction, per item, per byte, per thing that items share.
Promises  the estimate follows the dearest of the recent batches, and rises at once when one ran dry; it is never
          below what the workload says that an item must be given, nor below the floor of its calldata.
Leaves    the first guess, and what items have in common, to each workload.

A node is never asked to estimate a batch: it would run it some 26 times, and for a batch that goes on after a
failing item the answer is too low by design. The one exception is a claim run (docs/decisions/0018).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.core.ports import InCommon, Workload

# Calldata plus what the contracts do with it (hashing, copying): 18 gas for each byte that an item's body grows.
GAS_PER_BYTE: Final = 18
# EIP-7623: a transaction costs at least that for a byte of calldata that is not zero, whatever it does with it.
FLOOR_GAS_PER_BYTE: Final = 40
SAMPLES_KEPT: Final = 64
MARGIN_PERCENT: Final = 6
STARVED_PERCENT: Final = 25


@dataclass(slots=True)
class ItemGas:
    """Gas of one form of one workload. Batches of equal size differ little, so the maximum of the recent
    averages is the high percentile, and the margin covers the difference between items."""

    per_transaction: int
    guess_per_item: int
    tail: int
    per_transaction_least: int | None = None
    per_item_least: int = 0
    refunds: bool = False
    samples: deque[int] = field(default_factory=lambda: deque(maxlen=SAMPLES_KEPT))

    @property
    def per_item(self) -> int:
        """Without its bytes."""
        if not self.samples:
            return self.guess_per_item
        return max(max(self.samples) * (100 + MARGIN_PERCENT) // 100, self.per_item_least)

    def of_item(self, size: int) -> int:
        return max(self.per_item + size * GAS_PER_BYTE, size * FLOOR_GAS_PER_BYTE)

    def surely(self, size: int) -> int:
        """What one item needs at the least, whatever was learned."""
        return max(self.per_item_least + size * GAS_PER_BYTE, size * FLOOR_GAS_PER_BYTE)

    def alone(self, size: int, *, most: int) -> int:
        """Gas limit of one that travels alone, where a transaction may have `most`: what was learned of others
        says what is likely, not that this one cannot be."""
        return max(min(self.of_batch([size]), most), self.fixed + self.surely(size))

    def of_batch(self, sizes: Sequence[int], *, further: int = 0) -> int:
        """Gas limit for a batch of items with these sizes in bytes. `further`: as `Company` counts it."""
        return self.fixed + sum(self.of_item(size) for size in sizes) + further

    @property
    def fixed(self) -> int:
        # The contract lets an item start only if it can be given its whole allowance, and the EVM passes on
        # at most 63/64 of what is left: the last item needs that much to be there, though it is not spent.
        return self.per_transaction + self.tail * 64 // 63

    @property
    def _once(self) -> int:
        """What of a receipt is not its items'."""
        return self.per_transaction if self.per_transaction_least is None else self.per_transaction_least

    def learn(self, *, gas_used: int, sizes: Sequence[int], further: int = 0) -> None:
        """From a receipt of a batch in which every item did its work."""
        assert sizes
        # EIP-3529: at most a fifth of what was used comes back, and it had to be there until the end.
        needed = -(-gas_used * 5 // 4) if self.refunds else gas_used
        items = needed - self._once - further - sum(sizes) * GAS_PER_BYTE
        self.samples.append(max(items // len(sizes), 0))

    def measured(self, *, gas_needed: int, sizes: Sequence[int]) -> None:
        """By a node, for the very operations that travel next: that counts instead of what was learned before.
        `gas_needed`: of one transaction that does them, before refunds."""
        assert sizes
        items = gas_needed - self._once - sum(sizes) * GAS_PER_BYTE
        self.samples.clear()
        self.samples.append(max(items // len(sizes), 0))

    def starved(self, *, gas_limit: int, sizes: Sequence[int], further: int = 0) -> None:
        """A batch with this limit ran dry: the next one gets more at once, and not less than the guess, whatever
        was learned (where all seemed to be in the bytes it may be nothing, and a quarter of that is nothing).

        More than that batch had, not more than is estimated now: of many in flight with the same estimate all run
        dry, and a quarter on each quarter would soon be more than any transaction may have."""
        assert sizes
        had = (gas_limit - self.fixed - further - sum(sizes) * GAS_PER_BYTE) // len(sizes)
        dear = max(had, self.guess_per_item)
        self.samples.append(dear * (100 + STARVED_PERCENT) // 100)


class Company:
    """What the operations of one batch have in common, as they join it one by one."""

    __slots__ = ("_known", "further")

    def __init__(self) -> None:
        self._known: set[bytes] | None = None
        self.further = 0  # gas, beyond what the first one brought

    def brings(self, shared: Iterable[InCommon]) -> int:
        """What one more would add to `further`."""
        if self._known is None:
            return 0
        return sum(one.gas for one in shared if one.what not in self._known)

    def join(self, shared: Sequence[InCommon]) -> None:
        self.further += self.brings(shared)
        self._known = self._known or set()
        self._known.update(one.what for one in shared)

    @staticmethod
    def of(members: Iterable[Sequence[InCommon]]) -> "Company":
        company = Company()
        for shared in members:
            company.join(shared)
        return company


class GasBook:
    """What each form of each workload costs. One per chain; small: a few numbers per form."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str, str], ItemGas] = {}

    def of(self, workload: Workload, form: str) -> ItemGas:
        """The workload's guess for as long as nothing is learned."""
        key = (workload.name, form)
        if key not in self._forms:
            guess = workload.gas_guess(form)
            self._forms[key] = ItemGas(
                per_transaction=guess.per_transaction,
                guess_per_item=guess.per_item,
                tail=guess.tail,
                per_transaction_least=guess.per_transaction_least,
                per_item_least=guess.per_item_least,
                refunds=guess.refunds,
            )
        return self._forms[key]
