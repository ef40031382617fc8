"""A paid job from its start to its money, over REST and the command line: real gateway, chain and contract."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.rest.house import Reply
from api.rest.test_openapi import fits
from headrace.app.demo.run import CHAIN_ID
from headrace.app.demo.settlement.cast import OUTSIDE
from headrace.app.demo.settlement.stage import (
    SettlementOptions,
    SettlementStage,
    Size,
    open_settlement_stage,
)
from headrace.app.rest_client import ask, url_of
from headrace.app.settings import load_settings
from headrace.chain.hexes import address_text

SMALL = SettlementOptions(
    size=Size(paid=2, free=1, payers=2), block_time_s=1, gas_limit=60_000_000, serve=False, seed=1
)
PATIENCE_S = 90


async def jobs(stage: SettlementStage, *arguments: str, stdin: str = "") -> Any:
    """What `headrace jobs ... --json -` says; exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", "jobs", *arguments, "--json", "-"),
        *("--config", str(stage.scene.settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, said = await process.communicate(stdin.encode())
    assert process.returncode == 0, said.decode()
    return json.loads(out)


async def until(url: str, path: str, happened: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not happened(found := await ask(url, "GET", path)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # the chain itself sets the pace
        return found


async def test_a_paid_job_goes_from_its_request_to_its_proven_payment(tmp_path: Path) -> None:
    stage_ = open_settlement_stage(SMALL, base=tmp_path, say=lambda text: None, now=time.time())
    async with stage_ as stage:
        await stage.catch_up()
        url = url_of(load_settings(stage.scene.settings))
        token, payer = address_text(stage.contracts.token.address), address_text(stage.payers[0].address)
        offered = await ask(url, "GET", "/v1/environments")
        assert offered["escrow"] == address_text(stage.contracts.escrow.address).lower()
        assert offered["payee"] == address_text(stage.payee.address).lower()

        wish = {
            "id": "mine-1",
            "owner": payer,
            "environment": OUTSIDE,
            "algorithm": {"command": ["true"]},
            "max_duration_s": 120,
            "payment": {"chain_id": CHAIN_ID, "token": token, "resources": {"cpu": "2"}},
        }
        started = await jobs(stage, "start", "-", stdin=json.dumps(wish))
        assert (started["status"], started["settlement"]) == (0, "awaiting_lock")
        assert started["terms"]["lock_amount"]["tokens"] == "2"  # 2 cpu, 2 minutes, half a token each
        assert (await jobs(stage, "start", "-", stdin=json.dumps(wish)))["id"] == "mine-1"

        await until(url, "/v1/jobs/mine-1", lambda job: job["settlement"] == "unsettled")
        began = time.time()
        for status, at in ((20, began), (30, began), (40, began), (60, began + 1), (71, began + 1)):
            event = {"status": status, "at": at, **({"exit_code": 0} if status == 71 else {})}
            job = await ask(url, "POST", "/v1/jobs/mine-1/events", body=event)
        assert (job["status"], job["settlement"]) == (71, "due")
        told = await ask(url, "GET", "/v1/jobs/mine-1/settlement")
        assert (
            told["next"]["what"] == "the coming claim run claims what it owes" and told["next"]["at"] is not None
        )

        def is_final(told: Any) -> bool:
            return bool(told["operations"][0]["outcome"] == "landed")

        # A run before that would leave it for the next.
        await until(url, "/v1/jobs/mine-1/settlement", is_final)
        run = await jobs(stage, "settle")
        assert run["begun"]
        told = await until(url, "/v1/jobs/mine-1/settlement", lambda told: told["state"] == "claimed")
        assert told["money"]["claimed"]["tokens"] == "1" and told["money"]["returned"]["tokens"] == "1"
        receipt = await stage.chain.rpc.ask("eth_getTransactionReceipt", told["proof"]["transaction"])
        assert (int(receipt["status"], 16), int(receipt["blockNumber"], 16)) == (1, told["proof"]["block"])
        kinds = [operation["kind"] for operation in told["operations"]]
        assert kinds[:2] == ["lock", "claim"]
        shown = await jobs(stage, "show", "mine-1")
        assert (shown["job"]["status"], shown["settlement"]["state"]) == (70, "claimed")
        assert [job["id"] for job in (await jobs(stage, "list", "--status", "70"))["jobs"]] == ["mine-1"]
        # On a slow machine a run that was due by itself may have followed.
        runs = {each["id"]: each for each in (await jobs(stage, "runs"))["runs"]}
        assert runs[run["run"]["id"]]["troubles"] == []

        document = await ask(url, "GET", "/openapi.json")
        for path, template in (
            ("/v1/jobs/mine-1/settlement", "/v1/jobs/{id}/settlement"),
            ("/v1/jobs", "/v1/jobs"),
        ):
            raw = json.dumps(await ask(url, "GET", path)).encode()
            fits(Reply(200, {"content-type": "application/json"}, raw), "GET", template, document)
