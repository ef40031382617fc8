"""Jobs over REST, up to where their payment is due: asked for, locked, and reported by an engine elsewhere.

Promises  each is one request and five reports, as any client and engine would send them; repeated where the
          gateway is away, always with the same id.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.demo.run import CHAIN_ID
from headrace.app.demo.settlement.cast import OUTSIDE
from headrace.app.demo.settlement.rest import JobsClient, Json
from headrace.chain.hexes import address_text
from headrace.core.words import Address

_LOOK_S: Final = 0.5
_RUN_S: Final = 1.0
_CONFIGURING, _PROVISIONING, _RUNNING, _PUBLISHING, _SETTLE = 20, 30, 40, 60, 71

SETTLED: Final = frozenset({"free", "claimed", "released", "canceled", "no_lock"})


class NotInTime(Exception):
    """Something that was waited for did not come. The message says what and how far it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    id: str
    payer: Address
    token: Address
    max_duration_s: int

    def body(self) -> Mapping[str, object]:
        return {
            "id": self.id,
            "owner": address_text(self.payer),
            "environment": OUTSIDE,
            "algorithm": {"image": "example.org/algorithms/mean:3"},
            "max_duration_s": self.max_duration_s,
            "payment": {"chain_id": CHAIN_ID, "token": address_text(self.token), "resources": {"cpu": "1"}},
        }


async def start(client: JobsClient, jobs: Sequence[DueJob]) -> None:
    """Raises Refused."""
    await asyncio.gather(*(client.start(job.body()) for job in jobs))


async def run(client: JobsClient, jobs: Sequence[DueJob]) -> None:
    """What an engine reports of a short run. Their locks must be on chain. Raises Refused."""
    await asyncio.gather(*(_run_one(client, job) for job in jobs))


async def _run_one(client: JobsClient, job: DueJob) -> None:
    began_at = time.time()
    for status in (_CONFIGURING, _PROVISIONING, _RUNNING):
        await client.report(job.id, status, at=began_at)
    await client.report(job.id, _PUBLISHING, at=began_at + _RUN_S)
    await client.report(job.id, _SETTLE, at=began_at + _RUN_S, exit_code=0)


async def until(
    client: JobsClient,
    jobs: Sequence[DueJob],
    holds: Callable[[Json], bool],
    *,
    what: str,
    within_s: float,
    each: Callable[[int], None] = lambda count: None,
    never: Collection[str] = (),
) -> Mapping[str, Json]:
    """Waits until it holds for each of them; `each` is told how many it holds for. Answers with all jobs there
    are. `never`: where a payment is in one of these states it will not hold any more.

    Raises NotInTime, Refused."""
    give_up_at = time.monotonic() + within_s
    while True:
        told = await client.jobs()
        count = sum(job.id in told and holds(told[job.id]) for job in jobs)
        each(count)
        if count == len(jobs):
            return told
        lost = [job.id for job in jobs if job.id in told and told[job.id]["settlement"] in never]
        if lost:
            raise NotInTime(f"{what}: never of {len(lost)}: {lost[0]} is {told[lost[0]]['settlement']}")
        if time.monotonic() > give_up_at:
            raise NotInTime(f"{what}: {count} of {len(jobs)} after {within_s:g} s")
        await asyncio.sleep(_LOOK_S)
