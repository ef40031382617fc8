"""What is asked of the chain beside its events' meaning: ends of locks, decimals of tokens. On the fake chain,
which loses answers on command."""

from dataclasses import dataclass, field, replace

import pytest
from eth_abi.abi import encode

from headrace.core.errors import FixTheRequest
from headrace.core.job import Job
from headrace.core.ports import NodeTrouble
from headrace.core.settlement import Canceled, Claimed, Lock, Proof, Released
from headrace.core.words import Address, BlockNumber
from headrace.jobs.decimals import TokenDecimals
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.lock_ends import LockEnds, key_of
from headrace.jobs.planning import Unread
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_node import FakeNode
from headrace.testing.fake_world import Frame
from headrace.testing.keys import keys_from_seed
from headrace.testing.node_faults import ReadFault, ScriptedFaults
from headrace.testing.raw_transaction import read_transaction
from headrace.workloads.escrow import events
from jobs.making import CHAIN, PAYEE, TOKEN, locked_job
from testing.signing import signed

ESCROW = Address(b"\xe5" * 20)
(SENDER,) = keys_from_seed(8, 1)


@dataclass
class Says:
    """Emits what its calldata holds: topics and data, one after the other; answers `decimals` to a view."""

    decimals: bytes = (6).to_bytes(32)
    code: bytes = b"\xfe"
    asked: int = field(default=0)

    def run(self, frame: Frame, data: bytes) -> bytes:
        if len(data) == 4:
            self.asked += 1
            return self.decimals
        while data:
            topics, length, data = data[0], int.from_bytes(data[1:3]), data[3:]
            frame.emit(tuple(data[32 * i : 32 * i + 32] for i in range(topics)), data[32 * topics :][:length])
            data = data[32 * topics + length :]
        return b""


def said(topics: tuple[bytes, ...], data: bytes) -> bytes:
    return bytes([len(topics)]) + len(data).to_bytes(2) + b"".join(topics) + data


def word(address: Address) -> bytes:
    return bytes(12) + address


def claimed(job: Job, amount: int) -> bytes:
    key = key_of(job)
    body = encode(["uint256", "address", "uint256", "bytes"], [key.job, key.token, amount, b""])
    return said((events.CLAIMED_TOPIC, word(key.payee), word(key.payer)), body)


def canceled(job: Job) -> bytes:
    key = key_of(job)
    body = encode(["uint256", "address", "uint256"], [key.job, key.token, 5])
    return said((events.CANCELED_TOPIC, word(key.payee), word(key.payer)), body)


def locked(job: Job) -> bytes:
    key = key_of(job)
    body = encode(
        ["address", "address", "uint256", "uint256", "uint256", "address"],
        [key.payer, key.payee, key.job, 9, 60, key.token],
    )
    return said((events.LOCK_TOPIC,), body)


class Scene:
    def __init__(self, faults: ScriptedFaults | None = None) -> None:
        self.token = Says()
        contracts = {ESCROW: Says(), TOKEN: self.token}
        self.chain = FakeChain(balances={SENDER.address: 10**20}, contracts=contracts)
        self.node = FakeNode(self.chain, faults=faults)
        self.reader = EscrowReader(self.node, escrow=ESCROW, chain=CHAIN, confirmations=1)
        self.ends = LockEnds(self.reader)
        self.nonce = 0

    def happen(self, *what: bytes) -> Proof:
        """In one transaction and block of its own."""
        raw = signed(SENDER, self.nonce, to=ESCROW, data=b"".join(what), gas=900_000)
        self.nonce += 1
        head = self.chain.mine(include=[raw])
        return Proof(read_transaction(raw).hash, head.number)

    @property
    def head(self) -> BlockNumber:
        return self.chain.head.number


def job_locked(id: str, made: Proof) -> Job:
    lock = Lock(amount=9, expiry=2_000_000_000, transaction=made.transaction, block=made.block)
    return replace(locked_job(id), lock=lock)


async def test_each_lock_finds_its_own_end_whoever_brought_it_about() -> None:
    scene = Scene()
    jobs = [job_locked(id, scene.happen(locked(locked_job(id)))) for id in "abcd"]
    first = scene.happen(claimed(jobs[0], 3), claimed(jobs[1], 0))
    second = scene.happen(canceled(jobs[2]))
    found = await scene.ends.of(jobs, up_to=scene.head)
    assert found == {"a": Claimed(3, first), "b": Released(first), "c": Canceled(second)}, "d has none"


async def test_the_end_of_an_earlier_lock_of_the_same_number_is_not_taken_for_this_ones() -> None:
    scene = Scene()
    scene.happen(locked(locked_job("a")))
    scene.happen(claimed(locked_job("a"), 7))
    again = job_locked("a", scene.happen(locked(locked_job("a"))))
    assert await scene.ends.of([again], up_to=scene.head) == {}
    end = scene.happen(canceled(again))
    assert await scene.ends.of([again], up_to=scene.head) == {"a": Canceled(end)}


async def test_not_even_one_in_the_very_block_that_the_lock_is_in() -> None:
    scene = Scene()
    job = job_locked("a", scene.happen(claimed(locked_job("a"), 7), locked(locked_job("a"))))
    assert await scene.ends.of([job], up_to=scene.head) == {}
    both = scene.happen(locked(locked_job("b")), claimed(locked_job("b"), 2))
    assert await scene.ends.of([job_locked("b", both)], up_to=scene.head) == {"b": Claimed(2, both)}


async def test_a_later_lock_of_the_same_number_does_not_change_how_this_one_ended() -> None:
    scene = Scene()
    job = job_locked("a", scene.happen(locked(locked_job("a"))))
    end = scene.happen(claimed(job, 2))
    scene.happen(locked(job))
    scene.happen(canceled(job))
    assert await scene.ends.of([job], up_to=scene.head) == {"a": Claimed(2, end)}


async def test_a_range_that_cannot_be_read_says_nothing() -> None:
    scene = Scene(ScriptedFaults(read={"logs": [ReadFault.TROUBLE]}))
    job = job_locked("a", scene.happen(locked(locked_job("a"))))
    with pytest.raises(NodeTrouble):
        await scene.ends.of([job], up_to=scene.head)


async def test_locks_that_could_not_be_read_are_unread_never_none() -> None:
    scene = Scene()
    found = await scene.reader.locks(PAYEE, as_of=scene.head)
    assert isinstance(found, Unread), "what answers is no list of locks"


async def test_decimals_are_asked_for_once_and_a_failure_is_never_kept() -> None:
    scene = Scene(ScriptedFaults(read={"call": [ReadFault.TROUBLE]}))
    decimals = TokenDecimals(scene.node, chain=CHAIN)
    with pytest.raises(NodeTrouble):
        await decimals.of(TOKEN)
    assert [await decimals.of(TOKEN) for _ in range(3)] == [6, 6, 6]
    assert scene.token.asked == 1


@pytest.mark.parametrize("answer", [b"", b"\x06", (37).to_bytes(32), (2**255).to_bytes(32)])
async def test_what_is_no_token_is_told_and_asked_again_next_time(answer: bytes) -> None:
    scene = Scene()
    decimals = TokenDecimals(scene.node, chain=CHAIN)
    scene.token.decimals = answer
    with pytest.raises(FixTheRequest, match="is it a token"):
        await decimals.of(TOKEN)
    scene.token.decimals = (18).to_bytes(32)
    assert await decimals.of(TOKEN) == 18
