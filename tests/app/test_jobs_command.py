"""`headrace jobs` as a shell sees it: at a real application over a real socket, and at the operator's own door."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.gateway import serve, until
from api.rest.house import GOOD, NOW, OWNER, House, hexed, open_house, wish
from headrace.api.control import control_app
from headrace.api.server import GatewayServer
from headrace.api.services import Limits
from headrace.app.control_socket import control_listener
from headrace.app.job_office import JobOffice
from headrace.app.rest_client import url_of
from headrace.app.settings import load_settings
from headrace.core.errors import NeedsOperator
from headrace.core.job import JobId
from headrace.core.ports.jobs import SettlementChange
from headrace.core.settlement import NeedsHelp

SETTINGS = """
[chains.local]
chain_id = 31337
http = ["http://127.0.0.1:1"]
deployment = "x.json"
[[lanes]]
chain = "local"
key_env = "LANE_KEY"
"""


class NoLanes:
    async def lanes(self) -> list[Any]:
        return []


async def jobs(*arguments: str, stdin: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", "jobs", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
    )
    async with asyncio.timeout(120):
        out, said = await process.communicate(stdin.encode())
    assert process.returncode is not None
    assert b"Traceback" not in said, said.decode()
    return process.returncode, out.decode(), said.decode()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "headrace.toml"
    file.write_text(SETTINGS)
    return file


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    """A gateway with both of its doors, and the address of that of clients."""
    async with open_house(tmp_path) as house, serve(house.app) as (host, port):
        file = load_settings(tmp_path / "headrace.toml", {}).control_socket
        office = JobOffice(house.life, house.clock)
        with control_listener(file) as listener:
            server = GatewayServer(control_app(NoLanes(), Limits(), office), grace_s=2)  # type: ignore[arg-type]
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                await until(lambda: server.started or serving.done())
                yield house, f"http://{host}:{port}"
            finally:
                server.stop()
                await serving


async def needs_help(house: House, id: str) -> None:
    await house.started_and_locked(id)
    await house.report(id, *GOOD)
    before = (await house.life.job(JobId(id))).settlement
    change = SettlementChange(job=JobId(id), before=before, after=NeedsHelp("its lock is gone"))
    assert await house.store.change_settlements([change], now=house.clock.now())


async def test_a_job_is_started_shown_listed_and_stopped(settings: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as (house, url):
        (tmp_path / "job.json").write_text(json.dumps(wish("a")))
        code, out, _ = await jobs("start", str(tmp_path / "job.json"), "--url", url)
        assert (code, out) == (0, "job a: 0 Job started, 135 tokens to lock (awaiting_lock)\n")
        code, out, _ = await jobs(
            "start", "-", "--url", url, "--json", "-", stdin=json.dumps(wish("f", payment=...))
        )
        assert code == 0 and json.loads(out)["id"] == "f"
        await house.started_and_locked("a")
        await house.report("a", *GOOD)
        code, out, _ = await jobs("show", "a", "--url", url)
        assert code == 0
        for words in (
            "job a: 71 Job settling, payment due",
            "to lock 135 (135000000 units)",
            "owes 2.25 (2250000 units) for 60 s, as 1 minutes",
            "next: the coming claim run claims what it owes, not after",
            "2023-11-14 22:13:20Z  0 Job started",
        ):
            assert words in out, out
        code, out, _ = await jobs("show", "a", "--url", url, "--json", "-")
        shown = json.loads(out)
        assert (shown["job"]["id"], shown["settlement"]["state"]) == ("a", "due")
        code, out, _ = await jobs("list", "--status", "0", "--status", "71", "--url", url, "--json", "-")
        assert code == 0 and sorted(job["id"] for job in json.loads(out)["jobs"]) == ["a", "f"]
        code, out, _ = await jobs(
            *("list", "--owner", hexed(OWNER), "--from", "2023-11-14T22:13:20Z", "--environment", "small"),
            *("--payment", "due", "--url", url),
        )
        assert code == 0 and "71 Job settling" in out and " a" in out and "free" not in out
        code, out, _ = await jobs("stop", "f", "--url", url)
        assert (code, out) == (0, "job f: noted: the compute engine stops it\n")
        code, out, _ = await jobs("stop", "a", "--url", url)
        assert (code, out) == (1, "job a: its run is over: there is nothing to stop\n")


async def test_claim_runs_are_asked_for_and_listed(settings: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as (house, url):
        assert (await jobs("runs", "--url", url))[:2] == (0, "there was no claim run yet\n")
        assert (await jobs("settle", "--url", url))[:2] == (0, "claim run 1 begins\n")
        code, out, _ = await jobs("settle", "--url", url)
        assert (code, out) == (0, "claim run 1 goes on already; no other was begun\n")
        await house.store.end_claim_run(1, counts={"claimed": 3}, troubles=["slow"], now=NOW + 2)
        code, out, _ = await jobs("runs", "--url", url)
        assert code == 0 and "3 claimed" in out and "slow" in out and "2.0 s" in out


async def test_what_is_refused_is_told_in_words_by_who_must_act(settings: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as (house, url):
        await house.start("a")
        code, out, said = await jobs("show", "nope", "--url", url)
        assert (code, out, said) == (2, "", "there is no job 'nope'\n")
        code, _, said = await jobs("start", "-", "--url", url, stdin=json.dumps(wish("b", max_duration_s=-1)))
        assert code == 2 and said == "max_duration_s: -1: Expected `int` >= 1\n"
        code, _, said = await jobs("start", "-", "--url", url, stdin=json.dumps(wish("a", payment=...)))
        assert code == 1 and "already here, with other content" in said
        code, _, said = await jobs("list", "--status", "99", "--url", url)
        assert code == 2 and "Invalid enum value 99" in said


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["show", "a", "--url", "http://127.0.0.1:1"], "", "no gateway answers at http://127.0.0.1:1"),
        (["list", "--url", "ftp://x"], "", "'ftp://x' is no http:// or https:// URL"),
        (
            ["list", "--from", "yesterday", "--url", "http://x"],
            "",
            "'yesterday' is neither unix seconds nor a date",
        ),
        (["list", "--payment", "late", "--url", "http://x"], "", "'late' is none of free, awaiting_lock"),
        (["show", "a/b", "--url", "http://x"], "", "'a/b' is no job's id"),
        (["start", "-", "--url", "http://x"], "{", "is no JSON"),
        (["start", "-", "--url", "http://x"], "[]", "is no JSON object"),
        (["start", "nope.json"], "", "No such file"),
        (["give-up", "a"], "", "Missing option '--reason'"),
        (["retry", "a"], "", "no settings"),
        (["list"], "", "no settings"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_bad_usage_ends_with_2_and_says_what_is_wrong(
    tmp_path: Path, arguments: list[str], stdin: str, says: str
) -> None:
    code, out, said = await jobs(*arguments, stdin=stdin, cwd=tmp_path)
    assert (code, out) == (2, "") and says in said


async def test_a_person_decides_at_the_operators_own_door_and_not_at_that_of_clients(
    settings: Path, tmp_path: Path
) -> None:
    async with running(tmp_path) as (house, url):
        for id in ("a", "b"):
            await needs_help(house, id)
        code, out, _ = await jobs("list", "--payment", "needs_operator", "--url", url, "--json", "-")
        assert [job["id"] for job in json.loads(out)["jobs"]] == ["b", "a"]
        code, out, said = await jobs("retry", "a", "--config", str(settings))
        assert code == 0 and "job a: its payment is due; the coming claim run takes it" in out, said
        code, out, _ = await jobs("give-up", "b", "--reason", "the token is frozen", "--config", str(settings))
        assert code == 0 and "its payment is no_lock" in out
        told = await house.get("/v1/jobs/b/settlement")
        assert (told["state"], told["reason"]) == ("no_lock", "the token is frozen")
        code, _, said = await jobs("retry", "b", "--config", str(settings))
        assert code == 1 and "the payment of job b is no_lock: nobody needs to help" in said
        code, _, said = await jobs("retry", "nope", "--config", str(settings))
        assert code == 1 and "there is no job 'nope'" in said
        code, _, said = await jobs("give-up", "a", "--reason", " ", "--config", str(settings))
        assert code == 2 and "reason" in said
        for path in ("/v1/jobs/a/retry", "/v1/jobs/a/give-up"):
            assert (await house.ask("POST", path, {})).status == 404
        for method in ("headrace_retryJob", "headrace_giveUpJob"):
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"job": "a"}}
            assert (await house.ask("POST", "/rpc", request)).json["error"]["code"] == -32601


async def test_while_no_gateway_runs_a_person_decides_on_the_store_itself(settings: Path, tmp_path: Path) -> None:
    code, _, said = await jobs("retry", "a", "--config", str(settings))
    assert code == 2 and "there is no store file" in said
    async with open_house(tmp_path) as house:
        await needs_help(house, "a")
        code, _, said = await jobs("retry", "a", "--config", str(settings))
        assert code == 2 and "is in use by process" in said
    code, out, said = await jobs("retry", "a", "--config", str(settings), "--json", "-")
    assert code == 0, said
    assert json.loads(out) == {"job": "a", "status": 71, "settlement": "due"}


async def test_a_gateway_without_settlement_says_so_at_both_doors(settings: Path, tmp_path: Path) -> None:
    async with open_house(tmp_path, without_jobs=True) as house, serve(house.app) as (host, port):
        code, _, said = await jobs("list", "--url", f"http://{host}:{port}")
        assert code == 2 and "this gateway has no settlement" in said


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8645"),
        ("0.0.0.0", "http://127.0.0.1:8645"),
        ("::", "http://[::1]:8645"),
        ("::1", "http://[::1]:8645"),
        ("gateway.example", "http://gateway.example:8645"),
    ],
)
def test_the_gateway_of_the_settings_is_found(settings: Path, host: str, url: str) -> None:
    assert url_of(load_settings(settings, {"HEADRACE__GATEWAY__HOST": host})) == url


def test_a_port_that_the_system_chose_cannot_be_known_from_the_settings(settings: Path) -> None:
    with pytest.raises(NeedsOperator, match="name it with --url"):
        url_of(load_settings(settings, {"HEADRACE__GATEWAY__PORT": "0"}))


async def test_who_is_no_gateway_is_told_apart(tmp_path: Path) -> None:
    async def no_gateway(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<p>hello"})

    async with serve(no_gateway) as (host, port):
        code, _, said = await jobs("runs", "--url", f"http://{host}:{port}")
        assert code == 2 and "it answered 200 with text/html, not JSON" in said
