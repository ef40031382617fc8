"""A gateway that is killed in the middle of writing loses nothing it said yes to, and leaves nothing half."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from headrace.core.operation import Stage
from headrace.core.words import OperationId
from headrace.store import open_reader, open_store
from store.made import CHAIN, StillClock, account

WRITE_UNTIL_KILLED = """
import asyncio, itertools, sys
from pathlib import Path
from store.made import *
from headrace.core.transaction import Settled
from headrace.store import open_store

async def one(store, name, lane):
    ids = [f"{name}.{i}" for i in range(3)]
    nonce = await store.next_nonce(chain=CHAIN, lane=lane)
    await store.add_operations([an_operation(id, workload=name[:1]) for id in ids])
    print("added", *ids, flush=True)
    # Those of a killed round come first: they are older.
    ready = await store.claim_ready(chain=CHAIN, lane=lane, workload=name[:1], most=3, now=NOW)
    ids = [operation.id for operation in ready]
    transaction = in_flight(nonce, batch=name, attempts=(an_attempt(hash((lane, nonce))),))
    await store.seal(transaction, chain=CHAIN, lane=lane, workload=name[:1], form="x", operations=ids)
    print("sealed", *ids, flush=True)
    if nonce % 2:
        final = Settled(mined=mined(transaction))
        await store.settle(final, chain=CHAIN, lane=lane, endings=landed(*ids), returns=[], now=NOW)
        print("done", *ids, flush=True)

async def lane(store, letter, start):
    for i in itertools.count():
        await one(store, f"{letter}{start}-{i}", Address(letter.encode() * 20))

async def main():
    async with open_store(Path(sys.argv[1]), clock=StillClock()) as store:
        await asyncio.gather(*(lane(store, letter, sys.argv[2]) for letter in "pqrs"))

asyncio.run(main())
"""

REACHED = {"added": 0, "sealed": 1, "done": 2}
IS_AT_LEAST = {Stage.QUEUED: 0, Stage.CLAIMED: 0, Stage.SEALED: 1, Stage.DONE: 2}


def write_and_kill(path: Path, round: int, *, after_lines: int) -> dict[str, int]:
    """What the killed process had been told was saved: operation ids, and how far each had come."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path), str(round)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = threading.Timer(60, writing.kill)
    deadline.start()
    told: dict[str, int] = {}
    with writing:
        assert writing.stdout is not None
        for number, line in enumerate(writing.stdout):
            what, *ids = line.split()
            if line.endswith("\n"):
                told |= dict.fromkeys(ids, REACHED[what])
            if number == after_lines:
                writing.send_signal(signal.SIGKILL)
    deadline.cancel()
    assert writing.returncode == -signal.SIGKILL
    assert len(told) >= after_lines
    return told


async def test_kill_9_loses_nothing_acknowledged_and_shows_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "headrace.db"
    told: dict[str, int] = {}
    for round, after_lines in enumerate((40, 97, 150)):
        told |= await asyncio.to_thread(write_and_kill, path, round, after_lines=after_lines)

        async with open_reader(path) as reader:  # a person looks before anybody starts it again
            for id, reached in told.items():
                found = await reader.account(OperationId(id))
                assert found is not None and IS_AT_LEAST[found.stage] >= reached, id

        async with open_store(path, clock=StillClock()) as store:
            check = await store._writer.run(
                lambda db: (
                    db.execute("PRAGMA integrity_check").fetchone()[0],
                    db.execute("PRAGMA foreign_key_check").fetchall(),
                )
            )
            assert check == ("ok", [])
            for id in told:
                # Each three came in one commit, and went on in one commit.
                group = [(await account(store, f"{id[:-1]}{i}")).stage for i in range(3)]
                assert len(set(group)) == 1, (id, group)
            for lane in await store.lanes():
                voyages = await store.unsettled(chain=lane.chain, lane=lane.lane)
                assert len(voyages) == lane.in_flight + lane.mined
                for voyage in voyages:
                    assert len(voyage.operations) == 3 and len(voyage.transaction.attempts) == 1  # type: ignore[union-attr]
                await store.release_claims(chain=CHAIN, lane=lane.lane)
            counts = await store.counts()
            assert counts["claimed"] == 0
