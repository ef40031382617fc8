"""What the tests of `chain` share: a real chain (anvil), clocks, and ways to make the chain do things."""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.words import Address, ChainId, Receipt, TxHash
from headrace.testing.anvil import find_anvil

CHAIN = ChainId(31337)
# The first account of anvil's public test mnemonic.
RICH_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
# A line of every contract-free test: returns NUMBER and TIMESTAMP, or reverts with them.
TELLS_BLOCK = Address(bytes.fromhex("00000000000000000000000000000000000000ab"))
REVERTS_WITH_BLOCK = Address(bytes.fromhex("00000000000000000000000000000000000000ac"))
INVALID = Address(bytes.fromhex("00000000000000000000000000000000000000ad"))
REVERTS_EMPTY = Address(bytes.fromhex("00000000000000000000000000000000000000ae"))
BURNS_GAS = Address(bytes.fromhex("00000000000000000000000000000000000000af"))
LOGS = Address(bytes.fromhex("00000000000000000000000000000000000000b0"))
CODES = {
    TELLS_BLOCK: "436000524260205260406000f3",
    REVERTS_WITH_BLOCK: "436000524260205260406000fd",
    INVALID: "fe",
    REVERTS_EMPTY: "60006000fd",
    BURNS_GAS: "5b600056",
    LOGS: "602a600052600760206000a100",  # LOG1(memory[0:32] = 42, topic 7)
}


class RealClock:
    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def until(happened: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Waits for a named event by looking, with a deadline."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


async def mined(node: RpcNode, hash: TxHash, *, within_s: float = 10.0) -> Receipt:
    """Anvil mines for each transaction, but answers before it has."""
    async with asyncio.timeout(within_s):
        while (receipt := await node.receipt(hash)) is None:  # noqa: ASYNC110 - the chain tells nobody
            await asyncio.sleep(0.005)
    return receipt


@dataclass(frozen=True, slots=True)
class Anvil:
    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def running_anvil(*more: str) -> Iterator[Anvil]:
    with tempfile.TemporaryDirectory(prefix="headrace-chain-tests-") as folder:
        said = Path(folder) / "anvil.log"
        command = [str(find_anvil()), "--port", "0", "--hardfork", "osaka", "--cache-path", folder, *more]
        with said.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield Anvil(_port(process, said))
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


def _port(process: "subprocess.Popen[bytes]", said: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := re.search(rb"Listening on 127\.0\.0\.1:(\d+)", said.read_bytes()):
            return int(found[1])
        assert process.poll() is None, f"anvil ended at its start: {said.read_text()[-300:]}"
        time.sleep(0.02)
    raise AssertionError("anvil did not say where it listens")


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """One chain for the session; it mines a block for each transaction."""
    with running_anvil() as chain:
        yield chain


@pytest.fixture
async def endpoints(anvil: Anvil) -> AsyncIterator[Endpoints]:
    asked = Endpoints([anvil.http], clock=RealClock())
    for address, code in CODES.items():
        await asked.ask("anvil_setCode", "0x" + address.hex(), "0x" + code)
    yield asked
    await asked.close()


@pytest.fixture
def node(endpoints: Endpoints) -> RpcNode:
    return RpcNode(endpoints)


@pytest.fixture
async def signer(endpoints: Endpoints) -> LocalSigner:
    """A fresh account with coin, so that tests do not share nonces."""
    fresh = LocalSigner(os.urandom(31) + b"\x01")
    await endpoints.ask("anvil_setBalance", "0x" + fresh.address.hex(), hex(10**21))
    return fresh


@pytest.fixture
async def held(endpoints: Endpoints) -> AsyncIterator[Endpoints]:
    """The chain does not mine by itself; mine with anvil_mine."""
    await endpoints.ask("evm_setAutomine", False)
    yield endpoints
    await endpoints.ask("anvil_dropAllTransactions")
    await endpoints.ask("evm_setAutomine", True)
