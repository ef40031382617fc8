import pytest

from app.load.made_up import block, created, entry, responded, transaction
from app.page.made_up_runs import BLOCK_TIME_S, START_S, a_run, made_up
from headrace.app.source_load.figures import Figures


def test_late_tasks_have_landed_and_were_not_on_time() -> None:
    entries = [entry(n, at_s=START_S) for n in range(4)]
    blocks = [
        block(1, transaction(1, created(0), responded(0)), seen_at_s=START_S + 12),
        block(2, transaction(2, created(1), responded(1)), seen_at_s=START_S + 61),
        block(3, transaction(3, created(2)), seen_at_s=START_S + 70),
    ]
    figures = Figures.of(made_up(*entries, blocks=blocks).report)
    assert (figures.due, figures.on_time_percent, figures.landed_percent) == (4, 25.0, 50.0)
    assert figures.p50_s == 12 and figures.p50_blocks == 12 / BLOCK_TIME_S


def test_a_refusal_that_is_the_policys_was_not_due() -> None:
    figures = Figures.of(a_run(tasks=40).report)
    assert figures.due == 42 and figures.on_time == figures.landed == 40
    assert figures.on_time_percent == pytest.approx(100 * 40 / 42)


def test_nothing_at_all_is_nothing_and_no_division_by_it() -> None:
    figures = Figures.of(made_up(blocks=[]).report)
    assert (figures.on_time_percent, figures.landed_percent, figures.p50_blocks) == (0.0, 0.0, 0.0)
    assert figures.p50_s is None
