"""What the protocol allows one transaction, per fork, as data.

Owns      the limits, and the gas that a transaction costs before it runs.
Leaves    packing to them to `core.packing`, block gas limits to the chain (they are in every header).

Sources: EIP-7825 (gas per transaction), EIP-8037 (it caps regular gas only), EIP-7623 and EIP-7976 (calldata
floor), EIP-2028 and EIP-3860 (calldata and init code). The size limit is no consensus rule, but every pool's
(geth's txMaxSize, four slots of 32 KiB).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

BASE_GAS: Final = 21_000
_ZERO_BYTE_GAS: Final = 4
_NONZERO_BYTE_GAS: Final = 16
_CREATION_GAS: Final = 32_000
_INIT_CODE_WORD_GAS: Final = 2
TRANSACTION_BYTES_MAX: Final = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: no limit but the block's. Floors in gas per byte of calldata."""

    fork: str
    transaction_gas_max: int | None  # the whole gas limit of a transaction
    regular_gas_max: int | None  # of it, what may be spent on anything but new state
    floor_zero_byte_gas: int
    floor_nonzero_byte_gas: int
    transaction_bytes_max: int = TRANSACTION_BYTES_MAX


PRAGUE: Final = Limits(
    fork="prague",
    transaction_gas_max=None,
    regular_gas_max=None,
    floor_zero_byte_gas=10,
    floor_nonzero_byte_gas=40,
)
OSAKA: Final = Limits(
    fork="osaka",
    transaction_gas_max=2**24,
    regular_gas_max=2**24,
    floor_zero_byte_gas=10,
    floor_nonzero_byte_gas=40,
)
AMSTERDAM: Final = Limits(
    fork="amsterdam",
    transaction_gas_max=2**32 - 1,
    regular_gas_max=2**24,
    floor_zero_byte_gas=64,
    floor_nonzero_byte_gas=64,
)
FORKS: Final = MappingProxyType({limits.fork: limits for limits in (PRAGUE, OSAKA, AMSTERDAM)})


def intrinsic_gas(data: bytes, *, creates: bool = False, limits: Limits = OSAKA) -> tuple[int, int]:
    """(standard, floor): what is paid before the first opcode, and the least that is paid in the end. A gas limit
    below either is refused by every node."""
    zeros = data.count(0)
    others = len(data) - zeros
    standard = BASE_GAS + _ZERO_BYTE_GAS * zeros + _NONZERO_BYTE_GAS * others
    if creates:
        standard += _CREATION_GAS + _INIT_CODE_WORD_GAS * (-(-len(data) // 32))
    floor = BASE_GAS + limits.floor_zero_byte_gas * zeros + limits.floor_nonzero_byte_gas * others
    return standard, floor
