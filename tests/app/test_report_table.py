import io

from rich.console import Console

from app.load.made_up import block, created, entry, item_failed, journal_of, record_of, responded, transaction
from app.test_report import report_of
from headrace.app.load.endings import SaidEnding
from headrace.app.load.journal import Journal, Refused
from headrace.app.load.task_source import Kind
from headrace.app.report_shape import Report
from headrace.app.report_table import print_report


def printed(report: Report) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=120))
    return out.getvalue()


def test_two_headline_numbers_come_first_then_details_then_notes() -> None:
    journal = journal_of(
        entry(1), entry(2, kind=Kind.POISON), entry(3, answer=Refused(-32615, "no")), entry(4, at_s=1.0)
    )
    record = record_of(
        block(1, transaction(1, created(1), responded(1), item_failed(2)), seen_at_s=2.5),
        block(2, transaction(2, created(4), responded(4), fee_wei=2 * 10**15), seen_at_s=90.0),
    )
    endings = {"op-2": SaidEnding("rejected", "InterfaceNotSupported")}
    lines = printed(report_of(journal, record, endings=endings)).splitlines()
    assert " ".join(lines[0].split()) == "on time 50 % request to chain p50 2.50 s, p99 89.00 s"
    text = "\n".join(lines)
    for expected in (
        "refused (-32615 x 1)",
        "failed (rejected: InterfaceNotSupported x 1)",
        "answer with certificate",
        "0.002000 ETH",
        "gateway",
        "--on-time 60 s",
        "a block every 2 s, gas limit 60,000,000, recording combined",
    ):
        assert expected in " ".join(text.split()), expected


def test_it_fits_a_terminal_of_eighty_columns() -> None:
    report = report_of(journal_of(entry(1, took_s=123.456)), record_of())
    out = io.StringIO()
    print_report(report, Console(file=out, width=80))
    assert "max" in out.getvalue() and "…" not in out.getvalue()
    assert out.getvalue().count("123.456") == 8  # four percentiles of two lines


def test_an_empty_run_is_printed_without_numbers_that_are_not_there() -> None:
    assert printed(report_of(Journal(), record_of())).splitlines()[0].split()[:3] == ["on", "time", "–"]


def test_not_quite_all_does_not_read_as_all() -> None:
    journal = journal_of(*(entry(n) for n in range(20_001)))
    record = record_of(
        block(1, transaction(1, *(e for n in range(20_000) for e in (created(n), responded(n)))), seen_at_s=1.0)
    )
    assert "99.99 %" in printed(report_of(journal, record)).splitlines()[0]
