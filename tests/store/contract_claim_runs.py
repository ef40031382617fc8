"""Claim runs: one at a time, each ends once, newest first."""

import pytest

from headrace.core.ports.claim_runs import ClaimRun
from store.made import NOW, Store


class ClaimRunsContract:
    async def test_claim_runs_never_overlap(self, store: Store) -> None:
        first = await store.begin_claim_run("it is time", now=NOW)
        assert first == ClaimRun(number=1, because="it is time", began_at=NOW)
        assert await store.begin_claim_run("asked for", now=NOW + 1) is None
        await store.end_claim_run(1, counts={}, troubles=[], now=NOW + 2)
        second = await store.begin_claim_run("asked for", now=NOW + 3)
        assert second is not None and second.number == 2
        assert [run.number for run in await store.claim_runs(limit=9)] == [2, 1]

    async def test_a_claim_run_ends_once_with_what_it_did(self, store: Store) -> None:
        await store.begin_claim_run("it is time", now=NOW)
        await store.end_claim_run(1, counts={"claim": 3}, troubles=["chain 1: timeout"], now=NOW + 2)
        for number in (1, 7):
            with pytest.raises(KeyError):
                await store.end_claim_run(number, counts={}, troubles=[], now=NOW + 3)
        (run,) = await store.claim_runs(limit=9)
        assert (run.ended_at, run.counts, run.troubles) == (NOW + 2, {"claim": 3}, ("chain 1: timeout",))

    async def test_a_claim_run_that_was_cut_off_is_told_as_such(self, store: Store) -> None:
        await store.end_lost_claim_run(now=NOW)
        await store.begin_claim_run("it is time", now=NOW)
        await store.end_lost_claim_run(now=NOW + 9)
        (run,) = await store.claim_runs(limit=9)
        assert (run.ended_at, run.troubles) == (NOW + 9, ("the service stopped in the middle of it",))
        assert await store.begin_claim_run("again", now=NOW + 10) is not None

    async def test_claim_runs_come_in_pages(self, store: Store) -> None:
        for number in range(1, 6):
            await store.begin_claim_run("", now=NOW)
            await store.end_claim_run(number, counts={}, troubles=[], now=NOW)
        assert [run.number for run in await store.claim_runs(limit=2)] == [5, 4]
        assert [run.number for run in await store.claim_runs(limit=2, before=4)] == [3, 2]
