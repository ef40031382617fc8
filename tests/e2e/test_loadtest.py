"""`headrace loadtest` as a person has it: a command against a gateway that runs already."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from headrace.app.demo.run import Stage
from headrace.app.load.task_source import Kind


def command(stage: Stage, *more: str) -> list[str]:
    good = next(client for client in stage.clients if client.kind is Kind.GOOD)
    return [
        *(sys.executable, "-m", "headrace", "loadtest", "--url", stage.gateway.url, "--json", "-"),
        *("--config", str(stage.scene.settings), "--client", "0x" + good.address.hex(), *more),
    ]


@asynccontextmanager
async def started(stage: Stage, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command(stage, *more), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_a_load_test_in_peoples_terms_on_locusts_page_and_broken_off(play, tmp_path: Path) -> None:
    async with play.stage() as stage:
        await users_of_locust(stage, tmp_path / "journal.jsonl")
        await on_locusts_page(stage)
        await twice_interrupted(stage)


async def users_of_locust(stage: Stage, journal: Path) -> None:
    """They land on chain, and the report says what it ran against. Its page has the same report in it."""
    page = journal.with_name("run.html")
    users = ("--users", "4", "--spawn-rate", "4", "--pacing", "1", "--seconds", "2", "--journal", str(journal))
    async with started(stage, *users, "--html", str(page)) as process:
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    assert stderr == b""
    report = json.loads(stdout)
    assert report["command"] == "loadtest"
    assert 4 <= report["offered"] <= 8
    assert report["offered"] == report["accepted"] == report["outcomes"]["on_time"]
    assert report["answer_s"]["p50"] > 0
    assert lines(journal) == report["offered"]
    (written,) = re.findall('<script type="application/json" id="reports">(.*)</script>', page.read_text())
    assert json.loads(written) == [report]
    facts = report["profile"]
    assert (facts["users"], facts["spawn_rate_per_s"], facts["pacing_s"]) == (4, 4, 1)
    assert facts["rate_per_s"] is None and facts["seconds"] == 2
    assert facts["gas_limit"] == 60_000_000 and facts["recording"] == "combined"
    assert facts["submitter"] == "batched" and facts["store"] == "sqlite" and facts["lanes"] == 1


def lines(file: Path) -> int:
    return len(file.read_text().splitlines())


async def on_locusts_page(stage: Stage) -> None:
    """A person starts users, watches them, and ends the run with its report."""
    async with started(stage, "--web-ui", "127.0.0.1:0", "--pacing", "0.5", "--seconds", "600") as process:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            said = (await process.stderr.readline()).decode()
        page = re.search(r"locust's page: (http://127\.0\.0\.1:\d+/)", said)
        assert page, said
        await use(page[1])
        (locust,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        stdout, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        assert "no more requests" in stderr.decode() and "Traceback" not in stderr.decode()
        assert not locust.is_running()
    report = json.loads(stdout)
    assert report["offered"] == report["outcomes"]["on_time"] >= 4
    assert report["profile"]["users"] == 3
    assert report["ended"] == "all_landed"


async def use(page: str) -> None:
    async with aiohttp.ClientSession() as browser:
        async with browser.get(page) as answer:
            assert answer.status == 200 and "Locust" in await answer.text()
        async with browser.post(page + "swarm", data={"user_count": "3", "spawn_rate": "10"}) as answer:
            assert (await answer.json())["success"]
        async with asyncio.timeout(30):
            while True:
                async with browser.get(page + "stats/requests") as answer:
                    shown = await answer.json()
                if shown["user_count"] == 3 and shown["stats"][-1]["num_requests"] >= 4:
                    return


async def twice_interrupted(stage: Stage) -> None:
    """The report comes at once, also of what has no answer."""
    await stage.chain.rpc.ask("evm_setIntervalMining", 0)  # nothing lands any more
    async with started(stage, "--users", "3", "--pacing", "1", "--seconds", "600") as process:
        (locust,) = await child_of(process.pid)
        while not locust.net_connections(kind="tcp"):  # noqa: ASYNC110 - it has not asked yet
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        async with asyncio.timeout(30):
            assert b"no more requests" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            stdout, stderr = await process.communicate()
    assert process.returncode == 1, stderr.decode()
    assert stderr == b"" and not locust.is_running()
    report = json.loads(stdout)
    assert report["ended"] == "stopped"
    assert report["offered"] == report["accepted"] + report["refused"] + report["unanswered"] >= 1
    assert report["outcomes"]["on_time"] == 0


async def child_of(pid: int) -> list[psutil.Process]:
    """The users' process: libraries that are loaded start programs of their own for a moment."""
    async with asyncio.timeout(60):
        while not (children := [c for c in psutil.Process(pid).children() if _of_users(c)]):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        return children


def _of_users(process: psutil.Process) -> bool:
    try:
        return any("locust_users" in word for word in process.cmdline())
    except psutil.Error:
        return False
