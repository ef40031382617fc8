"""`headrace lanes` while no gateway runs, as a shell sees it."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from app.test_cli import SETTINGS, run
from headrace.core.words import Nonce
from headrace.store import open_store
from headrace.testing.anvil import start_anvil
from store.made import CHAIN, LANE, NOW, StillClock, sealed

NAME, STRANGER = f"0x{LANE.hex()}", "0x" + "22" * 20


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "headrace.toml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
async def with_lane(settings: Path) -> Path:
    """With a transaction in flight at nonce 4."""
    async with open_store(settings.with_name("headrace.db"), clock=StillClock()) as store:
        await sealed(store, 4, "a")
    return settings


def listed(folder: Path) -> dict[str, object]:
    answer = run("lanes", "list", "--json", "-", cwd=folder)
    assert answer.returncode == 0, answer.stderr
    (lane,) = json.loads(answer.stdout)["lanes"]
    return dict(lane)


def test_without_a_command_it_lists(with_lane: Path, tmp_path: Path) -> None:
    answer = run("lanes", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith(
        f"lane {NAME} of chain {CHAIN}: active\n  next nonce 5\n  1 in flight, 0 mined"
    )
    assert answer.stderr == "no gateway runs on this store; as it was left:\n"


def test_a_drain_and_a_resume_hold_and_are_told(with_lane: Path, tmp_path: Path) -> None:
    answer = run("lanes", "drain", NAME, cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"lane {NAME} drained: it seals no batch (draining; 1 in flight")
    assert listed(tmp_path)["state"] == "draining"
    assert "was drained already" in run("lanes", "drain", NAME, cwd=tmp_path).stdout
    told = run("inspect", NAME.upper().replace("0X", "0x"), cwd=tmp_path).stdout
    assert told.startswith(f"lane {NAME} ") and "draining" in told.splitlines()[0]
    assert told.count("by hand: drained") == 1
    assert "resumed" in run("lanes", "resume", NAME, cwd=tmp_path).stdout
    assert "was not drained" in run("lanes", "resume", NAME, cwd=tmp_path).stdout
    assert listed(tmp_path)["state"] == "active"


def test_waiting_for_what_nobody_finishes_ends_with_1(with_lane: Path, tmp_path: Path) -> None:
    answer = run("lanes", "drain", NAME, "--wait", cwd=tmp_path)
    assert answer.returncode == 1
    assert "no gateway runs that would finish what it has under way (1 in flight, 0 mined" in answer.stderr


@pytest.mark.parametrize("order", ["drain", "resume"])
def test_an_unknown_lane_ends_with_2_and_names_those_there_are(
    with_lane: Path, tmp_path: Path, order: str
) -> None:
    answer = run("lanes", order, STRANGER, cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == f"lane: {STRANGER} is no lane here; there are {NAME}\n"


@pytest.mark.parametrize(
    "arguments", [["list"], ["drain", NAME], ["resume", NAME], ["adopt", NAME, "--nonce", "1"]], ids=lambda a: a[0]
)
def test_where_there_is_no_store_nothing_is_made(settings: Path, tmp_path: Path, arguments: list[str]) -> None:
    answer = run("lanes", *arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert "there is no store file" in answer.stderr
    assert list(tmp_path.iterdir()) == [settings]


def test_a_cancel_needs_a_gateway(with_lane: Path, tmp_path: Path) -> None:
    answer = run("lanes", "cancel", NAME, "4", cwd=tmp_path)
    assert answer.returncode == 2
    assert "cancelling needs one" in answer.stderr
    assert "start it (headrace serve)" in answer.stderr


def test_adopting_asks_the_chain_and_without_it_ends_with_2(with_lane: Path, tmp_path: Path) -> None:
    answer = run("lanes", "adopt", NAME, "--nonce", "5", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.startswith("the chain does not answer: ")


async def test_a_lane_adopts_what_the_chain_has_and_nothing_else(with_lane: Path, tmp_path: Path) -> None:
    store = with_lane.with_name("headrace.db")
    async with open_store(store, clock=StillClock()) as opened:
        await opened.adopt(chain=CHAIN, lane=LANE, start=Nonce(9), now=NOW)
    async with start_anvil(block_time_s=0) as chain:
        await chain.set_nonce(LANE, Nonce(7))
        node = {"HEADRACE__CHAINS__LOCAL__HTTP": chain.http_url}
        for nonce, why in (
            ("4", "is in the lane's ledger (not decided yet)"),
            ("6", "nonce 6 is spent: the account is at 7 on the chain"),
            ("9", "nonces 7 to 8 (2 of them) would be nobody's"),
            ("900", "at most 64"),
        ):
            answer = await asyncio.to_thread(run, "lanes", "adopt", NAME, "--nonce", nonce, cwd=tmp_path, **node)
            assert (answer.returncode, answer.stdout) == (1, ""), answer.stderr
            assert why in answer.stderr
        assert listed(tmp_path)["next_nonce"] == 9

        answer = await asyncio.to_thread(run, "lanes", "adopt", NAME, "--nonce", "7", cwd=tmp_path, **node)
        assert answer.returncode == 0, answer.stderr
        assert f"lane {NAME} goes on from nonce 7" in answer.stdout
        answer = await asyncio.to_thread(
            run, "lanes", "adopt", NAME, "--nonce", "8", "--fill-gap", cwd=tmp_path, **node
        )
        assert answer.returncode == 0, answer.stderr
    assert listed(tmp_path)["next_nonce"] == 8
    with sqlite3.connect(store) as db:
        notes = [row[0] for row in db.execute("SELECT text FROM notes ORDER BY seq")]
    db.close()
    assert notes == [
        "by hand: goes on from nonce 7; it would have been 9",
        "by hand: goes on from nonce 8; it would have been 7",
    ]
