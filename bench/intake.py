"""How many operations one core takes in, each durable before its yes, and how soon the yes comes.

The gateway runs on a core of its own with its lanes drained, so that nothing of it is spent on the chain; load and
everything else are on the other cores. An operation is a create whose payload has 1 KB. The claim is of JSON-RPC
batches, with one request under way on each connection; single calls are measured beside them. Afterwards the
store's file is read, and once more after a SIGKILL in the middle of a load. (A kill leaves to the system what the
system has not written yet: that a commit waits for the disk is SQLite's `synchronous = FULL`, which a test holds.)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE

# As in headrace.app.intake.submissions, whose import takes long.
KINDS = ("create", "create_and_respond")
OWN_BYTES, OWN_BYTES_LEAST, OWN_BYTES_MOST = 240, 122, 1024

if TYPE_CHECKING:
    from headrace.app.intake.run import IntakeRun, Leg

PER_SECOND_LEAST = 8_000
P99_BELOW_MS = 5


async def run(
    bench: BenchRun,
    *,
    kind: str,
    own_bytes: int,
    seconds: float,
    open_seconds: float,
    rate: float,
    connections: int,
    together: int,
) -> Findings:
    from headrace.app.intake.cores import NotEnoughCores
    from headrace.app.intake.run import IntakeOptions, run_intake

    options = IntakeOptions(
        kind=kind,
        own_bytes=own_bytes,
        seconds=seconds,
        open_s=open_seconds,
        rate_per_s=rate,
        connections=connections,
        together=together,
        seed=bench.seed,
    )
    try:
        found = await run_intake(options, base=bench.base, say=bench.say)
    except NotEnoughCores as missing:
        raise click.ClickException(str(missing)) from None
    per_second = int(found.batched.per_second)
    p99_ms = found.at_rate.latency_ms(99)
    unkilled = (found.single, found.batched, found.at_rate)
    return Findings(
        headline=(
            Headline(f"durably acknowledged on one core, {together} in a call", per_second, "operations/s"),
            Headline(f"yes within, p99 at {rate:g}/s", p99_ms, "ms"),
        ),
        checks=[
            Check.at_least("acknowledged_per_s", per_second, PER_SECOND_LEAST),
            Check.below(f"p99_ms_at_{rate:g}_per_s", p99_ms, P99_BELOW_MS),
            Check.equals("not_acknowledged", sum(len(leg.sent.not_acknowledged) for leg in unkilled), 0),
            Check.equals("stored_less_acknowledged", found.kept.stored - found.kept.acknowledged, 0),
            Check.equals("acknowledged_and_lost", found.kept.lost, 0),
            Check.at_least("acknowledged_before_the_kill", found.killed.sent.acknowledged, 1),
            Check.equals("acknowledged_and_lost_in_a_kill", found.kept_killed.lost, 0),
            Check.equals("stored_and_never_asked_for", found.kept_killed.unasked, 0),
        ],
        tables=[_legs(found, rate=rate, connections=connections, together=together)],
        details={
            "body_bytes": found.body_bytes,
            "stored_payload_bytes": found.payload_bytes,
            **{name: _details(leg) for name, leg in _named(found).items()},
            "stored": found.kept_killed.stored,
            "folder": str(found.folder.relative_to(bench.base)),
        },
    )


def _legs(found: "IntakeRun", *, rate: float, connections: int, together: int) -> Table:
    legs = (found.single, found.batched, found.at_rate)
    rows: Sequence[tuple[str, Sequence[str]]] = [
        ("operations acknowledged", [f"{leg.sent.acknowledged:,}" for leg in legs]),
        ("  a second", [f"{leg.per_second:,.0f}" for leg in legs]),
        ("connections", [f"{leg.connections}" for leg in legs]),
        ("milliseconds to the answer, p50", [f"{leg.latency_ms(50):.2f}" for leg in legs]),
        ("  p99", [f"{leg.latency_ms(99):.2f}" for leg in legs]),
        ("  slowest", [f"{leg.latency_ms(100):.2f}" for leg in legs]),
        ("gateway CPU seconds per 1,000", [f"{leg.cpu_s_per_thousand:.3f}" for leg in legs]),
        ("cores that the sender used", [f"{leg.sent.cpu_s / leg.sent.took_s:.2f}" for leg in legs]),
    ]
    columns = (
        f"payload {found.payload_bytes:,}, call {found.body_bytes:,} bytes",
        "single",
        f"batches of {together}",
        f"{rate:g}/s",
    )
    return Table(columns=columns, rows=[(name, *figures) for name, figures in rows])


def _named(found: "IntakeRun") -> "dict[str, Leg]":
    return {"single": found.single, "batched": found.batched, "at_rate": found.at_rate, "killed": found.killed}


def _details(leg: "Leg") -> dict[str, object]:
    return {
        "asked_for": leg.sent.operations,
        "acknowledged": leg.sent.acknowledged,
        "per_second": round(leg.per_second, 1),
        "gateway_cpu_s": round(leg.gateway_cpu_s, 2),
        "sender_cpu_s": round(leg.sent.cpu_s, 2),
        "found_no_free_connection": leg.sent.waited_for_connection,
        "refusals": leg.sent.refusals,
    }


BENCH = Bench(
    name="intake",
    says="One core acknowledges 8,000 operations a second, durably, many in a call; 500 single ones within 5 ms.",
    run=run,
    options=(
        click.Option(
            ["--kind"],
            type=click.Choice(KINDS),
            default=KINDS[0],
            show_default=True,
            help="Of each operation.",
        ),
        click.Option(
            ["--own-bytes"],
            type=click.IntRange(OWN_BYTES_LEAST, OWN_BYTES_MOST),
            default=OWN_BYTES,
            show_default=True,
            help="Of the client's own in each: the default makes a create's payload 1 KB.",
        ),
        click.Option(
            ["--seconds"],
            type=LOAD_RANGE,
            default=15.0,
            show_default=True,
            help="Of single calls, and of batches.",
        ),
        click.Option(
            ["--open-seconds"], type=LOAD_RANGE, default=20.0, show_default=True, help="At the fixed rate."
        ),
        click.Option(["--rate"], type=LOAD_RANGE, default=500.0, show_default=True, help="For the latency."),
        click.Option(["--connections"], type=click.IntRange(1, 1000), default=128, show_default=True),
        click.Option(
            ["--together"], type=click.IntRange(2, 100), default=100, show_default=True, help="Calls in a batch."
        ),
    ),
)
