"""Which operations travel together.

Owns      the split of waiting operations into batches under the chain's limits.
Promises  no batch exceeds a limit; order is kept; an operation that fits no batch at all is named, not looped on;
          one that is only thought to need more gas than it may have travels alone, with all of that.
Leaves    the gas of an item to `core.gas`, encoding to the workload.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.core.gas import Company, ItemGas
from headrace.core.operation import Operation
from headrace.core.ports import InCommon


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`gas_total` is what may still be put in flight now: our share of the coming block. `gas_alone` is what one
    transaction may have while nothing else is in flight: neither more than that share nor than
    `gas_per_transaction`."""

    gas_per_transaction: int
    gas_alone: int
    bytes_per_transaction: int
    operations_per_transaction: int
    transactions: int
    gas_total: int


@dataclass(frozen=True, slots=True)
class Batch:
    operations: tuple[Operation, ...]
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Packed:
    batches: tuple[Batch, ...]
    left: tuple[Operation, ...]  # no room now
    too_large: tuple[Operation, ...]  # fits no transaction of this chain, ever


# Selector, the arrays' offsets and lengths, and the signed envelope around the calldata.
ENVELOPE_BYTES = 1024


def _nothing(_: Operation) -> Sequence[InCommon]:
    return ()


def pack(
    operations: Sequence[Operation],
    *,
    gas: ItemGas,
    size: Callable[[Operation], int],
    limits: Limits,
    in_common: Callable[[Operation], Sequence[InCommon]] = _nothing,
) -> Packed:
    """Batches of one form, oldest first. `size` gives an operation's calldata in bytes, `in_common` is that of
    its workload."""
    batches: list[Batch] = []
    left: list[Operation] = []
    too_large: list[Operation] = []
    now: list[Operation] = []
    now_gas, now_bytes, gas_total = gas.fixed, ENVELOPE_BYTES, limits.gas_total
    company = Company()

    def close() -> None:
        nonlocal now, now_gas, now_bytes, gas_total, company
        if now:
            batches.append(Batch(tuple(now), now_gas))
            gas_total -= now_gas
        now, now_gas, now_bytes, company = [], gas.fixed, ENVELOPE_BYTES, Company()

    for operation in operations:
        item_bytes = size(operation)
        item_gas = gas.alone(item_bytes, most=limits.gas_alone) - gas.fixed
        if (
            gas.fixed + gas.surely(item_bytes) > limits.gas_per_transaction
            or ENVELOPE_BYTES + item_bytes > limits.bytes_per_transaction
        ):
            too_large.append(operation)
            continue
        shared = in_common(operation)
        if (
            now_gas + item_gas + company.brings(shared) > limits.gas_per_transaction
            or now_bytes + item_bytes > limits.bytes_per_transaction
            or len(now) >= limits.operations_per_transaction
        ):
            close()
        item_gas += company.brings(shared)
        if left or len(batches) >= limits.transactions or now_gas + item_gas > gas_total:
            left.append(operation)  # and all after it: a smaller one must not overtake
            continue
        now.append(operation)
        company.join(shared)
        now_gas += item_gas
        now_bytes += item_bytes
    close()
    return Packed(tuple(batches), tuple(left), tuple(too_large))


def fits_about(*, gas: ItemGas, item_bytes: int, limits: Limits) -> int:
    """How many operations of this size one transaction takes."""
    by_gas = (limits.gas_per_transaction - gas.fixed) // gas.of_item(item_bytes)
    by_bytes = (limits.bytes_per_transaction - ENVELOPE_BYTES) // max(item_bytes, 1)
    return max(1, min(by_gas, by_bytes, limits.operations_per_transaction))
