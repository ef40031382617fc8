"""SIGKILL in the middle of a load: nothing that was acknowledged is lost, nothing is done twice."""

import asyncio
import json
import os
import signal

from e2e.playing import chain_of, until_settled
from headrace.app.demo.processes import until_ready
from headrace.app.demo.run import start_gateway
from headrace.app.load.landing import LiveCounts
from headrace.app.load.profile import OpenLoop
from headrace.app.load_run import run_load
from headrace.app.report import Deployment
from headrace.store import open_reader

KILLS_AT = (40, 110, 170)  # accepted requests


class Counting:
    """Lets a story wait for so many accepted requests."""

    def __init__(self) -> None:
        self._reached = {count: asyncio.Event() for count in KILLS_AT}

    def __call__(self, counts: LiveCounts) -> None:
        for count, event in self._reached.items():
            if counts.accepted >= count:
                event.set()

    async def reached(self, count: int) -> None:
        await self._reached[count].wait()


async def hold(running: asyncio.TaskGroup, stage):
    """Starts the gateway again and keeps it until the group ends."""
    up: asyncio.Future = asyncio.get_running_loop().create_future()

    async def keep() -> None:
        async with start_gateway(stage.scene, stage.chain) as gateway:
            await until_ready(gateway)
            up.set_result(gateway)
            await asyncio.Event().wait()

    running.create_task(keep(), name="gateway again")
    return await up


async def test_killed_three_times_under_load_it_loses_and_doubles_nothing(play):
    play = play.but(profile=OpenLoop(rate_per_s=20, seconds=12))
    counting = Counting()
    async with play.stage() as stage:
        killing = asyncio.create_task(kill_and_keep(stage, counting))
        try:
            report = await run_load(
                "loadtest",
                stage.target(batched=True),
                play.demo.profile,
                stage.clients,
                deployment=Deployment(),
                limits=play.demo.limits,
                journal_file=stage.scene.folder / "journal.jsonl",
                on_counts=counting,
            )
            chain = await chain_of(stage)
            counts = await until_settled(stage)
            async with open_reader(stage.scene.store) as reader:
                misjudged = await misjudged_in(reader, chain)
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        journal = [json.loads(line) for line in (stage.scene.folder / "journal.jsonl").read_text().splitlines()]

    assert report["offered"] == 240 and report["unanswered"] == 0
    assert report["outcomes"]["never"] == report["outcomes"]["failed"] == 0
    assert report["chain"]["done_twice"] == 0
    assert all(t.creations <= 1 and t.responses <= 1 for t in chain.tasks.values())
    assert misjudged == []
    assert counts["landed"] == report["accepted"]
    ids = [line["operation_id"] for line in journal]
    assert len(ids) == len(set(ids)) == 240


async def kill_and_keep(stage, counting: Counting) -> None:
    pid = stage.gateway.pid
    async with asyncio.TaskGroup() as running:
        for count in KILLS_AT:
            await counting.reached(count)
            os.kill(pid, signal.SIGKILL)
            pid = (await hold(running, stage)).pid


async def misjudged_in(reader, chain) -> list[str]:
    """Operations whose outcome differs from what the chain shows."""
    wrong, cursor = [], None
    while True:
        page, cursor = await reader.list_accounts(limit=500, cursor=cursor)
        for account in page:
            seen = chain.tasks.get(account.operation.subject)
            on_chain = seen is not None and seen.responded is not None
            if on_chain != (account.outcome is not None and account.outcome.value == "landed"):
                wrong.append(account.operation.id)
        if cursor is None:
            return wrong


async def test_stopped_under_load_it_answers_what_it_took_and_goes_on_after_a_start(play):
    play = play.but(profile=OpenLoop(rate_per_s=20, seconds=6))
    counting = Counting()
    async with play.stage() as stage, asyncio.TaskGroup() as running:

        async def stop_and_start() -> None:
            await counting.reached(KILLS_AT[0])
            stage.gateway.process.terminate()
            assert await stage.gateway.ended() == 0
            await hold(running, stage)

        stopping = running.create_task(stop_and_start(), name="stop and start")
        report = await run_load(
            "loadtest",
            stage.target(batched=True),
            play.demo.profile,
            stage.clients,
            deployment=Deployment(),
            limits=play.demo.limits,
            on_counts=counting,
        )
        await stopping
        said = stage.scene.log("gateway").read_text()
        for task in asyncio.all_tasks():
            if task.get_name() == "gateway again":
                task.cancel()

    assert report["outcomes"]["on_time"] == report["accepted"]
    assert report["unanswered"] == 0
    assert "Traceback" not in said and "ERROR" not in said
