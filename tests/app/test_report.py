import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.load.made_up import block, created, entry, item_failed, journal_of, record_of, responded, transaction
from headrace.app.chain_watch import ChainRecord
from headrace.app.load.endings import SaidEnding
from headrace.app.load.journal import Accepted, Answer, Journal, Refused, Unanswered
from headrace.app.load.landing import Ended
from headrace.app.load.measure import LoadRun
from headrace.app.load.process_stats import Use
from headrace.app.load.profile import OpenLoop, Profile, Users
from headrace.app.load.task_source import Kind
from headrace.app.report import Deployment, Limits, build_report
from headrace.app.report_shape import Report

FIXED = {
    "version", "command", "profile", "offered", "accepted", "refused", "outcomes", "http_s", "answer_s",
    "onchain_create_s", "onchain_e2e_s", "transactions", "blocks", "operations_per_transaction",
    "gas_per_operation", "gas_total", "cost_wei", "cpu_s", "rss_mb",
}  # fmt: skip
FIXED_PROFILE = {
    "rate_per_s", "seconds", "users", "block_time_s", "gas_limit", "fork", "recording", "submitter", "replicas",
    "lanes", "store",
}  # fmt: skip
LIMITS = Limits(on_time_s=60, late_limit_s=180)


def report_of(
    journal: Journal,
    record: ChainRecord,
    *,
    ended_at_s: float = 1_000.0,
    endings: dict[str, SaidEnding] | None = None,
    profile: Profile | None = None,
) -> Report:
    return build_report(
        command="demo",
        profile=profile or OpenLoop(rate_per_s=100, seconds=60),
        deployment=Deployment(block_time_s=2, gas_limit=60_000_000, recording="combined"),
        run=LoadRun(
            journal=journal,
            record=record,
            started_at_s=0.0,
            ended_at_s=ended_at_s,
            ended=Ended.ALL_LANDED,
            use={"gateway": Use(cpu_s=1.234, rss_peak_mb=80.0, rss_last_mb=70.0, samples=())},
        ),
        limits=LIMITS,
        endings=endings,
        date="2026-11-21",
        machine="2 cores",
    )


def test_it_has_every_field_that_scripts_rely_on_and_is_json() -> None:
    report = report_of(
        journal_of(entry(1)), record_of(block(1, transaction(1, created(1), responded(1)), seen_at_s=2))
    )
    assert set(report) >= FIXED and set(report["profile"]) >= FIXED_PROFILE
    assert report["version"] == 1
    assert set(report["outcomes"]) == {"on_time", "late", "failed", "never"}
    assert set(report["http_s"]) == {"p50", "p95", "p99", "max"}
    assert set(report["operations_per_transaction"]) == {"p50", "max"}
    assert report["cpu_s"] == {"gateway": 1.23} and report["rss_mb"] == {"gateway": 80.0}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_profile_says_which_kind_of_load_it_was() -> None:
    users = Users(users=10, spawn_rate_per_s=10, pacing_s=15, seconds=300)
    facts = report_of(journal_of(), record_of(), profile=users)["profile"]
    assert (facts["users"], facts["rate_per_s"], facts["seconds"], facts["pacing_s"]) == (10, None, 300, 15)
    facts = report_of(journal_of(), record_of())["profile"]
    assert (facts["users"], facts["rate_per_s"], facts["seconds"]) == (None, 100, 60)


def test_each_request_is_counted_from_its_scheduled_moment_to_the_moment_the_block_was_seen() -> None:
    journal = journal_of(entry(1, at_s=10.0, took_s=0.5), entry(2, at_s=20.0, took_s=0.25))
    record = record_of(
        block(1, transaction(1, created(1)), seen_at_s=12.0),
        block(2, transaction(2, responded(1), created(2), responded(2)), seen_at_s=24.0),
    )
    report = report_of(journal, record)
    assert report["onchain_create_s"] == {"p50": 2.0, "p95": 4.0, "p99": 4.0, "max": 4.0}
    assert report["onchain_e2e_s"] == {"p50": 4.0, "p95": 14.0, "p99": 14.0, "max": 14.0}
    assert report["answer_s"]["p50"] == 0.25 and report["answer_s"]["max"] == 0.5


def test_a_late_task_is_late_and_nothing_else_so_that_the_outcomes_add_up_to_the_accepted() -> None:
    """D1: tasks that came after the time limit were counted as timed out, and as completed too."""
    journal = journal_of(*(entry(n) for n in range(10)))
    on_time = [transaction(n, created(n), responded(n)) for n in range(5)]
    late = [transaction(n, created(n), responded(n)) for n in range(5, 8)]
    record = record_of(block(1, *on_time, seen_at_s=30.0), block(2, *late, seen_at_s=90.0))
    report = report_of(journal, record)
    assert report["outcomes"] == {"on_time": 5, "late": 3, "failed": 0, "never": 2}
    assert sum(report["outcomes"].values()) == report["accepted"] == 10


def test_on_time_is_up_to_the_limit_and_not_beyond() -> None:
    journal = journal_of(entry(1, at_s=0.0), entry(2, at_s=0.0))
    record = record_of(
        block(1, transaction(1, created(1), responded(1)), seen_at_s=60.0),
        block(2, transaction(2, created(2), responded(2)), seen_at_s=60.001),
    )
    assert report_of(journal, record)["outcomes"] == {"on_time": 1, "late": 1, "failed": 0, "never": 0}


def test_what_was_seen_after_the_run_had_ended_is_never() -> None:
    record = record_of(block(1, transaction(1, created(1), responded(1)), seen_at_s=300.0))
    assert report_of(journal_of(entry(1)), record, ended_at_s=299.0)["outcomes"]["never"] == 1


def test_a_task_that_was_created_but_not_answered_on_chain_has_not_landed() -> None:
    report = report_of(journal_of(entry(1)), record_of(block(1, transaction(1, created(1)), seen_at_s=1.0)))
    assert report["outcomes"]["never"] == 1
    assert report["onchain_create_s"]["p50"] == 1.0 and report["onchain_e2e_s"]["p50"] is None


def test_an_item_that_failed_and_landed_later_has_landed() -> None:
    record = record_of(
        block(1, transaction(1, item_failed(1)), seen_at_s=1.0),
        block(2, transaction(2, created(1), responded(1)), seen_at_s=3.0),
    )
    assert report_of(journal_of(entry(1)), record)["outcomes"]["on_time"] == 1


def test_failed_is_seen_on_chain_or_said_by_the_gateway_but_an_effect_on_chain_beats_what_is_said() -> None:
    journal = journal_of(entry(1), entry(2), entry(3), entry(4))
    record = record_of(
        block(1, transaction(1, item_failed(1)), transaction(2, created(3), responded(3)), seen_at_s=1.0)
    )
    endings = {
        "op-2": SaidEnding("rejected", "InterfaceNotSupported"),
        "op-3": SaidEnding("rejected", "Wrong"),
        "op-4": SaidEnding("landed", None),
    }
    report = report_of(journal, record, endings=endings)
    assert report["outcomes"] == {"on_time": 1, "late": 0, "failed": 2, "never": 1}
    assert report["rejected_by"] == {"rejected: InterfaceNotSupported": 1, "rejected: Wrong": 1}


def test_poison_is_counted_apart_from_what_could_land() -> None:
    journal = journal_of(entry(1), entry(2, kind=Kind.POISON))
    record = record_of(block(1, transaction(1, created(1), responded(1), item_failed(2)), seen_at_s=1.0))
    report = report_of(journal, record)
    assert report["outcomes"] == {"on_time": 1, "late": 0, "failed": 1, "never": 0}
    assert report["valid"]["on_time_percent"] == 100 and report["valid"]["accepted"] == 1
    assert report["poisoned"]["outcomes"]["failed"] == 1


def test_a_gateway_that_turns_good_tasks_away_cannot_look_good_by_what_is_left() -> None:
    journal = journal_of(
        entry(1),
        entry(2, answer=Refused(-32603, "internal error")),
        entry(3, answer=Unanswered("silence"), took_s=None),
        entry(4, answer=Refused(-32615, "the policy's own no")),
        entry(5, answer=Refused(-32615, "as expected"), kind=Kind.REFUSED),
    )
    record = record_of(block(1, transaction(1, created(1), responded(1)), seen_at_s=1.0))
    valid = report_of(journal, record)["valid"]
    assert (valid["due"], valid["accepted"]) == (3, 1)
    assert round(valid["on_time_percent"] or 0) == 33


def test_refusals_are_counted_by_code_and_silence_apart() -> None:
    journal = journal_of(
        entry(1, answer=Refused(-32615, "policy")),
        entry(2, answer=Refused(-32615, "policy")),
        entry(3, answer=Refused(None, "status 'timeout'")),
        entry(4, answer=Unanswered("silence"), took_s=None, attempts=7),
    )
    report = report_of(journal, record_of())
    assert (report["offered"], report["accepted"], report["refused"], report["unanswered"]) == (4, 0, 3, 1)
    assert report["refused_by"] == {"-32615": 2, "status 'timeout'": 1}
    assert report["tries"] == 10
    assert report["http_s"]["p50"] == 0.1 and report["answer_s"]["p50"] is None


def test_an_answer_without_certificate_is_an_http_answer_only() -> None:
    report = report_of(journal_of(entry(1, answer=Accepted(b"\1" * 32, certified=False))), record_of())
    assert report["http_s"]["p50"] == 0.1 and report["answer_s"]["p50"] is None


def test_gas_counts_what_carried_our_tasks_and_what_our_lanes_burned_not_what_others_did() -> None:
    record = record_of(
        block(
            1,
            transaction(1, created(1), responded(1), created(2), responded(2), gas=400, fee_wei=40),
            transaction(2, ok=False, gas=50, fee_wei=5),  # ours, reverted
            transaction(3, created(99), gas=7_000, fee_wei=700, sender=b"o" * 20),  # somebody else's task
            transaction(4, ok=False, gas=9_000, fee_wei=900, sender=b"o" * 20),
            seen_at_s=1.0,
        ),
        block(2, transaction(5, created(3), gas=100, fee_wei=10), seen_at_s=2.0),
        block(3, transaction(6, responded(3), gas=50, fee_wei=5), seen_at_s=3.0),
    )
    report = report_of(journal_of(entry(1), entry(2), entry(3)), record)
    assert report["transactions"] == 4 and report["blocks"] == 3
    assert report["gas_total"] == 600 and report["gas_per_operation"] == 200
    assert report["cost_wei"] == "60"
    assert report["operations_per_transaction"] == {"p50": 1, "max": 2}
    assert report["chain"]["reverted_transactions"] == 1


def test_what_the_chain_carried_is_counted_over_all_lanes_as_the_load_is() -> None:
    """D2: what a whole fleet was offered stood beside what one replica had sent."""
    lanes = [bytes([number]) * 20 for number in range(1, 4)]
    journal = journal_of(*(entry(n) for n in range(6)))
    record = record_of(
        *(
            block(n + 1, transaction(n, created(n), responded(n), gas=100, sender=lanes[n % 3]), seen_at_s=1.0 + n)
            for n in range(6)
        ),
        block(7, transaction(7, ok=False, gas=50, sender=lanes[2]), seen_at_s=9.0),
    )
    report = report_of(journal, record)
    assert report["offered"] == 6
    assert (report["transactions"], report["blocks"]) == (7, 7)
    assert (report["gas_total"], report["gas_per_operation"]) == (650, 108)
    assert report["chain"]["reverted_transactions"] == 1


def test_a_task_done_twice_on_chain_is_reported() -> None:
    record = record_of(
        block(1, transaction(1, created(1), responded(1)), seen_at_s=1.0),
        block(2, transaction(2, responded(1)), seen_at_s=2.0),
    )
    assert report_of(journal_of(entry(1)), record)["chain"]["done_twice"] == 1


ANSWERS = st.one_of(
    st.none(), st.just(Refused(-32615, "no")), st.just(Refused(None, "late")), st.just(Unanswered("silence"))
)
FATES = st.sampled_from(["nothing", "created", "responded", "failed", "failed then responded", "said rejected"])


@given(
    st.lists(
        st.tuples(ANSWERS, FATES, st.sampled_from([Kind.GOOD, Kind.POISON]), st.floats(0, 100), st.floats(0, 400)),
        max_size=30,
    ),
    st.floats(0, 400),
)
def test_outcomes_are_disjoint_and_sum_to_accepted_whatever_happens(
    fates: list[tuple[Answer | None, str, Kind, float, float]], ended_at_s: float
) -> None:
    journal = journal_of(
        *(
            entry(n, answer=answer, kind=kind, at_s=at_s, took_s=None if isinstance(answer, Unanswered) else 0.1)
            for n, (answer, _, kind, at_s, _) in enumerate(fates)
        )
    )
    record = ChainRecord()
    endings: dict[str, SaidEnding] = {}
    for n, (_, fate, _, _, seen_at_s) in enumerate(fates):
        if "failed" in fate:
            record.add(block(2 * n, transaction(2 * n, item_failed(n)), seen_at_s=seen_at_s))
        if "created" in fate:
            record.add(block(2 * n, transaction(2 * n, created(n)), seen_at_s=seen_at_s))
        if "responded" in fate:
            record.add(block(2 * n + 1, transaction(2 * n + 1, created(n), responded(n)), seen_at_s=seen_at_s))
        if fate == "said rejected":
            endings[f"op-{n}"] = SaidEnding("rejected", None)
    report = report_of(journal, record, ended_at_s=ended_at_s, endings=endings)
    parts = Counter(report["valid"]["outcomes"])
    parts.update(report["poisoned"]["outcomes"])
    assert sum(report["outcomes"].values()) == report["accepted"]
    assert +Counter(report["outcomes"]) == +parts
    assert report["valid"]["accepted"] + report["poisoned"]["accepted"] == report["accepted"]
    assert report["accepted"] + report["refused"] + report["unanswered"] == report["offered"] == len(fates)
    landed = report["outcomes"]["on_time"] + report["outcomes"]["late"]
    assert landed == sum(
        answer is None and "responded" in fate and seen_at_s <= ended_at_s
        for answer, fate, _, _, seen_at_s in fates
    )
