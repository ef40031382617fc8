"""A node in process: answers core.ports.Node from a fake chain, honestly or as its faults say.

Owns      the answers, and the heads it announces.
Promises  deterministic: no clock, no sockets, no waiting. What it says when honest is what a real node says, in
          geth's words.
Leaves    what happens on the chain to `fake_chain`, when to lie to `node_faults`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from headrace.core.ports import Call, NodeTrouble, Ran, Returned, Reverted
from headrace.core.ports.logs import FoundLog, TopicFilter
from headrace.core.words import (
    Address,
    Block,
    BlockHash,
    BlockNumber,
    ChainId,
    Log,
    Nonce,
    Receipt,
    Reply,
    TxHash,
)
from headrace.testing.fake_chain import FakeBlock, FakeChain
from headrace.testing.fake_world import Surroundings
from headrace.testing.node_faults import NodeFaults, NoNodeFaults, ReadFault, SendFault
from headrace.testing.pool_rules import Refusal
from headrace.testing.raw_transaction import BadTransaction

_CALL_GAS: Final = 50_000_000  # geth's RPCGasCap
_ZERO: Final = Address(bytes(20))
_HEADS_MAX: Final = 256  # announced and not yet read; the oldest go first

# Matched from the beginning. Written apart from `chain.replies`, which reads the same words.
_REPLIES: Final = (
    ("already known", Reply.IN_POOL),
    ("replacement transaction underpriced", Reply.RAISE_FEES),
    ("transaction gas price below minimum", Reply.RAISE_FEES),
    ("nonce too low", Reply.LOOK_FOR_RECEIPT),
    ("account limit exceeded", Reply.SEND_LATER),
    ("insufficient funds", Reply.FUND_LANE),
    ("oversized data", Reply.TOO_LARGE),
    ("transaction gas limit too high", Reply.TOO_LARGE),
    ("exceeds block gas limit", Reply.TOO_LARGE),
    ("intrinsic gas too low", Reply.TOO_LARGE),
    ("insufficient gas for floor data gas", Reply.TOO_LARGE),
)


class FakeNode:
    """Implements core.ports.logs.LogNode. Counts `calls` by method. `remembers_uncled`: receipts of replaced
    blocks can still be read by their hash (as geth does, and anvil does not). `simulates`: it has
    eth_simulateV1."""

    def __init__(
        self,
        chain: FakeChain,
        *,
        faults: NodeFaults | None = None,
        remembers_uncled: bool = False,
        simulates: bool = True,
    ) -> None:
        self.chain = chain
        self.faults = faults or NoNodeFaults()
        self.calls: Counter[str] = Counter()
        self._remembers_uncled = remembers_uncled
        self._simulates = simulates
        self._on_their_way: list[bytes] = []
        self._readers: list[tuple[deque[Block], asyncio.Event]] = []
        chain.listen(self._announce)

    # ---- core.ports.Node

    async def chain_id(self) -> ChainId:
        self._view("chain_id")
        return self.chain.id

    async def send(self, raw: bytes) -> tuple[Reply, str]:
        self.calls["send"] += 1
        fault = self.faults.on_send(raw)
        match fault:
            case SendFault.HONEST:
                return self._offer(raw)
            case SendFault.TAKEN_BUT_UNSURE:
                self._offer(raw)
                return Reply.UNSURE, "connection closed before the answer"
            case SendFault.LOST_AND_UNSURE:
                return Reply.UNSURE, "timed out"
            case SendFault.TAKEN_LATER:
                self._on_their_way.append(raw)
                return Reply.UNSURE, "timed out"
            case SendFault.PROMISED_AND_FORGOTTEN:
                return Reply.IN_POOL, ""
            case SendFault.BUSY:
                return Reply.SEND_LATER, "txpool is full"

    async def call(
        self,
        *,
        to: Address,
        data: bytes,
        sender: Address | None = None,
        gas: int | None = None,
        as_of: BlockNumber | None = None,
        in_block: BlockNumber | None = None,
        timestamp: int | None = None,
    ) -> Returned | Reverted:
        blocks, _ = self._view("call")
        if as_of is not None and as_of >= len(blocks):
            raise NodeTrouble(f"eth_call: block {as_of} not found")
        state = blocks[-1 if as_of is None else as_of]
        surroundings = Surroundings(
            number=in_block if in_block is not None else state.header.number,
            timestamp=timestamp if timestamp is not None else state.header.timestamp,
            chain=self.chain.id,
        )
        ok, result = self.chain.call(
            state.world,
            surroundings,
            sender=sender or _ZERO,
            to=to,
            data=data,
            gas=_CALL_GAS if gas is None else gas,
        )
        return Returned(result) if ok else Reverted(result)

    async def run_in_turn(
        self, calls: Sequence[Call], *, sender: Address, gas: int, in_block: BlockNumber, timestamp: int
    ) -> Sequence[Ran] | None:
        blocks, _ = self._view("run_in_turn")
        if not self._simulates or in_block > len(blocks):
            return None
        surroundings = Surroundings(number=in_block, timestamp=timestamp, chain=self.chain.id)
        world = blocks[in_block - 1].world.copy()
        runs = [self.chain.run(world, surroundings, sender=sender, to=c.to, data=c.data, gas=gas) for c in calls]
        return [Ran(Returned(result) if ok else Reverted(result), used) for ok, result, used in runs]

    async def head(self) -> Block:
        blocks, _ = self._view("head")
        return blocks[-1].header

    async def block(self, number: BlockNumber) -> Block | None:
        blocks, empty = self._view("block")
        return None if empty or not 0 <= number < len(blocks) else blocks[number].header

    async def receipts(self, block: BlockHash) -> Sequence[Receipt] | None:
        blocks, empty = self._view("receipts")
        found = self.chain.by_hash(block, uncled=self._remembers_uncled)
        if empty or found is None or found.header.number > blocks[-1].header.number:
            return None
        return found.receipts

    async def receipt(self, hash: TxHash) -> Receipt | None:
        blocks, empty = self._view("receipt")
        found = self.chain.receipt(hash)
        return None if empty or found is None or found.block > blocks[-1].header.number else found

    async def logs(
        self, *, address: Address, topics: TopicFilter, first: BlockNumber, last: BlockNumber
    ) -> Sequence[FoundLog]:
        blocks, empty = self._view("logs")
        if empty or last >= len(blocks):
            raise NodeTrouble(f"eth_getLogs: block {last} not found")
        found: list[FoundLog] = []
        for block in blocks[first : last + 1]:
            logs = [(receipt, log) for receipt in block.receipts for log in receipt.logs]
            found += [
                FoundLog(
                    log=log,
                    block=receipt.block,
                    block_hash=receipt.block_hash,
                    transaction=receipt.transaction,
                    index=index,
                )
                for index, (receipt, log) in enumerate(logs)
                if log.address == address and _matches(log, topics)
            ]
        return found

    async def nonces(self, account: Address) -> tuple[Nonce, Nonce]:
        blocks, _ = self._view("nonces")
        world = blocks[-1].world
        return world.nonce(account), self.chain.pool.next_nonce(account, world)

    async def nonce_after(self, account: Address, block: BlockNumber) -> Nonce:
        blocks, _ = self._view("nonce_after")
        if not 0 <= block < len(blocks):
            raise NodeTrouble(f"eth_getTransactionCount: block {block} not found")
        return blocks[block].world.nonce(account)

    async def balance(self, account: Address) -> int:
        blocks, _ = self._view("balance")
        return blocks[-1].world.balance(account)

    async def code(self, account: Address) -> bytes:
        self._view("code")
        contract = self.chain.contracts.get(account)
        return contract.code if contract is not None else b""

    # ---- Heads

    async def heads(self) -> AsyncGenerator[Block, None]:
        """Begins with the present head, then each new one as it is mined, those of a reorg too."""
        waiting: deque[Block] = deque([self.chain.head], maxlen=_HEADS_MAX)
        news = asyncio.Event()
        reader = (waiting, news)
        self._readers.append(reader)
        try:
            while True:
                while waiting:
                    yield waiting.popleft()
                news.clear()
                await news.wait()
        finally:
            self._readers.remove(reader)

    def deliver(self) -> None:
        """What was on its way arrives in the pool now. Mining through `mine` does it first."""
        for raw in self._on_their_way:
            self._offer(raw)
        self._on_their_way.clear()

    def mine(self, blocks: int = 1) -> Block:
        """As FakeChain.mine, after what was on its way has arrived."""
        self.deliver()
        return self.chain.mine(blocks)

    def _announce(self, head: Block) -> None:
        for waiting, news in self._readers:
            waiting.append(head)
            news.set()

    def _offer(self, raw: bytes) -> tuple[Reply, str]:
        try:
            refusal = self.chain.offer(raw)
        except BadTransaction as error:
            refusal = Refusal(str(error))
        if refusal is None:
            return Reply.IN_POOL, ""
        reply = next((reply for words, reply in _REPLIES if refusal.message.startswith(words)), Reply.REFUSED)
        return reply, refusal.message

    def _view(self, method: str) -> tuple[Sequence[FakeBlock], bool]:
        """The canonical blocks as this answer knows them, and whether it is to say that it knows nothing."""
        self.calls[method] += 1
        fault = self.faults.on_read(method)
        blocks = self.chain.blocks
        match fault:
            case ReadFault.HONEST:
                return blocks, False
            case ReadFault.TROUBLE:
                raise NodeTrouble(f"{method}: no endpoint answered")
            case ReadFault.STALE:
                return blocks[: max(1, len(blocks) - self.faults.stale_by())], False
            case ReadFault.EMPTY:
                return blocks, True


def _matches(log: Log, topics: TopicFilter) -> bool:
    return len(log.topics) >= len(topics) and all(
        wanted is None or topic in wanted for topic, wanted in zip(log.topics, topics, strict=False)
    )
