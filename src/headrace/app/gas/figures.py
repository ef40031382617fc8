"""What was paid for operations, as receipts have it, and what follows per operation.

Owns      a figure: one way to bring so many operations on chain, with its gas and its calldata.
Promises  integers of receipts and of the signed calldata; the base cost of each transaction is in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.chain.limits import OSAKA, intrinsic_gas

TRY: Final = "try form"
STRICT: Final = "strict form"
OURS: Final = "batch"
SINGLE: Final = "individually"
PLAIN: Final = "aggregate3"
PLAIN_TWO_CALLS: Final = "aggregate3, two calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`size` operations brought on chain in one `way`; `gas`, `calldata_bytes` and `floor_gas` (the least that the
    calldata costs whatever runs, EIP-7623, base cost included) of all its `transactions` together."""

    workload: str
    kind: str
    way: str
    size: int
    transactions: int
    gas: int
    gas_max: int  # of one transaction
    calldata_bytes: int
    floor_gas: int

    @property
    def gas_each(self) -> int:
        """Rounded up."""
        return -(-self.gas // self.size)

    @property
    def bytes_each(self) -> int:
        """Rounded up."""
        return -(-self.calldata_bytes // self.size)

    @property
    def floor_binds(self) -> bool:
        return self.gas <= self.floor_gas

    def as_json(self) -> dict[str, object]:
        return {
            "workload": self.workload,
            "kind": self.kind,
            "way": self.way,
            "operations": self.size,
            "transactions": self.transactions,
            "gas": self.gas,
            "gas_per_operation": self.gas_each,
            "calldata_bytes": self.calldata_bytes,
            "calldata_bytes_per_operation": self.bytes_each,
            "calldata_floor_gas": self.floor_gas,
            "floor_binds": self.floor_binds,
        }


def figure_of(
    workload: str, kind: str, way: str, size: int, calldata: Sequence[bytes], gas_used: Sequence[int]
) -> Figure:
    """Of the transactions that carried this calldata, in the order of their receipts."""
    assert len(calldata) == len(gas_used) > 0
    return Figure(
        workload=workload,
        kind=kind,
        way=way,
        size=size,
        transactions=len(calldata),
        gas=sum(gas_used),
        gas_max=max(gas_used),
        calldata_bytes=sum(len(data) for data in calldata),
        floor_gas=sum(intrinsic_gas(data, limits=OSAKA)[1] for data in calldata),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured."""

    all: tuple[Figure, ...]

    def of(self, kind: str, way: str, size: int) -> Figure:
        """Raises KeyError."""
        for figure in self.all:
            if (figure.kind, figure.way, figure.size) == (kind, way, size):
                return figure
        raise KeyError(f"nothing was measured of {size} {kind}, {way}")

    def single(self, kind: str) -> Figure:
        """One by one; the same for every size."""
        return next(figure for figure in self.all if figure.kind == kind and figure.way == SINGLE)

    def with_more(self, more: Iterable[Figure]) -> "Figures":
        return Figures((*self.all, *more))

    @staticmethod
    def percent(one: Figure, other: Figure) -> float:
        """Gas per operation of one against the other's."""
        return round(100 * one.gas * other.size / (one.size * other.gas), 2)
