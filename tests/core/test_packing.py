from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from core.making import gas, operation
from headrace.core.gas import GAS_PER_BYTE, Company
from headrace.core.operation import Operation
from headrace.core.packing import ENVELOPE_BYTES, Limits, fits_about, pack
from headrace.core.ports import InCommon

ROOMY = Limits(
    gas_per_transaction=16_000_000,
    gas_alone=16_000_000,
    bytes_per_transaction=131_072,
    operations_per_transaction=120,
    transactions=4,
    gas_total=60_000_000,
)


def size(one: Operation) -> int:
    return len(one.payload)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    gas_per_transaction = draw(st.integers(60_000, 400_000))
    return Limits(
        gas_per_transaction=gas_per_transaction,
        gas_alone=gas_per_transaction,
        bytes_per_transaction=draw(st.integers(ENVELOPE_BYTES, ENVELOPE_BYTES + 5_000)),
        operations_per_transaction=draw(st.integers(1, 8)),
        transactions=draw(st.integers(0, 5)),
        gas_total=draw(st.integers(0, 1_500_000)),
    )


def in_common(one: Operation) -> list[InCommon]:
    """Two things of which there are a few each."""
    return [InCommon(b"a%d" % (size(one) % 3), 30_000), InCommon(b"b%d" % (size(one) % 2), 9_000)]


many = st.lists(st.integers(0, 4_000), max_size=40).map(
    lambda sizes: [operation(str(i), size=s) for i, s in enumerate(sizes)]
)


@given(many, limits(), st.integers(0, 60_000))
def test_no_batch_exceeds_a_limit(operations: list[Operation], bounds: Limits, tail: int) -> None:
    book = gas(tail=tail)
    packed = pack(operations, gas=book, size=size, limits=bounds)

    assert len(packed.batches) <= bounds.transactions
    assert sum(batch.gas_limit for batch in packed.batches) <= bounds.gas_total
    for batch in packed.batches:
        sizes = [size(o) for o in batch.operations]
        assert 0 < len(sizes) <= bounds.operations_per_transaction
        assert batch.gas_limit == min(book.of_batch(sizes), bounds.gas_per_transaction)
        assert batch.gas_limit == book.of_batch(sizes) or len(sizes) == 1, "alone, with all there is"
        assert ENVELOPE_BYTES + sum(sizes) <= bounds.bytes_per_transaction


@given(many, limits())
def test_what_a_batch_shares_is_counted_once_and_within_every_limit(
    operations: list[Operation], bounds: Limits
) -> None:
    book = gas()
    packed = pack(operations, gas=book, size=size, limits=bounds, in_common=in_common)

    assert sum(batch.gas_limit for batch in packed.batches) <= bounds.gas_total
    for batch in packed.batches:
        further = Company.of(map(in_common, batch.operations)).further
        needs = book.of_batch([size(o) for o in batch.operations], further=further)
        assert batch.gas_limit == min(needs, bounds.gas_per_transaction)
        assert needs == batch.gas_limit or len(batch.operations) == 1
        assert batch.gas_limit <= bounds.gas_per_transaction
    assert packed.too_large == pack(operations, gas=book, size=size, limits=bounds).too_large


@given(many, limits(), st.integers(0, 60_000))
def test_nothing_is_lost_and_nothing_overtakes(operations: list[Operation], bounds: Limits, tail: int) -> None:
    packed = pack(operations, gas=gas(tail=tail), size=size, limits=bounds)

    travelling = [o for batch in packed.batches for o in batch.operations]
    fitting = [o for o in operations if o not in packed.too_large]
    assert [*travelling, *packed.left] == fitting
    assert list(packed.too_large) == [o for o in operations if o in packed.too_large]


@given(many, limits(), st.integers(0, 60_000))
def test_what_is_too_large_would_not_fit_alone_either(
    operations: list[Operation], bounds: Limits, tail: int
) -> None:
    book = gas(tail=tail)
    for one in pack(operations, gas=book, size=size, limits=bounds).too_large:
        assert (
            book.of_batch([size(one)]) > bounds.gas_per_transaction
            or ENVELOPE_BYTES + size(one) > bounds.bytes_per_transaction
        )


def test_with_room_for_all_they_travel_in_as_few_transactions_as_may_be() -> None:
    operations = [operation(str(i)) for i in range(250)]
    packed = pack(operations, gas=gas(), size=size, limits=ROOMY)
    assert [len(batch.operations) for batch in packed.batches] == [120, 120, 10]
    assert not packed.left


def test_where_the_gas_or_the_bytes_of_one_transaction_end_the_next_begins() -> None:
    operations = [operation(str(i), size=100) for i in range(8)]
    for bounds in (
        replace(ROOMY, gas_per_transaction=gas().of_batch([100] * 3)),
        replace(ROOMY, bytes_per_transaction=ENVELOPE_BYTES + 300),
    ):
        packed = pack(operations, gas=gas(), size=size, limits=bounds)
        assert [len(batch.operations) for batch in packed.batches] == [3, 3, 2]


def test_a_smaller_one_does_not_overtake_one_that_has_no_room_now() -> None:
    room_for_one = Limits(
        gas_per_transaction=10**6,
        gas_alone=10**6,
        bytes_per_transaction=131_072,
        operations_per_transaction=9,
        transactions=1,
        gas_total=gas().of_batch([100]) + 20_000,
    )
    operations = [operation("a"), operation("large", size=1_000), operation("small", size=0)]
    packed = pack(operations, gas=gas(), size=size, limits=room_for_one)
    assert [batch.operations for batch in packed.batches] == [(operations[0],)]
    assert packed.left == tuple(operations[1:])


def test_one_that_fits_no_transaction_is_named_and_the_others_go() -> None:
    operations = [operation("a"), operation("huge", size=200_000), operation("b")]
    packed = pack(operations, gas=gas(), size=size, limits=ROOMY)
    assert packed.too_large == (operations[1],)
    assert packed.batches[0].operations == (operations[0], operations[2])


def test_one_that_is_only_thought_to_need_more_than_a_transaction_may_have_travels_alone_with_all_of_that() -> (
    None
):
    book = gas()
    book.starved(gas_limit=20_000_000, sizes=[100])
    operations = [operation(str(i)) for i in range(3)]
    packed = pack(operations, gas=book, size=size, limits=ROOMY)
    assert [(batch.operations, batch.gas_limit) for batch in packed.batches] == [
        ((one,), ROOMY.gas_per_transaction) for one in operations
    ]
    assert packed.too_large == ()


def test_one_that_is_thought_to_need_more_than_this_lanes_share_travels_alone_with_all_of_that() -> None:
    book = gas()
    book.starved(gas_limit=2_000_000, sizes=[100])
    share = replace(ROOMY, gas_alone=1_000_000, gas_total=1_000_000)
    operations = [operation(str(i)) for i in range(3)]
    packed = pack(operations, gas=book, size=size, limits=share)
    assert [(batch.operations, batch.gas_limit) for batch in packed.batches] == [((operations[0],), 1_000_000)]
    assert (packed.left, packed.too_large) == (tuple(operations[1:]), ())


def test_what_surely_needs_more_than_this_lanes_share_waits_until_there_is_more() -> None:
    share = replace(ROOMY, gas_alone=30_000, gas_total=30_000)
    packed = pack([operation("a", size=2_000)], gas=gas(), size=size, limits=share)
    assert [o.id for o in packed.left] == ["a"]


def test_how_many_fit_is_what_a_full_transaction_then_holds() -> None:
    for item_bytes in (50, 500, 5_000):
        about = fits_about(gas=gas(), item_bytes=item_bytes, limits=ROOMY)
        operations = [operation(str(i), size=item_bytes) for i in range(200)]
        packed = pack(operations, gas=gas(), size=size, limits=ROOMY)
        assert len(packed.batches[0].operations) == about


def test_at_least_one_fits_even_where_none_does() -> None:
    tiny = Limits(
        gas_per_transaction=10,
        gas_alone=10,
        bytes_per_transaction=10,
        operations_per_transaction=1,
        transactions=1,
        gas_total=10,
    )
    assert fits_about(gas=gas(), item_bytes=GAS_PER_BYTE, limits=tiny) == 1
