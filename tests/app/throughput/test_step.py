"""What is sustained, over made-up steps of 40 s at one task a second, with a block every two seconds."""

from app.load.made_up import block, entry, journal_of, record_of, responded, transaction
from headrace.app.load.journal import Entry, Refused
from headrace.app.load.landing import Ended
from headrace.app.load.measure import LoadRun
from headrace.app.load.profile import OpenLoop
from headrace.app.report import Deployment, Limits, build_report
from headrace.app.throughput.step import Step, step_of

SECONDS = 40


def step(waits_s: list[float], *, answer_s: float = 0.1, **other: Entry) -> Step:
    """Task n is asked for at n seconds, and its block is seen `waits_s[n]` later."""
    entries = [entry(n, at_s=float(n), took_s=answer_s) for n in range(len(waits_s))]
    for name, one in other.items():
        entries[int(name.removeprefix("at_"))] = one
    record = record_of(
        *(
            block(10 + n, transaction(n, responded(n), gas=1_000), seen_at_s=n + wait_s)
            for n, wait_s in enumerate(waits_s)
        )
    )
    journal = journal_of(*entries)
    report = build_report(
        command="bench",
        profile=OpenLoop(rate_per_s=1, seconds=SECONDS),
        deployment=Deployment(),
        run=LoadRun(
            journal=journal, record=record, started_at_s=0.0, ended_at_s=200.0, ended=Ended.ALL_LANDED, use={}
        ),
        limits=Limits(),
    )
    return step_of(
        1,
        SECONDS,
        report,
        entries,
        record,
        started_at_s=0.0,
        cpu_s={"gateway": 4.0},
        cores=2,
        gas_limit=10_000,
        block_time_s=2,
    )


def test_a_step_in_which_all_lands_in_the_next_block_or_the_one_after_is_sustained() -> None:
    found = step([1.0 + n % 2 for n in range(SECONDS)])
    assert found.sustained
    assert len(found.on_chain_p50_s) == 4


def test_a_way_to_the_chain_that_grows_is_a_queue_though_everything_is_on_time() -> None:
    found = step([1.0 + n / 10 for n in range(SECONDS)])
    assert found.why_not == "the way to the chain grows from 2.4 to 4.4 s"


def test_a_single_stall_that_is_worked_off_is_no_queue() -> None:
    assert step([8.0 if n == 22 else 1.0 for n in range(SECONDS)]).sustained


def test_one_late_task_is_one_too_many() -> None:
    found = step([61.0 if n == 5 else 1.0 for n in range(SECONDS)])
    assert found.why_not == "97.50 % on time"


def test_a_gateway_that_turns_tasks_away_sustains_nothing() -> None:
    assert not step([1.0] * SECONDS, at_7=entry(7, at_s=7.0, answer=Refused(-32005, "full"))).sustained


def test_answers_that_take_too_long_are_said() -> None:
    assert step([5.0] * SECONDS, answer_s=3.5).why_not == "answers take 3.5 s (p99)"


def test_the_rate_that_landed_counts_to_the_last_block() -> None:
    assert step([1.0] * SECONDS).landed_per_s == 1.0  # 40 tasks, the last one's block at 40 s


def test_gas_is_counted_while_the_load_goes_on() -> None:
    found = {share.resource: share.percent for share in step([1.0] * SECONDS).shares}
    assert found["gas of a block"] == 10
    assert found["the one core of the gateway"] == 10


def test_a_step_in_which_nothing_landed_is_judged_too() -> None:
    found = step([], answer_s=0.1)
    assert not found.sustained
    assert found.landed_per_s == 0
