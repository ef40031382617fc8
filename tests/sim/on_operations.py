"""Invariants about operations: what is acknowledged ends, once, as the chain says, and for a reason of its own."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.workloads.tasks.payload import Payload
from sim.holding import invariant
from sim.profile import MAX_RETRIES
from sim.wishes import SOUND, Wish
from sim.witness import Recorded, read_records

_WITH_EFFECT: Final = ("landed", "already_done")
# What each nature may end as, beside what its deadline, its client, and others who want the same bring about.
_MAY_END: Final = {
    SOUND: ("landed",),
    "bad signature": ("rejected",),
    "other policy": ("rejected",),
    "greedy": ("rejected",),
    "moody": ("rejected", "landed"),
    "refused in words": ("rejected",),
    "from the far future": ("rejected",),
    "unbuildable": ("rejected",),
}


@invariant("answered", "same-id-is-the-same-operation")
def is_known(world: Any, answered: Any) -> Iterator[str]:
    wanted = ("OtherContent", "TryLater") if answered.other else ("SAME", "TryLater")
    if answered.known and answered.told not in wanted:
        what = "other content" if answered.other else "the same content"
        yield f"{answered.wish.id}, acknowledged before, is asked with {what}, and the answer is {answered.told}"


@invariant("end", "acknowledged-is-never-lost")
def is_there(world: Any, _: None) -> Iterator[str]:
    there = {row["id"] for row in world.db.execute("SELECT id FROM operations")}
    for wish in world.wishes.all:
        if wish.acknowledged and wish.id not in there:
            yield f"{wish.id} was acknowledged, and the store does not have it"


@invariant("step", "one-outcome")
def is_told_once(world: Any, _: None) -> Iterator[str]:
    saved = {row["id"]: row["outcome"] for row in world.db.execute("SELECT id, outcome FROM operations")}
    for wish in world.wishes.all:
        outcome = saved.get(wish.id)
        if outcome is not None and not wish.outcomes:
            wish.outcomes.append(outcome)  # its news died with the process
        if any(told != outcome for told in wish.outcomes):
            yield f"{wish.id} ended as {', '.join(wish.outcomes)}; the store says {outcome}"


@invariant("end", "everything-ends")
def has_ended(world: Any, _: None) -> Iterator[str]:
    for id in world.unfinished():
        row = world.db.execute("SELECT stage, reason, not_before FROM operations WHERE id = ?", (id,)).fetchone()
        yield f"{id} is {row['stage']} still ({row['reason']})"
    for row in world.db.execute("SELECT nonce, state FROM transactions WHERE final_at IS NULL"):
        yield f"nonce {row['nonce']} is {row['state']} still"


@invariant("end", "outcome-agrees-with-the-chain")
def agrees(world: Any, _: None) -> Iterator[str]:
    records = read_records(world.chain.blocks)
    for wish in world.wishes.all:
        if not wish.outcomes or wish.subject in world.witness.undone or wish.nature == "unbuildable":
            continue
        created, responded = records.created[wish.subject], records.responded[wish.subject]
        yield from _agrees(world, wish, wish.outcomes[0], created, responded)


def _agrees(
    world: Any, wish: Wish, outcome: str, created: list[Recorded], responded: list[Recorded]
) -> Iterator[str]:
    payload = Payload.unpack(wish.operation.payload)
    own_task = [r for r in created if r.digest == payload.task_hash()]
    own_response = [r for r in responded if r.digest == payload.response_hash()]
    wanted = [own_task] * wish.creates + [own_response] * wish.responds
    there = all(wanted)
    ours = any(r.sender in world.lanes for one in wanted for r in one)
    match outcome:
        case "landed":
            if not there:
                yield f"{wish.id} ended as landed, and the chain does not show it"
            elif not ours:
                yield f"{wish.id} ended as landed, and a stranger did it"
        case "already_done":
            if not there:
                yield f"{wish.id} ended as already_done, and the chain does not show it"
            elif not wish.competed:
                yield f"{wish.id} ended as already_done, and nobody else wanted it"
        case "conflict":
            if len(created) == len(own_task) and len(responded) == len(own_response):
                yield f"{wish.id} ended as conflict, and the chain has nothing else in its place"
        case _:
            if there and not wish.competed:
                yield f"{wish.id} ended as {outcome}, and the chain shows its effect"


@invariant("end", "no-effect-twice")
def is_recorded_once(world: Any, _: None) -> Iterator[str]:
    records = read_records(world.chain.blocks)
    for what, found in (("created", records.created), ("responded", records.responded)):
        for subject, events in found.items():
            if len(events) > 1:
                yield f"task 0x{subject.hex()[:8]} is {what} {len(events)} times"


@invariant("end", "no-response-before-its-task")
def follows_its_task(world: Any, _: None) -> Iterator[str]:
    records = read_records(world.chain.blocks)
    for subject, (first, *_rest) in records.responded.items():
        if not records.created[subject] or records.created[subject][0].block > first.block:
            yield f"task 0x{subject.hex()[:8]} has a response and no task before it"


@invariant("end", "only-the-guilty-fail")
def deserved_it(world: Any, _: None) -> Iterator[str]:
    for wish in world.wishes.all:
        if not wish.outcomes:
            continue
        outcome = wish.outcomes[0]
        if outcome not in _MAY_END[wish.nature] and not _is_excused(world, wish, outcome):
            row = world.db.execute("SELECT reason FROM operations WHERE id = ?", (wish.id,)).fetchone()
            yield f"{wish.id} is {wish.nature} and ended as {outcome}: {row['reason']}"


def _is_excused(world: Any, wish: Wish, outcome: str) -> bool:
    if wish.competed and outcome in ("landed", "already_done", "conflict", "rejected"):
        return True
    if wish.subject in world.witness.undone:
        return True
    if outcome == "rejected" and world.witness.reverted(wish.subject) > MAX_RETRIES:
        return True  # paid for and reverted so many times, and nobody could tell why
    if outcome == "cancelled":
        before = world.wishes.by_id(wish.operation.after) if wish.operation.after else None
        return wish.cancelled or (before is not None and before.outcomes[0] not in _WITH_EFFECT)
    if outcome == "landed":
        return wish.nature == "greedy" and not world.profile.batched  # alone it may get what it needs, in the end
    return outcome == "expired" and _was_late(world, wish)


def _was_late(world: Any, wish: Wish) -> bool:
    op = wish.operation
    row = world.db.execute("SELECT done_at FROM operations WHERE id = ?", (wish.id,)).fetchone()
    if op.deadline is not None and op.deadline <= row["done_at"] + world.longest_block_s:
        return True  # or before the next block, which could be thought to be so far away
    if op.after is not None and op.wait_until is not None and op.wait_until <= row["done_at"]:
        return True
    # The block that it aimed at would have been one too late.
    return bool(op.deadline_block is not None and op.deadline_block <= world.highest_at(row["done_at"]))


@invariant("end", "retries-only-for-own-failures")
def budget_is_its_own(world: Any, _: None) -> Iterator[str]:
    rows = {row["id"]: row for row in world.db.execute("SELECT id, retries, reason FROM operations")}
    for wish in world.wishes.all:
        if wish.id not in rows:
            continue
        spent = rows[wish.id]["retries"]
        if spent > MAX_RETRIES:
            yield f"{wish.id} has spent {spent} retries of {MAX_RETRIES}"
        unexplained = world.witness.reverted(wish.subject)
        if wish.nature == SOUND and not wish.competed and spent > unexplained:
            told = "; ".join(note["text"] for note in _notes(world, wish))
            yield f"{wish.id} is sound, and has spent {spent} retries: {told}"
        if wish.nature == "moody" and "rejected" in wish.outcomes:
            shown = world.moods.refused[wish.subject] + world.witness.reverted(wish.subject)
            if shown <= MAX_RETRIES:
                yield (
                    f"{wish.id} was given up after {shown} failures; {MAX_RETRIES} retries are {MAX_RETRIES + 1}: "
                    + "; ".join(note["text"] for note in _notes(world, wish))
                )


def _notes(world: Any, wish: Wish) -> list[Any]:
    found: list[Any] = world.db.execute("SELECT text FROM notes WHERE subject = ?", (wish.id,)).fetchall()
    return found
