import pytest

from headrace.app.gas.figures import SINGLE, TRY, Figure, Figures, figure_of
from headrace.app.gas.shown import table
from headrace.app.gas.tasks import fits


def made(
    way: str = TRY, *, size: int = 10, gas: int = 1_000_000, calldata: bytes = bytes(90) + b"\x01" * 10
) -> Figure:
    return figure_of("tasks", "create", way, size, [calldata], [gas])


def test_gas_and_bytes_per_operation_are_rounded_up() -> None:
    figure = made(size=3, gas=100_000)
    assert (figure.gas_each, figure.bytes_each) == (33_334, 34)


def test_several_transactions_are_counted_together_with_the_base_cost_of_each() -> None:
    figure = figure_of("tasks", "create", SINGLE, 2, [b"\x01", b"\x00"], [50_000, 60_000])
    assert (figure.transactions, figure.gas, figure.gas_max, figure.calldata_bytes) == (2, 110_000, 60_000, 2)
    assert figure.floor_gas == 2 * 21_000 + 40 + 10


def test_the_floor_binds_where_nothing_but_calldata_was_paid() -> None:
    data = b"\x01" * 1_000
    assert made(gas=21_000 + 40_000, calldata=data).floor_binds
    assert not made(gas=21_000 + 40_001, calldata=data).floor_binds


def test_ways_are_compared_per_operation() -> None:
    assert Figures.percent(made(size=10, gas=500_000), made(size=1, gas=100_000)) == 50.0


def test_what_was_not_measured_is_not_made_up() -> None:
    with pytest.raises(KeyError, match="60 create, strict form"):
        Figures((made(),)).of("create", "strict form", 60)


def test_a_full_batch_is_bound_by_gas_or_by_bytes() -> None:
    assert fits(made(size=10, gas=2_000_000)) == 83
    assert fits(made(size=10, gas=1_000_000, calldata=bytes(20_000))) == 65


def test_a_table_shows_each_figure_against_a_single_one() -> None:
    shown = table(Figures((made(SINGLE, size=5, gas=500_000), made(size=10, gas=500_000))), "create")
    assert shown.columns[0] == "tasks: create"
    assert [row[:4] for row in shown.rows] == [
        ("individually", "1", "100,000", "100.0 %"),
        ("try form", "10", "50,000", "50.0 %"),
    ]
