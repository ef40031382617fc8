"""How much one lane may put in flight now: gas of a block, gas and bytes of a transaction, coin.

Owns      the limits as numbers for `core.packing`, and what is known of the account's balance.
Promises  an account is asked for its balance only when what is known is short; what is in flight counts as spent.
Leaves    when to use the room to the packer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.core.gas import Company, GasBook
from headrace.core.operation import Operation
from headrace.core.packing import Limits, Packed, fits_about, pack
from headrace.core.ports import Node, Workload
from headrace.core.words import Block
from headrace.engine.lane_runner import LaneRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLimits:
    """`block_share`: the part of a block's gas that this lane's unmined transactions may ask for."""

    gas_per_transaction: int
    bytes_per_transaction: int
    block_share: float


ITEM_BYTES: Final = 1500  # until an operation of that form was seen


class Room:
    """`most`: the operator's own bounds on a batch, by form; others have only their workload's."""

    def __init__(
        self,
        *,
        node: Node,
        lane: LaneRunner,
        workloads: Sequence[Workload],
        gas_book: GasBook,
        limits: ChainLimits,
        most: Mapping[str, int],
    ) -> None:
        self._node, self._lane, self._workloads = node, lane, workloads
        self._gas_book, self._limits, self._most = gas_book, limits, most
        self._item_bytes: dict[tuple[str, str], int] = {}  # of the newest of a form: how large a full batch is
        self._balance_wei: int | None = None  # a lower bound, until asked again

    # ---- What the packer tells

    def saw_item(self, workload: Workload, form: str, size: int) -> None:
        self._item_bytes[workload.name, form] = size

    def spend(self, wei: int) -> None:
        if self._balance_wei is not None:
            self._balance_wei -= wei

    def take_share(self, block_share: float) -> None:
        """This lane's part of a block from now on: a drained lane leaves its own to the others."""
        self._limits = replace(self._limits, block_share=block_share)

    # ---- Gas, bytes, count

    def gas_limit_of(self, workload: Workload, form: str, operations: Sequence[Operation]) -> int:
        """With which these would travel as one batch."""
        sizes = [workload.size(operation) for operation in operations]
        further = Company.of(map(workload.in_common, operations)).further
        return min(self._gas_book.of(workload, form).of_batch(sizes, further=further), self.most_gas())

    def claim_most(self, workload: Workload) -> int:
        """No more than may fit now: what is claimed in vain is written twice."""
        items = [self._gas_book.of(workload, f).of_item(self._bytes_of(workload, f)) for f in workload.forms]
        full = max(self._full_by_form(workload))
        return min(full * self._lane.free_transactions(), self.free_gas() // min(items) + 1)

    def pack(self, workload: Workload, form: str, operations: Sequence[Operation]) -> Packed:
        return pack(
            operations,
            gas=self._gas_book.of(workload, form),
            size=workload.size,
            in_common=workload.in_common,
            limits=Limits(
                gas_per_transaction=self._limits.gas_per_transaction,
                gas_alone=self.most_gas(),
                bytes_per_transaction=self._limits.bytes_per_transaction,
                operations_per_transaction=self._most_of(workload, form),
                transactions=self.transactions(workload, form),
                gas_total=min(self.free_gas(), self._affordable_gas()),
            ),
        )

    def transactions(self, workload: Workload, form: str) -> int:
        """How many more of this form may be in flight."""
        free = self._lane.free_transactions()
        if form not in workload.in_turn:
            return free
        return 0 if self._lane.carries(workload, workload.in_turn) else min(free, 1)

    def _most_of(self, workload: Workload, form: str) -> int:
        most = min(workload.most_per_transaction, self._most.get(form, workload.most_per_transaction))
        refused = self._lane.refusals.most(workload.name, form)
        return most if refused is None else min(most, refused)

    def _affordable_gas(self) -> int:
        head = self._lane.head
        if head is None or self._balance_wei is None:
            return 0
        return self._balance_wei // max(self._lane.fees(head).max_fee_wei, 1)

    def free_gas(self) -> int:
        """What of our share of a block nothing of ours asks for yet."""
        free = self._share() - self._lane.gas_in_flight()
        return free if free >= self._least_gas() else 0

    def _least_gas(self) -> int:
        """Of a batch with one operation: less room than that is none."""
        return min(self._alone())

    def _alone(self) -> list[int]:
        """Gas of a batch with one operation, of each form."""
        return [
            self._gas_book.of(workload, form).alone(self._bytes_of(workload, form), most=self.most_gas())
            for workload in self._workloads
            for form in workload.forms
        ]

    def _bytes_of(self, workload: Workload, form: str) -> int:
        return self._item_bytes.get((workload.name, form), ITEM_BYTES)

    def full(self) -> int:
        """How many operations fill a transaction, of whichever workload needs the fewest."""
        return min(count for workload in self._workloads for count in self._full_by_form(workload))

    def _full_by_form(self, workload: Workload) -> list[int]:
        counts = []
        for form in workload.forms:
            limits = Limits(
                gas_per_transaction=self._limits.gas_per_transaction,
                gas_alone=self._limits.gas_per_transaction,
                bytes_per_transaction=self._limits.bytes_per_transaction,
                operations_per_transaction=self._most_of(workload, form),
                transactions=1,
                gas_total=self._limits.gas_per_transaction,
            )
            gas = self._gas_book.of(workload, form)
            counts.append(fits_about(gas=gas, item_bytes=self._bytes_of(workload, form), limits=limits))
        return counts

    def most_gas(self) -> int:
        """That one transaction of this lane may have, whatever its account has."""
        return min(self._limits.gas_per_transaction, self._share())

    def gas_left(self) -> int:
        """That one more transaction may have now."""
        left = self._share() - self._lane.gas_in_flight()
        return min(self._limits.gas_per_transaction, left, self._affordable_gas())

    def gas_left_when_empty(self) -> int:
        """That one transaction may have once nothing else is in flight, as far as the coin goes too."""
        return min(self.most_gas(), self.gas_left() + self._lane.gas_in_flight())

    def _share(self) -> int:
        """Of a block's gas."""
        head = self._lane.head
        return 0 if head is None else int(head.gas_limit * self._limits.block_share)

    def cramped(self, head: Block) -> str | None:
        """Why not even one operation may ever travel, if so."""
        share = int(head.gas_limit * self._limits.block_share)
        need = max(self._alone())
        if need <= share:
            return None
        return f"one operation may need {need} gas, this lane's share of a block is {share}: raise block_share"

    # ---- Coin

    @property
    def balance_wei(self) -> int | None:
        """What the account has at least, when everything in flight costs its most. None: not asked yet."""
        return self._balance_wei

    @property
    def funds_in_doubt(self) -> bool:
        return self._balance_wei is None or self._balance_wei <= 0

    async def unfunded(self, head: Block) -> str | None:
        """Why the account cannot pay for a full transaction, if so. Asks only when what is known is short."""
        need = self._limits.gas_per_transaction * self._lane.fees(head).max_fee_wei
        if self._balance_wei is None or self._balance_wei < need or self._lane.help_wanted is not None:
            # What is in flight may cost its whole limit, and nodes count that before they take more.
            self._balance_wei = await self._node.balance(self._lane.address) - self._lane.wei_in_flight()
        if self._balance_wei >= need:
            return None
        if self._affordable_gas() >= max(self._alone()):
            return None
        return (
            f"the lane's account 0x{self._lane.address.hex()} has {self._balance_wei} wei, one transaction "
            f"needs up to {need}: send coin to it"
        )
