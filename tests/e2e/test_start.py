"""What the operator of the service meets: no chain, wrong contracts, an empty account, a second process."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp

from e2e.playing import next_block
from headrace.app.demo.processes import start_listening
from headrace.app.demo.scene import LANE_KEY_ENV
from headrace.app.load.profile import OpenLoop
from headrace.app.load_run import run_load, share_on_time
from headrace.app.report import Deployment

SERVE = [sys.executable, "-m", "headrace", "serve", "--config"]


async def refused(settings: Path, key: bytes, **environment: str) -> str:
    """What a gateway says that refuses to start, with exit code 2."""
    process = await asyncio.create_subprocess_exec(
        *SERVE,
        str(settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, LANE_KEY_ENV: key.hex(), "HEADRACE__GATEWAY__PORT": "0", **environment},
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 2, said.decode()
    return said.decode()


def changed(settings: Path, old: str, new: str) -> Path:
    text = settings.read_text()
    assert old in text
    copy = settings.with_name("changed.toml")
    copy.write_text(text.replace(old, new).replace('path = "headrace.db"', 'path = "changed.db"'))
    return copy


async def reasons(url: str) -> tuple[int, list[str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        return answer.status, (await answer.json())["reasons"]


async def call(url: str, method: str, **params: object) -> dict:
    body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/rpc", json=body) as answer:
        return json.loads(await answer.text())


async def test_it_refuses_to_start_where_it_could_not_work_and_says_what_to_do(play):
    async with play.stage() as stage:
        settings, key = stage.scene.settings, stage.chain.keys[1].secret

        said = await refused(settings, key)
        assert "is in use by process" in said and str(stage.gateway.pid) in said

        said = await refused(changed(settings, "chain_id = 31337", "chain_id = 31338"), key)
        assert "the node is on chain 31337, the settings say 31338" in said

        stranger = changed(settings, "[gateway]", "[gateway] # changed")
        said = await refused(stranger, b"\x11" * 32)
        assert "addAuthorized" in said and "batch_submitter.enabled = false" in said

        said = await refused(stranger, b"\x11" * 32, BATCH_SUBMITTER_ENABLED="false")
        assert "OperatorRegistry.addTaskGenerator(" in said

        said = await refused(stranger, key, HEADRACE__BATCH_SUBMITTER__BATCH_CONTRACT_ADDRESS="0x" + "77" * 20)
        assert "there is no contract at batch address 0x7777" in said and "enabled = false" in said

        said = await refused(
            settings, key, HEADRACE__GATEWAY__PORT="none", HEADRACE__TASKS__RECORDING="twice", HEADRACE__X__Y="1"
        )
        assert "3 problem(s)" in said
        for problem in ("gateway.port: ", "tasks.recording: ", "x: is no setting"):
            assert problem in said


async def test_while_the_chain_is_away_it_waits_and_says_so(play, tmp_path):
    async with play.stage() as stage:
        proxy = stage.scene.settings.read_text().split('http = ["')[1].split('"')[0]
        away = changed(stage.scene.settings, proxy, "http://127.0.0.1:1")
        environment = {LANE_KEY_ENV: stage.chain.keys[1].secret.hex(), "HEADRACE__GATEWAY__PORT": "0"}
        arguments = ["serve", "--config", str(away)]
        async with start_listening("away", arguments, log=tmp_path / "away.log", env=environment) as gateway:
            status, why = await reasons(gateway.url)
            while "does not answer" not in why[0]:
                status, why = await reasons(gateway.url)
            assert status == 503
            answer = await call(gateway.url, "newt_createTask")
            assert answer["error"]["code"] == -32005 and answer["error"]["data"]["retry_after_s"] > 0
            gateway.process.terminate()
            assert await gateway.ended() == 0


async def test_an_account_that_runs_dry_holds_operations_back_and_loses_none(play):
    play = play.but(profile=OpenLoop(rate_per_s=5, seconds=2))
    async with play.stage() as stage:
        lane = stage.chain.keys[1].address
        await stage.chain.set_balance(lane, 0)
        offering = asyncio.create_task(
            run_load(
                "loadtest",
                stage.target(batched=True),
                play.demo.profile,
                stage.clients,
                deployment=Deployment(),
                limits=play.demo.limits,
            )
        )
        status, why = await reasons(stage.gateway.url)
        while status == 200:
            status, why = await reasons(stage.gateway.url)
        assert any("coin" in reason for reason in why)
        lanes = (await call(stage.gateway.url, "headrace_lanes"))["result"]
        assert "coin" in json.dumps(lanes)

        await stage.chain.set_balance(lane, 10**18)
        report = await offering
        assert share_on_time(report) == 1.0
        async with asyncio.timeout(30):
            while (await reasons(stage.gateway.url))[0] != 200:
                await next_block(stage, None)
