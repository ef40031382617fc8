"""How many decimals a token has, as its own contract says.

Promises  what a contract answered once is kept per chain and token: it never changes; that it did not answer is
          never kept, and never taken for 18: an amount in wrong units would be off by millions.
"""

from typing import Final

from headrace.chain.abi_codec import Undecodable, decode_values
from headrace.core.errors import FixTheRequest
from headrace.core.ports import Node, Returned
from headrace.core.terms import TOKEN_DECIMALS_MAX
from headrace.core.words import Address, ChainId
from headrace.workloads.escrow.calldata import DECIMALS

TOKENS_KEPT_MAX: Final = 10_000


class TokenDecimals:
    def __init__(self, node: Node, *, chain: ChainId) -> None:
        self._node, self._chain = node, chain
        self._known: dict[tuple[ChainId, Address], int] = {}

    async def of(self, token: Address) -> int:
        """Raises NodeTrouble; FixTheRequest for what is no token, by what the chain says."""
        key = (self._chain, token)
        if key not in self._known:
            found = await self._read(token)
            if len(self._known) >= TOKENS_KEPT_MAX:
                self._known.clear()
            self._known[key] = found
        return self._known[key]

    async def _read(self, token: Address) -> int:
        answer = await self._node.call(to=token, data=DECIMALS)
        if isinstance(answer, Returned) and len(answer.data) >= 32:
            try:
                (decimals,) = decode_values(["uint256"], answer.data)
            except Undecodable:
                decimals = TOKEN_DECIMALS_MAX + 1
            if decimals <= TOKEN_DECIMALS_MAX:
                return int(decimals)
        raise FixTheRequest(
            f"token: 0x{token.hex()} on chain {self._chain} does not say how many decimals it has (0 to "
            f"{TOKEN_DECIMALS_MAX} are possible): is it a token?",
            field="token",
        )
