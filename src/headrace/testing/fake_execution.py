"""Running transactions one after the other into one block of the fake chain.

Owns      what a transaction pays, its nonce, its receipt.
Promises  a reverted one pays and spends its nonce all the same; no receipt tells more gas than its limit, or less
          than the floor for its data (EIP-7623).
Leaves    which transactions, and in which order, to the chain.
"""

from dataclasses import dataclass

from headrace.core.words import Address, Block, Log, Receipt
from headrace.testing.fake_world import FakeContract, Frame, Surroundings, World
from headrace.testing.raw_transaction import RawTransaction


@dataclass(frozen=True, slots=True)
class _Result:
    ok: bool
    gas_used: int
    gas_price_wei: int
    logs: tuple[Log, ...]


class Execution:
    """Changes `world`. `done` and `gas_left` grow and fall with each `add`."""

    def __init__(
        self,
        world: World,
        contracts: dict[Address, FakeContract],
        block: Surroundings,
        *,
        base_fee_wei: int,
        gas_limit: int,
    ) -> None:
        self._world, self._contracts, self._block = world, contracts, block
        self._base_fee_wei = base_fee_wei
        self.gas_left = gas_limit
        self.done: list[tuple[RawTransaction, _Result]] = []

    def add(self, transaction: RawTransaction) -> None:
        """Raises ValueError for one that no miner could put here."""
        self._check(transaction)
        price = self._base_fee_wei + min(transaction.tip_wei, transaction.max_fee_wei - self._base_fee_wei)
        world, sender = self._world, transaction.sender
        world.set_nonce(sender, type(transaction.nonce)(transaction.nonce + 1))
        ok, gas_used, logs = self._run(transaction)
        world.set_balance(sender, world.balance(sender) - gas_used * price)
        world.forget_undo()
        self.gas_left -= gas_used
        self.done.append((transaction, _Result(ok, gas_used, price, logs)))

    def receipts(self, header: Block) -> tuple[Receipt, ...]:
        return tuple(
            Receipt(
                transaction=transaction.hash,
                block=header.number,
                block_hash=header.hash,
                ok=result.ok,
                gas_used=result.gas_used,
                gas_price_wei=result.gas_price_wei,
                logs=result.logs,
            )
            for transaction, result in self.done
        )

    def _check(self, transaction: RawTransaction) -> None:
        nonce, balance = self._world.nonce(transaction.sender), self._world.balance(transaction.sender)
        problems = (
            (transaction.nonce != nonce, f"nonce {transaction.nonce}, the account's next is {nonce}"),
            (transaction.cost_wei > balance, f"may cost {transaction.cost_wei} wei, the account has {balance}"),
            (transaction.max_fee_wei < self._base_fee_wei, f"max fee under the base fee {self._base_fee_wei}"),
            (transaction.gas > self.gas_left, f"gas limit {transaction.gas}, the block has {self.gas_left} left"),
        )
        said = [text for wrong, text in problems if wrong]
        if said:
            raise ValueError(f"transaction 0x{transaction.hash.hex()} cannot be mined here: {', '.join(said)}")

    def _run(self, transaction: RawTransaction) -> tuple[bool, int, tuple[Log, ...]]:
        """Whether it went well, the gas it used, and its logs."""
        if transaction.to is None:
            # There is no EVM here to make a contract with: it ends as one whose init code runs dry.
            return False, transaction.gas, ()
        mark = self._world.mark()
        self._move(transaction.sender, transaction.to, transaction.value)
        frame = Frame(
            world=self._world,
            contracts=self._contracts,
            block=self._block,
            sender=transaction.sender,
            this=transaction.to,
            gas_left=transaction.gas - transaction.intrinsic_gas,
        )
        ok, _ = frame.run(transaction.data)
        if not ok:
            self._world.undo_to(mark)
        gas_used = max(transaction.gas - frame.gas_left, transaction.floor_gas)
        return ok, gas_used, tuple(frame.logs) if ok else ()

    def _move(self, sender: Address, to: Address, value: int) -> None:
        self._world.set_balance(sender, self._world.balance(sender) - value)
        self._world.set_balance(to, self._world.balance(to) + value)
