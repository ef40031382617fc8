"""Plain transactions of plain accounts on a local chain, many at once: who deposits, authorises, claims by hand.

Promises  in the order given for each account; every one is mined with success, or the first that is not is named.
Leaves    everything that the engine is for: these are the people around it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.chain.abi import Abi
from headrace.chain.hexes import address_text
from headrace.chain.signing import LocalSigner
from headrace.core.words import Address, Fees, Nonce
from headrace.testing.anvil import Anvil
from headrace.testing.keys import TestKey

_GWEI: Final = 10**9
_PER_REQUEST: Final = 100
_BLOCKS_MAX: Final = 500


class DidNotSucceed(Exception):
    """A transaction was refused, reverted or not mined. The message says whose and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One transaction of one account. `gas` is its limit."""

    key: TestKey
    to: Address
    data: bytes
    gas: int
    what: str


@dataclass(frozen=True, slots=True)
class Mined:
    """`block` holds it."""

    hash: bytes
    block: int
    gas_used: int


def call(abi: Abi, name: str, *args: object) -> bytes:
    return abi.function(name).encode(*args)


class Senders:
    """`tip_wei` per gas: among others that wait, the higher tip is mined first."""

    def __init__(self, chain: Anvil) -> None:
        self._chain = chain
        self._signers: dict[Address, LocalSigner] = {}

    async def offer(self, wishes: Sequence[Wish], *, tip_wei: int = _GWEI) -> list[bytes]:
        """Into the pool. Answers with their hashes."""
        nonces = await self._nonces({wish.key.address for wish in wishes})
        raws, hashes = [], []
        for wish in wishes:
            account = wish.key.address
            attempt = self._signer(wish.key).sign(
                chain=self._chain.chain,
                nonce=Nonce(nonces[account]),
                to=wish.to,
                data=wish.data,
                gas_limit=wish.gas,
                fees=Fees(max_fee_wei=200 * _GWEI + tip_wei, tip_wei=tip_wei),
            )
            nonces[account] += 1
            raws.append("0x" + attempt.raw.hex())
            hashes.append(bytes(attempt.hash))
        for start in range(0, len(raws), _PER_REQUEST):
            part = raws[start : start + _PER_REQUEST]
            await self._chain.rpc.ask_all([("eth_sendRawTransaction", [raw]) for raw in part])
        return hashes

    async def mine(self, wishes: Sequence[Wish]) -> list[Mined]:
        """Offers them on a chain that mines nothing by itself, and mines until all are in. Raises
        DidNotSucceed."""
        hashes = await self.offer(wishes)
        for _ in range(_BLOCKS_MAX):
            if await self._chain.pool_size() == 0:
                break
            await self._chain.rpc.ask("evm_mine")
        return await self.receipts(wishes, hashes)

    async def receipts(self, wishes: Sequence[Wish], hashes: Sequence[bytes]) -> list[Mined]:
        """Raises DidNotSucceed."""
        mined = []
        for start in range(0, len(hashes), _PER_REQUEST):
            asked = [("eth_getTransactionReceipt", ["0x" + h.hex()]) for h in hashes[start : start + _PER_REQUEST]]
            for offset, receipt in enumerate(await self._chain.rpc.ask_all(asked)):
                mined.append(_mined(receipt, wishes[start + offset]))
        return mined

    def _signer(self, key: TestKey) -> LocalSigner:
        return self._signers.setdefault(key.address, LocalSigner(key.secret))

    async def _nonces(self, accounts: set[Address]) -> dict[Address, int]:
        found: dict[Address, int] = defaultdict(int)
        ordered = sorted(accounts)
        for start in range(0, len(ordered), _PER_REQUEST):
            part = ordered[start : start + _PER_REQUEST]
            asked = [("eth_getTransactionCount", [address_text(account), "pending"]) for account in part]
            answers = await self._chain.rpc.ask_all(asked)
            found |= {account: int(answer, 16) for account, answer in zip(part, answers, strict=True)}
        return found


def _mined(receipt: dict[str, Any] | None, wish: Wish) -> Mined:
    who = f"{wish.what} of {address_text(wish.key.address)}"
    if receipt is None:
        raise DidNotSucceed(f"{who}: was not mined")
    if int(receipt["status"], 16) != 1:
        raise DidNotSucceed(f"{who}: reverted in block {int(receipt['blockNumber'], 16)}")
    return Mined(
        hash=bytes.fromhex(receipt["transactionHash"][2:]),
        block=int(receipt["blockNumber"], 16),
        gas_used=int(receipt["gasUsed"], 16),
    )
