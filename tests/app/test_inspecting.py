"""Stories from a real store, one for each place where an operation or a transaction can be."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from headrace.app.inspecting import as_json, as_text, stories_of
from headrace.core.errors import FixTheRequest
from headrace.core.ports import Evaluation, Note
from headrace.core.transaction import Settled, Taken, Void
from headrace.core.words import BlockNumber, OperationId, Outcome, Purpose, Revert
from headrace.operators.evaluation import Certified, Failed, Refused, Result
from headrace.store import SqliteStore, open_reader, open_store
from store.made import (
    CHAIN,
    LANE,
    NOW,
    OTHER_LANE,
    StillClock,
    a_follower,
    an_operation,
    claim,
    digest,
    ended,
    in_flight,
    landed,
    mined,
    record,
    replaced,
    returned,
    seal,
    sealed,
    settle,
)

SUBJECT = digest("subject of", "a")
REVERT = Revert(data=b"\x2e\x98\xc5\x33", name="TaskAlreadyExists", args={"existingTaskHash": "0x11"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "headrace.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(file, clock=StillClock()) as opened:
        yield opened


async def story(id: str, store: SqliteStore) -> str:
    """The only one."""
    (only,) = await stories_of(id, store)
    return as_text(only)


# ---- An operation, stage by stage


async def test_an_operation_tells_its_way_from_the_queue_to_a_final_block(store: SqliteStore) -> None:
    await store.add_operations([an_operation("a")])
    title = f"tasks create a, about 0x{SUBJECT.hex()}"
    at = "  1970-01-01 00:16:40.000Z  "
    told = [f"{title}: queued", f"{at}saved, queued", f"{at}now: queued for the next batch"]
    assert (await story("a", store)).splitlines() == told

    await claim(store)
    told[-1] = f"{at}now: being put into a batch"
    assert (await story("a", store)).splitlines() == told

    transaction = in_flight(4, sealed_at=NOW + 1)
    await seal(store, transaction, ["a"])
    sealed_line = f"sealed as item 0 of batch batch-4, nonce 4 of lane 0x{LANE.hex()}"
    lines = (await story("a", store)).splitlines()
    assert lines[0] == f"{title}: batched"
    assert lines[2] == f"  1970-01-01 00:16:41.000Z  {sealed_line}"

    transaction = replace(transaction, sent_at=NOW + 2)
    await record(store, transaction)
    lines = (await story("a", store)).splitlines()
    assert lines[0] == f"{title}: sent"
    assert lines[3].endswith(f"sent as 0x{transaction.attempts[0].hash.hex()}")
    assert lines[-1].endswith("now: riding in its transaction, until that is final")

    in_block = mined(transaction, mined_at=NOW + 3)
    await record(store, in_block)
    lines = (await story("a", store)).splitlines()
    assert lines[0] == f"{title}: mined"
    assert lines[4].endswith("mined in block 7; its share 1001 gas, 3003 wei")

    settled = Settled(mined=in_block)
    await store.settle(settled, chain=CHAIN, lane=LANE, endings=landed("a"), returns=[], now=NOW + 4)
    lines = (await story("a", store)).splitlines()
    assert lines[0] == f"{title}: landed"
    assert lines[-1].endswith("done: landed, its own effect is in a final block")


async def test_what_waits_says_for_what(store: SqliteStore) -> None:
    await store.add_operations([an_operation("a"), a_follower("b", "a")])
    text = await story("b", store)
    assert text.splitlines()[0].endswith(": queued")
    assert "saved, after a" in text


async def test_what_was_returned_tells_its_last_revert_and_why(store: SqliteStore) -> None:
    await store.add_operations([an_operation("a")])
    await claim(store)
    notes = [Note(subject="a", text="taken out of its batch")]
    await store.judge([], [returned("a", revert=REVERT, retries=1)], now=NOW + 5, notes=notes)
    text = await story("a", store)
    assert "taken out of its batch" in text
    last = "now: queued for the next batch; the last that happened: again; the contract said TaskAlreadyExists"
    assert last in text


async def test_what_was_rejected_tells_what_the_contract_said(store: SqliteStore) -> None:
    await store.add_operations([an_operation("a")])
    await claim(store)
    ending = ended("a", Outcome.REJECTED, reason="its policy client is none", revert=REVERT)
    await store.judge([ending], [], now=NOW)
    text = await story("a", store)
    assert text.splitlines()[0].endswith(": rejected")
    assert "done: rejected; its policy client is none; the contract said TaskAlreadyExists" in text


async def test_what_was_cancelled_says_so(store: SqliteStore) -> None:
    await store.add_operations([an_operation("a")])
    await store.cancel(OperationId("a"), now=NOW)
    assert "done: cancelled; cancelled on request" in await story("a", store)


# ---- A task request


async def begun(
    store: SqliteStore, id: str = "a", result: Result | None = None, *, resume: bool = True
) -> Evaluation:
    evaluation = Evaluation(
        operation=OperationId(id),
        content=digest("asked", id),
        subject=digest("subject of", id),
        request=b"",
        task=b"a task",
        resume=resume,
        received_at=NOW - 1,
    )
    await store.begin_evaluation(evaluation)
    if result is not None:
        operations = [an_operation(id)] if isinstance(result, Certified) else []
        encoded = msgspec.msgpack.encode(result)
        await store.conclude_evaluation(evaluation.operation, result=encoded, operations=operations)
    return evaluation


async def test_a_task_that_is_being_asked_about_says_so(store: SqliteStore) -> None:
    await begun(store)
    lines = (await story("a", store)).splitlines()
    assert lines[0] == "operation a: not recorded on chain"
    assert lines[1].endswith(f"asked for; task 0x{SUBJECT.hex()} built and saved")
    assert lines[2].endswith("the operators are being asked")


async def test_a_task_whose_caller_may_have_left_says_how_it_goes_on(store: SqliteStore) -> None:
    await begun(store, resume=False)
    line = "no answer yet; if nobody waits for one any more, ask again with the same id"
    assert (await story("a", store)).endswith(line)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (Refused("the policy refuses: too much", ()), "not recorded: the policy refuses: too much"),
        (Failed("no quorum in time"), "not recorded: no quorum in time"),
    ],
)
async def test_a_task_that_got_no_certificate_says_why(store: SqliteStore, result: Result, line: str) -> None:
    await begun(store, result=result)
    lines = (await story("a", store)).splitlines()
    assert lines[0] == "operation a: not recorded on chain"
    assert lines[-1].endswith(line)


async def test_a_certified_task_is_found_by_its_operation_and_by_its_task_id(store: SqliteStore) -> None:
    certified = Certified(response=b"r", signature_data=b"s", signers=(b"1", b"2", b"3"), non_signers=(b"4",))
    await begun(store, result=certified)
    text = await story("a", store)
    assert "3 operators signed, 1 did not; the caller has the certificate" in text
    assert "saved, queued" in text
    assert text.index("asked for") < text.index("saved, queued")
    for id in ("0x" + SUBJECT.hex(), SUBJECT.hex(), "0x" + SUBJECT.hex().upper()):
        assert await story(id, store) == text


async def test_a_task_recorded_in_two_operations_has_two_stories(store: SqliteStore) -> None:
    await store.add_operations(
        [an_operation("b/create", subject=SUBJECT), a_follower("b", "b/create", subject=SUBJECT)]
    )
    both = await stories_of("0x" + SUBJECT.hex(), store)
    assert [s.title.split(",")[0] for s in both] == ["tasks create b/create", "tasks respond b"]
    assert [entry["title"] for entry in as_json(both)] == [s.title for s in both]


# ---- A transaction


async def test_a_transaction_is_found_by_batch_nonce_and_the_hash_of_any_attempt(store: SqliteStore) -> None:
    first = await sealed(store, 4, "a", "b")
    transaction = replace(replaced(first), sent_at=NOW + 1)
    await record(store, transaction, notes=[Note(subject=f"0x{LANE.hex()}/4", text="replaced: late")])
    hashes = ["0x" + attempt.hash.hex() for attempt in transaction.attempts]
    text = await story("batch-4", store)
    for id in ("4", *hashes):
        assert await story(id, store) == text
    lines = text.splitlines()
    assert lines[0] == f"nonce 4 of lane 0x{LANE.hex()} on chain 31337: batch batch-4"
    assert "sealed: batch batch-4, 2 operations (tasks create), gas limit 1000000" in lines[1]
    assert f"signed as {hashes[0]} (batch): max fee 100 wei, tip 10 wei" in lines[2]
    assert f"signed as {hashes[1]} (batch): max fee 120 wei, tip 12 wei" in lines[3]
    for part in ("sent to a node", "replaced: late", "now: waiting to be mined", "carried a (sent), b (sent)"):
        assert part in text


async def test_a_transaction_tells_where_it_stands(store: SqliteStore) -> None:
    transaction = await sealed(store, 4, "a")
    await record(store, replace(transaction, help_wanted="the account is empty"))
    assert "now: needs a person: the account is empty" in await story("4", store)
    await record(store, Taken(in_flight=transaction, since=BlockNumber(9)))
    assert "a foreign transaction has the nonce since block 9" in await story("4", store)
    reverted = mined(transaction, ok=False)
    await record(store, reverted)
    text = await story("4", store)
    assert "in block 7, and reverted: 1001 gas at 3 wei" in text
    assert "now: mined, not final yet" in text
    await settle(store, Settled(mined=reverted), returns=[returned("a")])
    text = await story("4", store)
    assert "in block 7, and reverted: 1001 gas" in text
    assert text.splitlines()[-2].endswith("now: final")
    assert text.splitlines()[-1].endswith("carried a (queued)")


async def test_a_lost_nonce_and_one_that_carries_nothing_are_told(store: SqliteStore) -> None:
    transaction = await sealed(store, 4, "a")
    await record(store, Taken(in_flight=transaction, since=BlockNumber(9)))
    await settle(store, Void(in_flight=transaction), returns=[returned("a")])
    assert "now: final without us; what rode here travels again" in await story("4", store)
    filler = replaced(in_flight(5, batch=None, attempts=()), purpose=Purpose.NO_OP)
    await seal(store, filler, [])
    text = await story("5", store)
    assert text.splitlines()[0].endswith("nothing (fills its nonce)")
    assert f"signed as 0x{filler.attempts[0].hash.hex()} ({Purpose.NO_OP.value})" in text


async def test_of_many_operations_the_first_twenty_are_named(store: SqliteStore) -> None:
    await sealed(store, 4, *(f"op-{i}" for i in range(25)))
    assert (await story("4", store)).endswith("op-19 (batched) and 5 more")


async def test_a_nonce_of_several_lanes_must_be_asked_for_with_its_lane_or_by_another_id(
    store: SqliteStore,
) -> None:
    await sealed(store, 4, "a")
    await store.add_operations([an_operation("b")])
    await claim(store, lane=OTHER_LANE)
    await seal(store, in_flight(4, batch="other", attempts=in_flight(40).attempts), ["b"], lane=OTHER_LANE)
    with pytest.raises(FixTheRequest, match=r"nonce 4 belongs to several lanes \(.*\): name one, as LANE/4"):
        await stories_of("4", store)
    assert "batch other" in await story("other", store)
    assert await story(f"0x{OTHER_LANE.hex()}/4", store) == await story("other", store)
    assert await story(f"0x{LANE.hex().upper()}/4", store) == await story("batch-4", store)
    assert await stories_of(f"0x{LANE.hex()}/5", store) == []


# ---- Nothing


@pytest.mark.parametrize(
    "id",
    ["nobody", "4", "0x" + "00" * 32, "9" * 30, "9" * 5000, "", "é", "٣", "0x" + "zz" * 32, "0x12/4", "4/4", "/"],
)
async def test_an_unknown_id_has_no_story(store: SqliteStore, id: str) -> None:
    assert await stories_of(id, store) == []


async def test_a_story_can_be_read_beside_the_process_that_writes(store: SqliteStore, file: Path) -> None:
    await begun(store)
    async with open_reader(file) as reader:
        assert as_text((await stories_of("a", reader))[0]) == await story("a", store)
