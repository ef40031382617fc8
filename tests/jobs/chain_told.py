"""A chain whose escrow and tokens answer what a test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode

from headrace.core.words import Address
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_node import FakeNode
from headrace.testing.fake_world import FakeRevert, Frame
from headrace.testing.node_faults import NodeFaults
from headrace.workloads.escrow import calldata
from headrace.workloads.escrow.lock_state import LiveLock
from jobs.making import CHAIN, PAYEE, TOKEN

ESCROW = Address(b"\xe5" * 20)
BLOCKS = 9


@dataclass(slots=True)
class ToldEscrow:
    """Every payer has `available` there, and has authorised the payee for as much. `garbled`: it answers as no
    escrow does."""

    locks: Sequence[LiveLock] = ()
    available: int = 0
    garbled: bool = False
    code: bytes = b"escrow"

    def run(self, frame: Frame, data: bytes) -> bytes:
        if self.garbled:
            return b"\x01" * 64
        if data[:4] == calldata.GET_LOCKS:
            rows = [(one.key.job, one.key.payer, one.amount, one.expiry, one.key.token) for one in self.locks]
            return encode(["(uint256,address,uint256,uint256,address)[]"], [rows])
        if data[:4] == calldata.GET_USER_FUNDS:
            return encode(["uint256", "uint256"], [self.available, 0])
        if data[:4] == calldata.GET_AUTHORIZATIONS:
            rows = [(PAYEE, self.available, 0, 10**9, 100, 0)]
            return encode(["(address,uint256,uint256,uint256,uint256,uint256)[]"], [rows])
        raise FakeRevert


@dataclass(slots=True)
class ToldToken:
    decimals: int = 6
    code: bytes = b"token"

    def run(self, frame: Frame, data: bytes) -> bytes:
        if data[:4] != calldata.DECIMALS:
            raise FakeRevert
        return encode(["uint256"], [self.decimals])


@dataclass(slots=True)
class Told:
    escrow: ToldEscrow = field(default_factory=ToldEscrow)
    token: ToldToken = field(default_factory=ToldToken)

    def node(self, faults: NodeFaults | None = None) -> FakeNode:
        chain = FakeChain(chain=CHAIN, contracts={ESCROW: self.escrow, TOKEN: self.token})
        chain.mine(BLOCKS)
        return FakeNode(chain, faults=faults)
