"""A real chain for tests, demo and bench: one anvil process and a hand on its controls.

Owns      the process, its accounts, and the controls a real node does not have.
Promises  its own port, chosen by the system; it ends when we end, however we end (see child_process).
Leaves    what anvil is kinder about than a real node to `strict_proxy`.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.core.words import Address, ChainId, Nonce, TxHash
from headrace.testing.child_process import start_child
from headrace.testing.keys import TestKey, keys_from_mnemonic
from headrace.testing.rpc_client import RpcClient, open_rpc

MNEMONIC: Final = "test test test test test test test test test test test junk"
_PACKAGED: Final = Path("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
_START_S: Final = 20.0
_LISTENING: Final = "Listening on "


class AnvilMissing(Exception):
    """There is no anvil binary, or it cannot run here."""


class AnvilFailed(Exception):
    """Anvil ended, or said nothing, before it listened. The message has its last words."""


@dataclass(frozen=True, slots=True)
class Anvil:
    """A running chain. `keys` are funded. `block_time_s` as given to start_anvil."""

    http_url: str
    ws_url: str
    pid: int
    chain: ChainId
    keys: tuple[TestKey, ...]
    block_time_s: float | None
    rpc: RpcClient

    async def mine(self, blocks: int = 1, *, apart_s: int = 1) -> None:
        """Mines at once, with timestamps `apart_s` apart."""
        await self.rpc.ask("anvil_mine", hex(blocks), hex(apart_s))

    async def pause(self) -> None:
        """No block by itself from now on. Transactions still enter the pool."""
        await self.rpc.ask("evm_setAutomine", False)
        await self.rpc.ask("anvil_setIntervalMining", 0)

    async def resume(self, block_time_s: int | None = None) -> None:
        """Goes on as started, or at another block time. Raises ValueError where anvil cannot: a running chain
        takes whole seconds only."""
        wanted = self.block_time_s if block_time_s is None else block_time_s
        if wanted is None:
            return
        if wanted != int(wanted):
            raise ValueError(f"anvil resumes at whole seconds, not at {wanted}: pass block_time_s to resume()")
        if wanted == 0:
            await self.rpc.ask("evm_setAutomine", True)
        else:
            await self.rpc.ask("anvil_setIntervalMining", int(wanted))

    async def reorg(self, depth: int, transactions: Sequence[tuple[bytes, int]] = ()) -> None:
        """Replaces the newest `depth` blocks by others, empty but for `transactions`: signed bytes and the index
        (0 = lowest) of the new block that holds them. What was in the old blocks is forgotten, not pooled."""
        pairs = [["0x" + raw.hex(), index] for raw, index in transactions]
        await self.rpc.ask("anvil_reorg", depth, pairs)

    async def roll_back(self, depth: int) -> None:
        """Takes the newest `depth` blocks away: the head is lower afterwards."""
        await self.rpc.ask("anvil_rollback", depth)

    async def drop(self, transaction: TxHash) -> bool:
        """Takes it out of the pool; says whether it was there."""
        return await self.rpc.ask("anvil_dropTransaction", "0x" + transaction.hex()) is not None

    async def drop_all(self) -> None:
        await self.rpc.ask("anvil_dropAllTransactions")

    async def set_next_base_fee(self, wei: int) -> None:
        """Of the coming block; those after it follow by EIP-1559."""
        await self.rpc.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))

    async def set_balance(self, account: Address, wei: int) -> None:
        await self.rpc.ask("anvil_setBalance", "0x" + account.hex(), hex(wei))

    async def set_nonce(self, account: Address, nonce: Nonce) -> None:
        await self.rpc.ask("anvil_setNonce", "0x" + account.hex(), hex(nonce))

    async def skip(self, seconds: int) -> None:
        """From the next block on, blocks are so much later."""
        await self.rpc.ask("evm_increaseTime", seconds)

    async def set_block_gas_limit(self, gas: int) -> None:
        await self.rpc.ask("evm_setBlockGasLimit", hex(gas))

    async def set_next_timestamp(self, unix_s: int) -> None:
        await self.rpc.ask("evm_setNextBlockTimestamp", unix_s)

    async def height(self) -> int:
        return int(await self.rpc.ask("eth_blockNumber"), 16)

    async def pool_size(self) -> int:
        """Transactions in the pool, those behind a nonce gap included."""
        status: dict[str, Any] = await self.rpc.ask("txpool_status")
        return int(status["pending"], 16) + int(status["queued"], 16)


@contextlib.asynccontextmanager
async def start_anvil(
    *,
    block_time_s: float | None = None,
    gas_limit: int = 60_000_000,
    chain_id: int = 31337,
    hardfork: str = "osaka",
    accounts: int = 10,
    balance_ether: int = 10_000,
    mnemonic: str = MNEMONIC,
    base_fee_wei: int | None = None,
    begins_at: int | None = None,
    log: Path | None = None,
) -> AsyncIterator[Anvil]:
    """Runs anvil until the block ends. `block_time_s`: seconds between blocks, 0 for a block per transaction, None
    for blocks by `mine` only. `begins_at`: the first block's time in unix seconds (default: now); later blocks
    keep that distance to the clock, until `skip`. `log`: a file for what anvil says of each request; without it
    it says nothing.

    Raises AnvilMissing and AnvilFailed, both with what to do."""
    options = ["--port", "0", "--host", "127.0.0.1", "--color", "never", "--no-request-size-limit"]
    options += ["--hardfork", hardfork, "--chain-id", str(chain_id), "--gas-limit", str(gas_limit)]
    options += ["--accounts", str(accounts), "--balance", str(balance_ether), "--mnemonic", mnemonic]
    if block_time_s is None:
        options.append("--no-mining")
    elif block_time_s > 0:
        options += ["--block-time", str(block_time_s)]
    if base_fee_wei is not None:
        options += ["--block-base-fee-per-gas", str(base_fee_wei)]
    if begins_at is not None:
        options += ["--timestamp", str(begins_at)]
    async with contextlib.AsyncExitStack() as stack:
        # Old states go to disk; anvil's own place for them is shared by all anvils and never emptied.
        states = stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-anvil-"))
        process = await stack.enter_async_context(
            start_child([str(find_anvil()), *options, "--cache-path", states])
        )
        assert process.stdout is not None
        address = await _listening(process, process.stdout)
        drain = asyncio.create_task(_drain(process.stdout, log), name=f"anvil {process.pid} output")
        stack.callback(drain.cancel)
        rpc = await stack.enter_async_context(open_rpc(f"http://{address}"))
        if log is None:
            # A line per request would fill the pipe and stop the chain whenever we are too busy to read it.
            await rpc.ask("anvil_setLoggingEnabled", False)
        yield Anvil(
            http_url=f"http://{address}",
            ws_url=f"ws://{address}",
            pid=process.pid,
            chain=ChainId(chain_id),
            keys=keys_from_mnemonic(mnemonic, accounts),
            block_time_s=block_time_s,
            rpc=rpc,
        )


def find_anvil() -> Path:
    """The binary itself: ANVIL in the environment, else the project's node_modules, else PATH. Not npm's wrapper
    script, which leaves anvil alive when it is killed."""
    named = os.environ.get("ANVIL")
    if named:
        if not os.access(named, os.X_OK):
            raise AnvilMissing(
                f"ANVIL={named} is not an executable file: correct it, or unset it and run `npm ci`"
            )
        return Path(named)
    for root in (Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents):
        if os.access(root / _PACKAGED, os.X_OK):
            return root / _PACKAGED
    on_path = shutil.which("anvil")
    if on_path is None:
        raise AnvilMissing(
            f"no anvil: run `npm ci` in the project folder (makes {_PACKAGED}), or set ANVIL to one"
        )
    return Path(on_path)


async def _listening(process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> str:
    """Reads up to the line that names host and port."""
    said: list[str] = []
    try:
        async with asyncio.timeout(_START_S):
            while line := await output.readline():
                text = line.decode(errors="replace").rstrip()
                if text.startswith(_LISTENING):
                    return text.removeprefix(_LISTENING)
                said.append(text)
    except TimeoutError:
        raise AnvilFailed(f"anvil (pid {process.pid}) did not listen within {_START_S:.0f} s") from None
    # Its start shows private keys (worthless ones, but still): only the end is worth repeating.
    raise AnvilFailed("anvil ended before it listened: " + " / ".join(said[-3:]))


async def _drain(output: asyncio.StreamReader, log: Path | None) -> None:
    with (log or Path(os.devnull)).open("ab") as file:
        while chunk := await output.read(1 << 16):
            file.write(chunk)
            file.flush()
