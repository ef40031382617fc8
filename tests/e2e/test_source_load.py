"""The source's load, a little of it, on both submitters at once: processes, two chains, a page of both."""

import asyncio
from pathlib import Path

from headrace.app.load.profile import Users
from headrace.app.page.writing import write_page
from headrace.app.report import Limits
from headrace.app.source_load.figures import Figures
from headrace.app.source_load.run import SourceLoadOptions, run_source_load

OPTIONS = SourceLoadOptions(
    profile=Users(users=8, spawn_rate_per_s=8, pacing_s=2, seconds=6),
    block_time_s=1,
    gas_limit=60_000_000,
    limits=Limits(on_time_s=60, late_limit_s=3),
    seed=0,
)


async def test_both_sides_get_the_same_load_on_chains_of_their_own_and_one_is_left_behind(tmp_path: Path) -> None:
    said: list[str] = []
    async with asyncio.timeout(240):
        both = await run_source_load(OPTIONS, base=tmp_path, say=said.append)

    reports = {one.name: one.report for one in (both.sequential, both.ours)}
    assert {name: report["profile"]["submitter"] for name, report in reports.items()} == {
        "One at a time": "sequential",
        "Batched": "batched",
    }
    same = [{**report["profile"], "submitter": None, "recording": None} for report in reports.values()]
    assert same[0] == same[1] and same[0]["users"] == 8
    ours, sequential = Figures.of(both.ours.report), Figures.of(both.sequential.report)
    assert ours.due > 0 and ours.landed == ours.due
    assert sequential.landed < sequential.due, "a transaction for each create and each respond takes longer"
    assert both.sequential.report["operations_per_transaction"]["max"] == 1
    assert both.ours.report["operations_per_transaction"]["max"] > 1
    assert all(report["chain"]["done_twice"] == 0 for report in reports.values())
    assert len({folder.resolve() for folder in both.folders}) == 2

    page = tmp_path / "page.html"
    write_page(page, "both", [both.sequential, both.ours], again="again")
    assert "One at a time" in page.read_text()
