"""A token's decimals are its contract's word, or nobody's."""

import pytest

from headrace.core.errors import FixTheRequest
from headrace.core.ports import NodeTrouble
from headrace.core.words import Address
from headrace.jobs.decimals import TokenDecimals
from headrace.testing.node_faults import ReadFault, ScriptedFaults
from jobs.chain_told import Told, ToldToken
from jobs.making import CHAIN, TOKEN


async def test_what_a_token_said_once_is_not_asked_again() -> None:
    node = Told().node()
    decimals = TokenDecimals(node, chain=CHAIN)
    assert [await decimals.of(TOKEN) for _ in range(3)] == [6, 6, 6]
    assert node.calls["call"] == 1


async def test_that_no_node_answered_is_neither_a_number_nor_remembered() -> None:
    """The original takes 18 then, and keeps it: a token of 6 decimals is off by a million millions until it is
    started anew."""
    decimals = TokenDecimals(Told().node(ScriptedFaults(read={"call": [ReadFault.TROUBLE]})), chain=CHAIN)
    said: list[int | None] = []
    for _ in range(2):
        try:
            said.append(await decimals.of(TOKEN))
        except NodeTrouble:
            said.append(None)
    assert said == [None, 6]


@pytest.mark.parametrize("decimals", [37, 2**255])
async def test_what_no_token_would_say_is_refused(decimals: int) -> None:
    with pytest.raises(FixTheRequest, match="does not say how many decimals it has"):
        await TokenDecimals(Told(token=ToldToken(decimals)).node(), chain=CHAIN).of(TOKEN)


async def test_an_account_without_code_is_no_token() -> None:
    with pytest.raises(FixTheRequest, match="is it a token"):
        await TokenDecimals(Told().node(), chain=CHAIN).of(Address(b"\x77" * 20))
