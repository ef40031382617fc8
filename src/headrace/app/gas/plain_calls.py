"""Calldata for the contract that batches any calls: `aggregate3`."""

from collections.abc import Iterable

from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text
from headrace.core.words import Address


def aggregate3(target: Address, calls: Iterable[bytes]) -> bytes:
    """All to one contract, each allowed to fail without the others."""
    to = address_text(target)
    return load("Aggregate3").abi.function("aggregate3").encode([(to, True, call) for call in calls])
