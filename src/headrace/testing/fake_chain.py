"""A little chain that mines, forgets and reorganises on command, and is the same at every run.

Owns      blocks with the state after each, the pool, base fee (EIP-1559), receipts.
Promises  no clock of its own and no chance: the same commands give the same hashes. A reorg of any depth restores
          the state of the block it goes back to.
Leaves    answering questions to `fake_node`, contracts to `fake_contracts`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from headrace.core.words import Address, Block, BlockHash, BlockNumber, ChainId, Receipt, TxHash
from headrace.testing.fake_execution import Execution
from headrace.testing.fake_pool import FakePool
from headrace.testing.fake_world import FakeContract, Frame, Surroundings, World
from headrace.testing.pool_rules import NodeRules, Refusal
from headrace.testing.raw_transaction import RawTransaction, read_transaction

GENESIS_TIME: Final = 1_700_000_000
_BASE_FEE_WEI: Final = 1_000_000_000
_UNCLED_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A block with what it did. `world` is the state after it."""

    header: Block
    transactions: tuple[RawTransaction, ...]
    receipts: tuple[Receipt, ...]
    world: World


class FakeChain:
    """`block_time_s` is what timestamps grow by, unless `now` (unix seconds) tells the time."""

    def __init__(
        self,
        *,
        chain: ChainId = ChainId(31337),  # noqa: B008 - a number
        balances: Mapping[Address, int] | None = None,
        contracts: Mapping[Address, FakeContract] | None = None,
        gas_limit: int = 60_000_000,
        base_fee_wei: int = _BASE_FEE_WEI,
        block_time_s: int = 12,
        now: Callable[[], float] | None = None,
        rules: NodeRules | None = None,
    ) -> None:
        self.id = chain
        self.gas_limit = gas_limit
        self.contracts: dict[Address, FakeContract] = dict(contracts or {})
        self.pool = FakePool(rules or NodeRules(), chain)
        self.uncled: deque[FakeBlock] = deque(maxlen=_UNCLED_MAX)  # newest last
        self._block_time_s = block_time_s
        self._now = now
        self._listeners: list[Callable[[Block], None]] = []
        self._next_base_fee_wei: int | None = None
        self._branch = 0
        world = World()
        for account, wei in (balances or {}).items():
            world.set_balance(account, wei)
        genesis = Block(
            number=BlockNumber(0),
            hash=BlockHash(keccak(text=f"genesis of {chain}")),
            parent_hash=BlockHash(bytes(32)),
            timestamp=int(now()) if now is not None else GENESIS_TIME,
            base_fee_wei=base_fee_wei,
            gas_limit=gas_limit,
            gas_used=0,
        )
        self.blocks: list[FakeBlock] = [FakeBlock(genesis, (), (), world.copy())]  # canonical, by number

    @property
    def head(self) -> Block:
        return self.blocks[-1].header

    @property
    def world(self) -> World:
        """The state after the head."""
        return self.blocks[-1].world

    def listen(self, listener: Callable[[Block], None]) -> None:
        """Called with each new head."""
        self._listeners.append(listener)

    # ---- What happens to it

    def offer(self, raw: bytes) -> Refusal | None:
        """As eth_sendRawTransaction. Raises BadTransaction."""
        return self.pool.add(read_transaction(raw), self.world, block_gas_limit=self.gas_limit)

    def mine(self, blocks: int = 1, *, include: Sequence[bytes] = (), from_pool: bool = True) -> Block:
        """Mines; answers with the new head. `include`: signed bytes that a miner got by another way, in this
        order, at the beginning of the first block (an older attempt, somebody else's transaction). Raises
        ValueError where they cannot be mined there."""
        for _ in range(blocks):
            self._add_block([read_transaction(raw) for raw in include], from_pool)
            include = ()
        return self.head

    def reorg(
        self,
        depth: int,
        *,
        blocks: int | None = None,
        forget: bool = False,
        include: Sequence[bytes] = (),
        from_pool: bool = False,
    ) -> Block:
        """Replaces the newest `depth` blocks by `blocks` others (default as many), empty but for `include`, or
        with what a miner takes from the pool. `forget`: uncled transactions do not return to the pool."""
        self.go_back(depth, forget=forget)
        return self.mine(depth if blocks is None else blocks, include=include, from_pool=from_pool)

    def go_back(self, depth: int, *, forget: bool = False) -> None:
        """Takes the newest `depth` blocks away, and tells nobody yet."""
        assert 0 < depth < len(self.blocks), f"depth {depth}, but the head is block {self.head.number}"
        self._branch += 1
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.uncled += reversed(gone)
        if not forget:
            for block in gone:
                for transaction in block.transactions:
                    self.pool.put_back(transaction)
        self.pool.tidy(self.world)

    def set_next_base_fee(self, wei: int) -> None:
        self._next_base_fee_wei = wei

    def set_balance(self, account: Address, wei: int) -> None:
        """At once, in the state after the head (a reorg below it takes it back)."""
        self.world.set_balance(account, wei)
        self.pool.tidy(self.world)

    # ---- Questions

    def by_hash(self, hash: BlockHash, *, uncled: bool = False) -> FakeBlock | None:
        """A canonical block; with `uncled` also one that was replaced."""
        known: Iterable[FakeBlock] = [*self.blocks, *self.uncled] if uncled else self.blocks
        return next((block for block in known if block.header.hash == hash), None)

    def receipt(self, transaction: TxHash) -> Receipt | None:
        for block in reversed(self.blocks):
            for receipt in block.receipts:
                if receipt.transaction == transaction:
                    return receipt
        return None

    def call(
        self, world: World, block: Surroundings, *, sender: Address, to: Address, data: bytes, gas: int
    ) -> tuple[bool, bytes]:
        """Runs it in this state and leaves no trace. What the bytes cost comes off `gas` first, as in a node."""
        mark = world.mark()
        ok, result, _ = self.run(world, block, sender=sender, to=to, data=data, gas=gas)
        world.undo_to(mark)
        return ok, result

    def run(
        self, world: World, block: Surroundings, *, sender: Address, to: Address, data: bytes, gas: int
    ) -> tuple[bool, bytes, int]:
        """Runs it in this state, which it changes if it goes well; and the gas it used."""
        zeros = data.count(0)
        left = gas - 21_000 - 4 * zeros - 16 * (len(data) - zeros)
        if left < 0:
            return False, b"", gas
        frame = Frame(world=world, contracts=self.contracts, block=block, sender=sender, this=to, gas_left=left)
        ok, result = frame.run(data)
        return ok, result, gas - frame.gas_left

    # ---- Mining

    def _add_block(self, include: Sequence[RawTransaction], from_pool: bool) -> None:
        parent = self.head
        base_fee_wei = self._next_base_fee_wei if self._next_base_fee_wei is not None else next_base_fee(parent)
        self._next_base_fee_wei = None
        timestamp = parent.timestamp + self._block_time_s
        if self._now is not None:
            timestamp = max(parent.timestamp + 1, int(self._now()))
        world = self.world.copy()
        surroundings = Surroundings(number=BlockNumber(parent.number + 1), timestamp=timestamp, chain=self.id)
        run = Execution(world, self.contracts, surroundings, base_fee_wei=base_fee_wei, gas_limit=self.gas_limit)
        for transaction in include:
            run.add(transaction)
        passed_over: set[Address] = set()
        while from_pool:
            best = self.pool.best(world, base_fee_wei=base_fee_wei, gas_left=run.gas_left, passed_over=passed_over)
            if best is None:
                break
            run.add(best)
        content = b"".join(transaction.hash for transaction, _ in run.done)
        fields = f"{timestamp} {base_fee_wei} {self.gas_limit} {self._branch}".encode()
        header = Block(
            number=surroundings.number,
            hash=BlockHash(keccak(parent.hash + fields + content)),
            parent_hash=parent.hash,
            timestamp=timestamp,
            base_fee_wei=base_fee_wei,
            gas_limit=self.gas_limit,
            gas_used=self.gas_limit - run.gas_left,
        )
        self.blocks.append(FakeBlock(header, tuple(t for t, _ in run.done), run.receipts(header), world))
        self.pool.tidy(world)
        for listener in self._listeners:
            listener(header)


def next_base_fee(parent: Block) -> int:
    """EIP-1559. Written apart from `core.fees`, so that a mistake there is not repeated here."""
    target = parent.gas_limit // 2
    delta = parent.base_fee_wei * abs(parent.gas_used - target) // target // 8
    if parent.gas_used > target:
        return parent.base_fee_wei + max(delta, 1)
    return parent.base_fee_wei - delta
