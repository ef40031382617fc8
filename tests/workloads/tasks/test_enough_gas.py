"""Whatever batches follow each other, the book gives each what the contracts need: on a model of their cost.

The model is fitted to what a real chain showed (1 to 83 items, 1 to 5 sets of signers, 1 to 4 reference blocks,
bodies of 0 to 5 KB): at most 0.3 % below and 2.5 % above. tests/app/gas/test_enough_gas.py is the chain itself.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.gas import Company, GasBook, ItemGas
from headrace.core.ports import InCommon
from headrace.workloads.tasks.payload import CREATE_AND_RESPOND, RESPOND
from headrace.workloads.tasks.workload import SIGNERS_AT_GAS, SIGNERS_GAS
from workloads.tasks.making import workload

ITEM_GAS: Final = 450_000
HEAD_ZEROS, HEAD_OTHERS = 930, 414  # of the shortest item
BODY_EXECUTION_PERCENT: Final = 135  # gas for 100 bytes of a body, beside its calldata
# EIP-2537: what a point costs of many that are multiplied at once, in thousandths of what one costs alone.
DISCOUNT_AT: Final = (1, 2, 4, 8, 16, 32, 64, 128)
DISCOUNT: Final = (1000, 949, 797, 728, 677, 627, 576, 519)
POINT_GAS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Item:
    zeros: int
    others: int
    non_signers: int
    block: int

    @property
    def size(self) -> int:
        return HEAD_ZEROS + HEAD_OTHERS + self.zeros + self.others

    @property
    def in_common(self) -> tuple[InCommon, InCommon]:
        signers = bytes([self.non_signers])
        at = signers + bytes([self.block])
        return InCommon(signers, SIGNERS_GAS), InCommon(at, SIGNERS_AT_GAS)


Batch = list[Item]


def points(count: int) -> int:
    place = min(bisect_right(DISCOUNT_AT, count), len(DISCOUNT_AT) - 1)
    low, high = DISCOUNT_AT[place - 1], DISCOUNT_AT[place]
    thousandths = DISCOUNT[place - 1] + (DISCOUNT[place] - DISCOUNT[place - 1]) * (count - low) // (high - low)
    return count * POINT_GAS * thousandths // 1000


def calldata_gas(batch: Batch) -> int:
    zeros = sum(item.zeros + HEAD_ZEROS for item in batch)
    others = sum(item.others + HEAD_OTHERS for item in batch)
    return zeros * 4 + others * 16


def floor_gas(batch: Batch) -> int:
    return 21_000 + calldata_gas(batch) * 10 // 4


def execution(form: str, batch: Batch, *, dear_client: int) -> int:
    """Beside the 21,000 and the calldata, all signatures checked together."""
    count = len(batch)
    bodies = sum(item.zeros + item.others for item in batch) * BODY_EXECUTION_PERCENT // 100
    each = dear_client if form == CREATE_AND_RESPOND else dear_client - 23_400
    if count == 1:
        return 228_000 + (each if form == RESPOND else dear_client) + bodies + 45_000 * bool(batch[0].non_signers)
    sets = {item.non_signers for item in batch}
    at = {(item.non_signers, item.block) for item in batch}
    words = sum(item.size for item in batch) * 3 // 32
    gas = 153_000 + count * (87_900 + each) + bodies + words * words // 512
    gas += points(count) + sum(points(sum(item.non_signers == one for item in batch)) for one in sets)
    gas += (len(sets) - 1) * (70_000 + 230 * count) + (len(at) - len(sets)) * (12_500 + 125 * count)
    return gas + 30_000 * (0 not in sets)


def needed_and_used(form: str, batch: Batch, *, dear_client: int) -> tuple[int, int]:
    """What a transaction must be given so that all are tried, and what it uses."""
    count, length = len(batch), sum(item.size for item in batch) + 132
    intrinsic = 21_000 + calldata_gas(batch)
    runs = execution(form, batch, dear_client=dear_client)
    to_try = ITEM_GAS * 64 // 63 + 20_000 + length // 2
    last = 30_000 if form == RESPOND else 55_000  # the least that the last item uses itself
    needed = [intrinsic + runs - last + to_try + 10_000, floor_gas(batch), intrinsic + runs]
    if count > 1:
        needed.append(intrinsic + 150_000 + 60_000 * count + to_try + 4 * length)
    return max(needed), max(intrinsic + runs, floor_gas(batch))


bodies = st.one_of(
    st.just((0, 0)), st.tuples(st.integers(0, 5_000), st.just(0)), st.tuples(st.just(0), st.integers(0, 5_000))
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    some = draw(st.lists(bodies, min_size=1, max_size=4))
    sets = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    blocks = draw(st.integers(1, 4))
    longest = HEAD_ZEROS + HEAD_OTHERS + max(map(sum, some))
    count = draw(st.integers(1, min(90, 130_000 // longest)))
    return [
        Item(*some[i % len(some)], non_signers=sets[i % len(sets)], block=i // len(sets) % blocks)
        for i in range(count)
    ]


def limit_of(book: ItemGas, batch: Batch) -> int:
    further = Company.of(item.in_common for item in batch).further
    return book.of_batch([item.size for item in batch], further=further)


def teach(book: ItemGas, batch: Batch, gas_used: int) -> None:
    further = Company.of(item.in_common for item in batch).further
    book.learn(gas_used=gas_used, sizes=[item.size for item in batch], further=further)


@settings(max_examples=300)
@given(st.sampled_from([RESPOND, CREATE_AND_RESPOND]), st.lists(batches(), min_size=1, max_size=12), st.booleans())
def test_no_batch_runs_dry_whatever_was_learned_before(
    form: str, road: list[Batch], client_has_code: bool
) -> None:
    book = GasBook().of(workload(), form)
    for number, batch in enumerate(road):
        needed, used = needed_and_used(form, batch, dear_client=2_300 * client_has_code)
        limit = limit_of(book, batch)
        assert needed <= limit, f"batch {number} of {len(batch)}: {limit - needed}"
        teach(book, batch, used)


@given(st.lists(st.integers(20, 80), min_size=1, max_size=10), st.integers(1, 5))
def test_what_a_batch_is_given_is_near_to_what_batches_like_it_use(counts: list[int], sets: int) -> None:
    book = GasBook().of(workload(), CREATE_AND_RESPOND)
    for count in counts:
        batch = [Item(0, 200, non_signers=index % sets, block=1) for index in range(count)]
        _, used = needed_and_used(CREATE_AND_RESPOND, batch, dear_client=0)
        assert limit_of(book, batch) - book.tail * 64 // 63 <= used * 114 // 100
        teach(book, batch, used)
