import io
from dataclasses import replace

from rich.console import Console

from headrace.app.load.landing import LiveCounts
from headrace.app.load.progress import LoadProgress

COUNTS = LiveCounts(
    elapsed_s=0.0,
    offered=50,
    waiting=2,
    accepted=47,
    refused=1,
    created=30,
    responded=20,
    failed=1,
    in_flight=26,
    block=9,
)


def test_without_a_terminal_it_says_nothing() -> None:
    out = io.StringIO()
    with LoadProgress(100, console=Console(file=out)) as progress:
        progress.update(COUNTS)
    assert out.getvalue() == ""


def test_without_a_terminal_it_can_say_one_line_every_few_seconds() -> None:
    out = io.StringIO()
    with LoadProgress(100, console=Console(file=out), line_every_s=10) as progress:
        for second in range(25):
            progress.update(replace(COUNTS, elapsed_s=float(second)))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("offered 50, accepted 47, created 30, responded 20; 10 s, in flight 26")


def test_on_a_terminal_it_shows_counts_and_what_is_wrong_with_the_chain() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with LoadProgress(100, console=console, trouble=lambda: "no answer") as progress:
        progress.update(COUNTS)
    shown = out.getvalue()
    assert "responded" in shown and "in flight 26" in shown and "no answer" in shown
