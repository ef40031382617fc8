"""Limits per fork, and what a transaction costs before it runs."""

import pytest

from headrace.chain.endpoints import Endpoints
from headrace.chain.limits import AMSTERDAM, FORKS, OSAKA, PRAGUE, TRANSACTION_BYTES_MAX, intrinsic_gas
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner


def test_the_cap_of_a_transaction_s_gas_came_with_osaka() -> None:
    assert PRAGUE.transaction_gas_max is None
    assert OSAKA.transaction_gas_max == 16_777_216
    assert AMSTERDAM.transaction_gas_max == 2**32 - 1
    assert AMSTERDAM.regular_gas_max == 16_777_216
    assert TRANSACTION_BYTES_MAX == 131_072
    assert set(FORKS) == {"prague", "osaka", "amsterdam"}


@pytest.mark.parametrize(
    ("data", "gas"),
    [
        (b"", (21_000, 21_000)),
        (b"\x00", (21_004, 21_010)),
        (b"\x01", (21_016, 21_040)),
        (b"\x00" * 10 + b"\x01" * 10, (21_200, 21_500)),
    ],
)
def test_calldata_costs_4_and_16_and_at_least_10_and_40(data: bytes, gas: tuple[int, int]) -> None:
    assert intrinsic_gas(data) == gas


def test_amsterdam_s_floor_makes_no_difference_for_zero_bytes() -> None:
    assert intrinsic_gas(b"\x00\x01", limits=AMSTERDAM) == (21_020, 21_128)


def test_init_code_costs_per_word() -> None:
    assert intrinsic_gas(b"\x01" * 33, creates=True) == (21_000 + 33 * 16 + 32_000 + 2 * 2, 21_000 + 33 * 40)


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"\x01" * 100, b"\x00\x01" * 500])
async def test_a_call_that_does_nothing_costs_what_the_chain_says(
    node: RpcNode, signer: LocalSigner, endpoints: Endpoints, data: bytes
) -> None:
    estimate = await node.estimate_gas(sender=signer.address, to=signer.address, data=data)
    assert estimate == max(intrinsic_gas(data))
