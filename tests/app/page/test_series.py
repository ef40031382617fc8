from app.load.made_up import block, created, entry, responded, transaction
from app.page.made_up_runs import START_S, MadeUp, a_run, made_up
from headrace.app.page.series import Series, series_of


def drawn(one: MadeUp, **options: int) -> Series:
    return series_of(one.run, on_time_s=60, block_time_s=2.0, **options)


def test_every_curve_ends_where_the_report_counts() -> None:
    one = a_run()
    series, report = drawn(one), one.report
    assert series.offered.y[-1] == report["offered"]
    assert series.answered.y[-1] == report["offered"] - report["unanswered"]
    landed = report["outcomes"]["on_time"] + report["outcomes"]["late"]
    assert series.created.y[-1] == series.responded.y[-1] == landed
    assert series.response_took.y[-1] == round(100 * landed / report["accepted"], 4)
    assert series.answer_took.x[-1] == report["http_s"]["max"]
    assert series.response_took.x[-1] == report["onchain_e2e_s"]["max"]


def test_the_transactions_drawn_are_those_of_the_report() -> None:
    one = a_run()
    series, report = drawn(one), one.report
    assert series.transactions == len(series.by_size) == len(series.by_gas) == report["transactions"]
    assert sum(mined.gas_used for mined in series.by_gas) == report["gas_total"]
    assert max(mined.tasks for mined in series.by_size) == report["operations_per_transaction"]["max"]
    assert {mined.did for mined in series.by_size} == {"create and respond"}
    assert series.by_gas[0].gas_per_task == 200_000 + 50_000 / 7


def test_a_create_and_a_respond_apart_are_told_apart() -> None:
    one = made_up(
        entry(1, at_s=START_S),
        entry(2, at_s=START_S),
        blocks=[
            block(1, transaction(1, created(1)), seen_at_s=START_S + 2),
            block(2, transaction(2, created(2)), transaction(3, responded(1)), seen_at_s=START_S + 4),
        ],
    )
    series = drawn(one)
    assert [mined.did for mined in series.by_size] == ["create", "create", "respond"]
    assert (series.created.y[-1], series.responded.y[-1]) == (2, 1)
    assert series.response_took.y == [50.0]


def test_moments_count_from_the_first_request_and_all_curves_go_to_the_last_thing_that_happened() -> None:
    arriving = (entry(1, at_s=START_S + 3, took_s=0.5), entry(2, at_s=START_S + 5, took_s=0.5))
    blocks = [block(1, transaction(1, created(1), responded(1)), seen_at_s=START_S + 10)]
    series = drawn(made_up(*arriving, blocks=blocks))
    assert (series.offered.x, series.offered.y) == ([0.0, 0.0, 2.0, 7.0], [0, 1, 2, 2])
    assert (series.responded.x, series.responded.y) == ([0.0, 7.0], [0, 1])


def test_however_many_transactions_there_were_so_many_are_drawn_and_it_says_how_many_there_were() -> None:
    series = drawn(a_run(tasks=90, per_transaction=2), transactions_max=10)
    assert series.transactions == 45
    assert len(series.by_size) <= 10 and len(series.by_gas) <= 10


def test_a_run_of_nothing_can_be_drawn() -> None:
    series = drawn(made_up(blocks=[]))
    assert series.transactions == 0 and series.offered.y == [0] and series.answer_took.y == []
