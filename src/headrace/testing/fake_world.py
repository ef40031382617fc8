"""The fake chain's state and its little EVM: accounts, storage, calls with gas, reverts.

Owns      what happens inside one call: gas counted down, effects undone when it fails, logs kept when it does not.
Promises  a failed call leaves no trace but the gas it burned; 63/64 of what is left is the most a call passes on.
Leaves    what contracts do to Python objects (see `fake_contracts`), blocks to `fake_chain`. Gas is plausible,
          not exact: no warm and cold slots, no memory.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from headrace.core.words import Address, BlockNumber, ChainId, Log, Nonce

CALL_GAS: Final = 2_600
LOAD_GAS: Final = 2_100
STORE_NEW_GAS: Final = 22_100
STORE_AGAIN_GAS: Final = 5_000


class FakeRevert(Exception):
    """The contract said no. `data` as revert data."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


class OutOfGas(Exception):
    """The call burned all it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What NUMBER, TIMESTAMP and CHAINID answer."""

    number: BlockNumber
    timestamp: int
    chain: ChainId


class FakeContract(Protocol):
    """Keeps its state in the frame's storage and nowhere else, so that it can be undone."""

    @property
    def code(self) -> bytes: ...

    def run(self, frame: "Frame", data: bytes) -> bytes:
        """Raises FakeRevert and OutOfGas."""
        ...


class World:
    """Balances, nonces and storage. Every change can be undone."""

    def __init__(self) -> None:
        self._balances: dict[Any, int] = {}
        self._nonces: dict[Any, int] = {}
        self._storage: dict[Any, bytes] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def balance(self, account: Address) -> int:
        return self._balances.get(account, 0)

    def nonce(self, account: Address) -> Nonce:
        return Nonce(self._nonces.get(account, 0))

    def load(self, contract: Address, slot: bytes) -> bytes | None:
        return self._storage.get((contract, slot))

    def set_balance(self, account: Address, wei: int) -> None:
        assert wei >= 0, wei
        self._put(self._balances, account, wei)

    def set_nonce(self, account: Address, nonce: Nonce) -> None:
        self._put(self._nonces, account, nonce)

    def store(self, contract: Address, slot: bytes, value: bytes) -> None:
        self._put(self._storage, (contract, slot), value)

    def mark(self) -> int:
        """A place to undo to."""
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            table, key, old = self._undo.pop()
            if old is None:
                del table[key]
            else:
                table[key] = old

    def forget_undo(self) -> None:
        """What happened so far stays."""
        self._undo.clear()

    def copy(self) -> "World":
        """The same state, apart. Nothing that happened before can be undone in it."""
        other = World()
        other._balances, other._nonces = dict(self._balances), dict(self._nonces)
        other._storage = dict(self._storage)
        return other

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key)))
        table[key] = value


@dataclass(slots=True, kw_only=True)
class Frame:
    """One call as the called contract sees it. `proven`: signatures that were checked in this transaction."""

    world: World
    contracts: dict[Address, FakeContract]
    block: Surroundings
    sender: Address
    this: Address
    gas_left: int
    logs: list[Log] = field(default_factory=list)
    proven: set[bytes] = field(default_factory=set)

    def burn(self, gas: int) -> None:
        if gas > self.gas_left:
            self.gas_left = 0
            raise OutOfGas
        self.gas_left -= gas

    def load(self, slot: bytes) -> bytes | None:
        self.burn(LOAD_GAS)
        return self.world.load(self.this, slot)

    def store(self, slot: bytes, value: bytes) -> None:
        self.burn(STORE_NEW_GAS if self.world.load(self.this, slot) is None else STORE_AGAIN_GAS)
        self.world.store(self.this, slot, value)

    def emit(self, topics: tuple[bytes, ...], data: bytes) -> None:
        self.burn(375 * (1 + len(topics)) + 8 * len(data))
        self.logs.append(Log(self.this, topics, data))

    def call(self, to: Address, data: bytes, *, gas_max: int | None = None) -> tuple[bool, bytes]:
        """Whether it went well, and what it returned or reverted with (empty when it ran out of gas)."""
        self.burn(CALL_GAS)
        given = self.gas_left - self.gas_left // 64
        if gas_max is not None:
            given = min(given, gas_max)
        inner = Frame(
            world=self.world,
            contracts=self.contracts,
            block=self.block,
            sender=self.this,
            this=to,
            gas_left=given,
            proven=self.proven,
        )
        ok, result = inner.run(data)
        self.gas_left -= given - inner.gas_left
        if ok:
            self.logs.extend(inner.logs)
        return ok, result

    def run(self, data: bytes) -> tuple[bool, bytes]:
        """Runs the contract at `this`, if there is one; undoes everything if it fails."""
        contract = self.contracts.get(self.this)
        if contract is None:
            return True, b""
        mark = self.world.mark()
        try:
            return True, contract.run(self, data)
        except FakeRevert as revert:
            self.world.undo_to(mark)
            return False, revert.data
        except OutOfGas:
            self.world.undo_to(mark)
            self.gas_left = 0
            return False, b""
