"""The search for the guilty of a batch whose revert names none: the two ways find the same.

On a fake chain whose contract is all or nothing, as an escrow is: it runs its items in order, and reverts as a
whole with the first one's reason and no word of which it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.flush import BlockTimes
from headrace.core.operation import Operation
from headrace.core.ports import Call
from headrace.core.retries import RetryPolicy
from headrace.core.words import Address, Outcome, Revert, Verdict
from headrace.engine.gas_needed import GasPlan
from headrace.engine.judging import Judge
from headrace.engine.simulator import BatchRefused, Sifted, Simulator
from headrace.testing.builders import CHAIN, Builder
from headrace.testing.clock import HandClock
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_node import FakeNode
from headrace.testing.fake_world import FakeRevert, Frame
from headrace.workloads.tasks.errors import task_errors
from headrace.workloads.tasks.payload import CREATE
from headrace.workloads.tasks.workload import TaskContracts, Tasks

ESCROW = Address(b"\xe5" * 20)
LANE = Address(b"\x1a" * 20)
GAS_MAX = 2_000_000
MADE = Builder(11)
OPERATIONS = [MADE.operation(CREATE) for _ in range(24)]
UNAUTHORIZED = keccak(text="Unauthorized()")[:4]


def error(message: bytes) -> bytes:
    head = (32).to_bytes(32) + len(message).to_bytes(32)
    return keccak(text="Error(string)")[:4] + head + message.ljust(-(-len(message) // 32) * 32, b"\x00")


@dataclass
class Escrow:
    """`poison`: items that revert, with what. `rivals`: an item that cannot follow another one. `costs`: gas."""

    poison: Mapping[bytes, bytes] = field(default_factory=dict)
    rivals: Mapping[bytes, bytes] = field(default_factory=dict)
    costs: int = 30_000
    closed: bool = False
    code: bytes = b"escrow"

    def run(self, frame: Frame, data: bytes) -> bytes:
        if self.closed:
            raise FakeRevert(UNAUTHORIZED)
        for at in range(0, len(data), 32):
            item = data[at : at + 32]
            frame.burn(self.costs)
            if item in self.poison:
                raise FakeRevert(self.poison[item])
            if item in self.rivals and frame.load(self.rivals[item]) is not None:
                raise FakeRevert(error(b"not after the other"))
            frame.store(item, b"\x01")
        return b""


class Claims(Tasks):
    """A workload of that contract: its reverts speak of no item."""

    def __init__(self) -> None:
        contracts = TaskContracts(task_manager=ESCROW, batch=ESCROW, item_gas=1, strict_only=True)
        super().__init__(contracts, read_revert=task_errors().decode)

    def call(self, form: str, operations: Sequence[Operation], *, strict: bool) -> Call:
        return Call(ESCROW, b"".join(o.subject for o in operations))

    def failures(self, revert: Revert, count: int) -> None:
        return None


def node_of(escrow: Escrow, *, simulates: bool) -> FakeNode:
    chain = FakeChain(chain=CHAIN, balances={LANE: 10**21}, contracts={ESCROW: escrow}, now=HandClock().now)
    return FakeNode(chain, simulates=simulates)


def the_most(_: Sequence[Operation]) -> int:
    return GAS_MAX


async def sift(
    node: FakeNode, operations: Sequence[Operation], planned: Callable[[Sequence[Operation]], int] = the_most
) -> Sifted:
    judge = Judge(node=node, clock=HandClock(), policy=RetryPolicy(), confirmations=1)
    simulator = Simulator(node=node, judge=judge, sender=LANE, gas_per_transaction=GAS_MAX, blocks=BlockTimes())
    return await simulator.sift(Claims(), CREATE, operations, head=node.chain.head, plan=GasPlan(planned, GAS_MAX))


REASONS = [
    error(b"lock expired"),
    keccak(text="InvalidTaskId()")[:4],
    keccak(text="CurrentlyUnheardOf()")[:4],
    keccak(text="TaskCreatedBlockTooOld()")[:4],
    b"",
]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, len(OPERATIONS)).flatmap(
        lambda count: st.dictionaries(st.integers(0, count - 1), st.sampled_from(REASONS), max_size=count).map(
            lambda poison: (count, poison)
        )
    )
)
async def test_both_ways_give_the_same_verdicts_for_any_poison(case: tuple[int, dict[int, bytes]]) -> None:
    count, poison = case
    operations = OPERATIONS[:count]
    escrow = Escrow({operations[i].subject: reason for i, reason in poison.items()})
    in_turn, in_halves = node_of(escrow, simulates=True), node_of(escrow, simulates=False)
    found, other = await sift(in_turn, operations), await sift(in_halves, operations)
    assert {e.operation: e for e in found.endings} == {e.operation: e for e in other.endings}
    assert {r.operation: r for r in found.returns} == {r.operation: r for r in other.returns}
    assert found.standing == other.standing == tuple(o for i, o in enumerate(operations) if i not in poison)
    assert {e.operation for e in (*found.endings, *found.returns)} == {operations[i].id for i in poison}
    assert in_turn.calls["run_in_turn"] <= 2
    assert in_turn.calls["call"] <= 3, "as it would be sent, with all the gas there is, and what remains"


@pytest.mark.parametrize("simulates", [True, False])
async def test_the_quiet_case_is_one_call_either_way(simulates: bool) -> None:
    node = node_of(Escrow(), simulates=simulates)
    assert len((await sift(node, OPERATIONS)).standing) == len(OPERATIONS)
    assert dict(node.calls) == {"call": 1}


@pytest.mark.parametrize("simulates", [True, False])
async def test_who_travels_with_one_that_is_poisoned_goes_on_without_it_and_together(simulates: bool) -> None:
    bad = OPERATIONS[7]
    sifted = await sift(node_of(Escrow({bad.subject: REASONS[0]}), simulates=simulates), OPERATIONS)
    assert sifted.standing == tuple(o for o in OPERATIONS if o is not bad)
    assert [ending.operation for ending in sifted.endings] == [bad.id]


@pytest.mark.parametrize("simulates", [True, False])
async def test_what_only_fails_beside_another_waits_and_is_not_judged(simulates: bool) -> None:
    first, second = OPERATIONS[2], OPERATIONS[9]
    bad = OPERATIONS[5]
    escrow = Escrow({bad.subject: REASONS[0]}, rivals={second.subject: first.subject})
    sifted = await sift(node_of(escrow, simulates=simulates), OPERATIONS)
    assert [(e.operation, e.outcome) for e in sifted.endings] == [(bad.id, Outcome.REJECTED)]
    assert sifted.returns == ()
    assert first in sifted.standing
    assert second not in sifted.standing


async def test_in_turn_only_the_one_that_fails_beside_another_has_to_wait() -> None:
    first, second = OPERATIONS[2], OPERATIONS[9]
    sifted = await sift(node_of(Escrow(rivals={second.subject: first.subject}), simulates=True), OPERATIONS)
    assert sifted.standing == tuple(o for o in OPERATIONS if o is not second)


@pytest.mark.parametrize("simulates", [True, False])
async def test_what_is_too_much_gas_together_travels_in_parts(simulates: bool) -> None:
    sifted = await sift(node_of(Escrow(costs=100_000), simulates=simulates), OPERATIONS)
    assert (sifted.endings, sifted.returns) == ((), ())
    assert 0 < len(sifted.standing) < len(OPERATIONS)
    assert sifted.standing == tuple(OPERATIONS[: len(sifted.standing)]), "the oldest go first"


async def test_in_turn_as_many_stay_as_the_gas_of_one_transaction_is_enough_for() -> None:
    node = node_of(Escrow(costs=100_000), simulates=True)
    sifted = await sift(node, OPERATIONS)
    assert len(sifted.standing) == 13, "2,000,000 gas; each uses 21,000, its bytes, 100,000 and a new slot"


@pytest.mark.parametrize("share", [20, 50, 90])
async def test_a_batch_that_is_sent_as_it_is_tried_is_tried_with_the_gas_that_it_would_have(share: int) -> None:
    """And where that is too little it is sent with enough, and is not told that anything is wrong with it."""
    needs = 21_000 + len(OPERATIONS) * (30_000 + 22_100 + 16 * 32)
    planned = needs * share // 100
    node = node_of(Escrow(), simulates=True)
    sifted = await sift(node, OPERATIONS, planned=lambda some: planned * len(some) // len(OPERATIONS))
    assert sifted.standing == tuple(OPERATIONS)
    assert (sifted.endings, sifted.returns) == ((), ())
    assert sifted.gas_limit is not None
    assert needs <= sifted.gas_limit <= needs * 160 // 100
    assert node.calls["call"] <= 7
    assert node.calls["run_in_turn"] == 0, "nobody is guilty"


async def test_what_would_have_enough_is_sent_with_what_was_planned() -> None:
    node = node_of(Escrow(), simulates=True)
    sifted = await sift(node, OPERATIONS, planned=lambda _: 1_900_000)
    assert (len(sifted.standing), sifted.gas_limit) == (len(OPERATIONS), 1_900_000)
    assert dict(node.calls) == {"call": 1}


@pytest.mark.parametrize("simulates", [True, False])
async def test_poison_is_found_as_well_where_the_plan_is_too_low(simulates: bool) -> None:
    bad = OPERATIONS[7]
    node = node_of(Escrow({bad.subject: REASONS[0]}), simulates=simulates)
    sifted = await sift(node, OPERATIONS, planned=lambda some: 1_000 * len(some))
    assert [ending.operation for ending in sifted.endings] == [bad.id]
    assert sifted.standing == tuple(o for o in OPERATIONS if o is not bad)
    assert sifted.gas_limit is not None


@pytest.mark.parametrize("simulates", [True, False])
async def test_a_contract_that_wants_no_batch_at_all_is_not_searched_through(simulates: bool) -> None:
    node = node_of(Escrow(closed=True), simulates=simulates)
    with pytest.raises(BatchRefused, match="addAuthorized"):
        await sift(node, OPERATIONS)
    assert dict(node.calls) == {"call": 2}


async def test_empty_revert_data_of_one_alone_is_more_gas_and_not_a_rejection() -> None:
    bad = OPERATIONS[3]
    sifted = await sift(node_of(Escrow({bad.subject: b""}), simulates=True), OPERATIONS)
    (back,) = sifted.returns
    assert (back.operation, back.retries) == (bad.id, 1)
    assert Claims().judge(bad, Revert(b""), ()).verdict is Verdict.MORE_GAS
