"""The operator of a service handles its lane: real gateway, real chain, the real command line."""

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack

from e2e.playing import chain_of, next_block, until_settled
from e2e.test_start import reasons
from headrace.app.demo.run import CHAIN_ID, Stage, start_gateway
from headrace.app.load.landing import LiveCounts
from headrace.app.load.profile import OpenLoop
from headrace.app.load_run import run_load
from headrace.app.report import Deployment
from headrace.chain.signing import LocalSigner
from headrace.core.words import Fees, Nonce
from headrace.store import open_reader

DRAIN_AT, STOP_AT = 40, 120


async def lanes(stage: Stage, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `headrace lanes ...`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", "lanes", *arguments, "--config", str(stage.scene.settings)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), said.decode()


async def done(stage: Stage, *arguments: str) -> dict:
    code, out, said = await lanes(stage, *arguments, "--json", "-")
    assert code == 0, said
    return json.loads(out)


async def refused(stage: Stage, *arguments: str) -> tuple[int, str]:
    code, out, said = await lanes(stage, *arguments)
    assert code != 0 and out == ""
    assert "Traceback" not in said
    return code, said


async def inspect(stage: Stage, id: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", "inspect", id, "--config", str(stage.scene.settings)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return out.decode()


def lane_of(stage: Stage) -> str:
    return f"0x{stage.chain.keys[1].address.hex()}"


class Reached:
    """Lets a story wait for so many accepted requests."""

    def __init__(self, *counts: int) -> None:
        self._events = {count: asyncio.Event() for count in counts}

    def __call__(self, counts: LiveCounts) -> None:
        for count, event in self._events.items():
            if counts.accepted >= count:
                event.set()

    async def at(self, count: int) -> None:
        await self._events[count].wait()


def load(stage: Stage, play, on_counts=None):
    return run_load(
        "loadtest",
        stage.target(batched=True),
        play.demo.profile,
        stage.clients,
        deployment=Deployment(),
        limits=play.demo.limits,
        **({} if on_counts is None else {"on_counts": on_counts}),
    )


async def answering(url: str) -> list[str]:
    """What /readyz says once the lanes are taken up."""
    async with asyncio.timeout(60):
        while True:
            _, why = await reasons(url)
            if not any("being opened" in reason or "does not answer" in reason for reason in why):
                return why


async def test_a_drained_lane_stays_drained_through_a_kill_and_nothing_is_lost(play):
    play = play.but(profile=OpenLoop(rate_per_s=15, seconds=14))
    reached = Reached(DRAIN_AT, STOP_AT)
    async with play.stage() as stage, AsyncExitStack() as gateways:
        lane = lane_of(stage)
        offering = asyncio.create_task(load(stage, play, reached))
        await reached.at(DRAIN_AT)
        answer = await done(stage, "drain", lane, "--wait")
        assert answer["changed"] is True
        (only,) = (await done(stage, "list"))["lanes"]
        assert (only["state"], only["in_flight"], only["mined"]) == ("drained", 0, 0)
        assert only["next_nonce"] == only["chain_latest_nonce"] == only["chain_pending_nonce"]
        status, why = await reasons(stage.gateway.url)
        assert status == 503 and "was drained by the operator of this service at " in why[0]

        await reached.at(STOP_AT)  # it accepts meanwhile
        os.kill(stage.gateway.pid, signal.SIGKILL)
        await stage.gateway.ended()
        assert stage.scene.store.with_name("headrace.db.control").is_socket(), "a dead gateway's own"
        listed = await done(stage, "list")
        assert listed["gateway"] is False and listed["lanes"][0]["state"] == "drained"

        again = await gateways.enter_async_context(start_gateway(stage.scene, stage.chain))
        assert any("was drained" in reason for reason in await answering(again.url))
        await next_block(stage, None)
        (same,) = (await done(stage, "list"))["lanes"]
        assert (same["state"], same["next_nonce"]) == ("drained", only["next_nonce"])
        async with open_reader(stage.scene.store) as reader:
            assert (await reader.counts())["queued"] > 0

        assert (await done(stage, "resume", lane))["lane"]["state"] == "active"
        report = await offering
        counts = await until_settled(stage)
        chain = await chain_of(stage)
        story = await inspect(stage, lane)

    assert counts["landed"] == report["accepted"]
    assert report["outcomes"]["never"] == report["outcomes"]["failed"] == report["chain"]["done_twice"] == 0
    assert all(t.creations <= 1 and t.responses <= 1 for t in chain.tasks.values())
    assert story.index("by hand: drained") < story.index("by hand: resumed")


async def test_a_stuck_transaction_is_cancelled_and_a_key_that_was_used_elsewhere_is_adopted(play):
    play = play.but(profile=OpenLoop(rate_per_s=5, seconds=2))
    async with play.stage() as stage, AsyncExitStack() as gateways:
        lane = lane_of(stage)
        await stage.chain.pause()
        offering = asyncio.create_task(load(stage, play))
        nonce = await stuck(stage)
        cancelled = await done(stage, "cancel", lane, str(nonce))
        assert cancelled["then"] == "return" and cancelled["operations"] > 0
        code, said = await refused(stage, "cancel", lane, "999")
        assert code == 1 and "has no transaction with nonce 999" in said
        code, said = await refused(stage, "cancel", "0x" + "11" * 32)
        assert code == 1 and "no lane has a transaction 0x1111" in said
        code, said = await refused(stage, "drain", "0x" + "22" * 20)
        assert code == 2 and "is no lane here; there are " + lane in said
        code, said = await refused(stage, "adopt", lane, "--nonce", "3")
        assert code == 1 and "drain it first" in said

        await stage.chain.resume(play.demo.block_time_s)
        report = await offering
        counts = await until_settled(stage)
        assert counts["landed"] == report["accepted"]
        story = await inspect(stage, cancelled["no_op"])
        assert "by hand: cancelled" in story and f"mined as {cancelled['no_op']}" in story
        code, said = await refused(stage, "cancel", lane, str(nonce))
        assert code == 1 and f"nonce {nonce} is settled" in said

        stage.gateway.process.terminate()
        assert await stage.gateway.ended() == 0
        assert not stage.scene.store.with_name("headrace.db.control").exists()
        code, said = await refused(stage, "cancel", lane, str(nonce))
        assert code == 2 and "cancelling needs one" in said
        (before,) = (await done(stage, "list"))["lanes"]
        ours = before["next_nonce"]
        await used_elsewhere(stage, ours)
        code, said = await refused(stage, "adopt", lane, "--nonce", str(ours))
        assert code == 1 and f"nonce {ours} is spent" in said
        code, said = await refused(stage, "adopt", lane, "--nonce", str(ours + 4))
        assert code == 1 and "would be nobody's" in said
        adopted = await done(stage, "adopt", lane, "--nonce", str(ours + 1))
        assert adopted["lane"]["next_nonce"] == ours + 1

        again = await gateways.enter_async_context(start_gateway(stage.scene, stage.chain))
        await answering(again.url)
        (after,) = (await done(stage, "list"))["lanes"]
        assert (after["next_nonce"], after["chain_latest_nonce"]) == (ours + 1, ours + 1)
        assert f"by hand: goes on from nonce {ours + 1}" in await inspect(stage, lane)


async def stuck(stage: Stage) -> int:
    """The nonce of the first transaction in flight, once there is one."""
    async with asyncio.timeout(60), open_reader(stage.scene.store) as reader:
        while not any(lane.in_flight for lane in await reader.lanes()):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
        (lane,) = await reader.lanes()
        return lane.next_nonce - lane.in_flight


async def used_elsewhere(stage: Stage, nonce: int) -> None:
    """Another wallet with the lane's key sends a transaction, and it is mined."""
    signer = LocalSigner(stage.chain.keys[1].secret)
    fees = Fees(max_fee_wei=10**11, tip_wei=10**9)
    attempt = signer.sign_no_op(chain=CHAIN_ID, nonce=Nonce(nonce), fees=fees)
    await stage.chain.rpc.ask("eth_sendRawTransaction", "0x" + attempt.raw.hex())
    while await stage.chain.rpc.ask("eth_getTransactionReceipt", "0x" + attempt.hash.hex()) is None:
        await next_block(stage, None)
