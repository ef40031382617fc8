"""From the moment an operation is saved to the moment it rides."""

import asyncio
from typing import Any

from headrace.core.operation import Stage, State
from headrace.core.ports import Added, Note
from headrace.core.transaction import Void
from headrace.core.words import Address, BlockNumber, ChainId, OperationId, Outcome, Revert
from store.made import (
    CHAIN,
    LANE,
    NOW,
    OTHER_LANE,
    Store,
    a_follower,
    account,
    an_operation,
    claim,
    ended,
    in_flight,
    landed,
    mined,
    record,
    returned,
    seal,
    sealed,
    settle,
    stages,
)


class OperationsContract:
    async def test_asking_twice_is_asking_once(self, store: Store) -> None:
        assert await store.add_operations([an_operation("a")]) == [Added.FRESH]
        assert await store.add_operations([an_operation("a")]) == [Added.SAME]
        assert await claim(store) == ["a"]

    async def test_the_same_id_with_other_content_is_told_apart(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        other = an_operation("a", content=b"\x07" * 32, payload=b"other", subject=b"\x08" * 32)
        assert await store.add_operations([other]) == [Added.OTHER_CONTENT]
        assert (await account(store, "a")).operation == an_operation("a")

    async def test_an_operation_comes_out_as_it_went_in(self, store: Store) -> None:
        await store.add_operations([an_operation("before")])
        whole = an_operation(
            "a",
            kind="respond",
            form="separate",
            payload=bytes(range(256)),
            received_at=1234.000244140625,
            after=OperationId("before"),
            wait_until=NOW + 0.5,
            deadline=NOW + 99.25,
            deadline_block=BlockNumber(2**40),
            retries=3,
            sender=LANE,
        )
        await store.add_operations([whole])
        assert (await account(store, "a")).operation == whole

    async def test_each_of_many_gets_its_own_answer(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        answers = await store.add_operations([an_operation("b"), an_operation("a"), an_operation("b")])
        assert answers == [Added.FRESH, Added.SAME, Added.SAME]

    async def test_two_unfinished_operations_never_want_the_same_effect(self, store: Store) -> None:
        subject = b"\x05" * 32
        first, second = an_operation("a", subject=subject), an_operation("b", subject=subject)
        assert await store.add_operations([first, second]) == [Added.FRESH, Added.SUBJECT_TAKEN]
        assert await store.account(OperationId("b")) is None
        await store.judge([ended("a", Outcome.REJECTED)], [], now=NOW)
        assert await store.add_operations([second]) == [Added.FRESH]

    async def test_another_kind_or_workload_or_chain_may_have_the_same_subject(self, store: Store) -> None:
        subject = b"\x05" * 32
        await store.add_operations([an_operation("a", subject=subject)])
        others: list[dict[str, Any]] = [{"kind": "respond"}, {"workload": "escrow"}, {"chain": ChainId(1)}]
        answers = await store.add_operations(
            [an_operation(f"b{i}", subject=subject, **other) for i, other in enumerate(others)]
        )
        assert answers == [Added.FRESH] * 3

    async def test_the_oldest_are_claimed_first_and_in_order(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "zyxwv"])
        assert await claim(store, 3) == ["z", "y", "x"]
        assert await claim(store, 3) == ["w", "v"]
        assert await claim(store, 3) == []

    async def test_two_claimers_never_get_the_same_operation(self, store: Store) -> None:
        await store.add_operations([an_operation(f"{i}") for i in range(50)])
        lanes = [LANE, OTHER_LANE] * 10
        claims = await asyncio.gather(*(claim(store, 7, lane=lane) for lane in lanes))
        taken = [id for ids in claims for id in ids]
        assert sorted(taken) == sorted(f"{i}" for i in range(50))

    async def test_a_claim_keeps_to_its_chain_and_workload(self, store: Store) -> None:
        await store.add_operations(
            [an_operation("a", chain=ChainId(1)), an_operation("b", workload="escrow"), an_operation("c")]
        )
        assert await claim(store) == ["c"]

    async def test_released_operations_go_back_to_their_place(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abc"])
        assert await claim(store, 2) == ["a", "b"]
        await store.release([OperationId("b"), OperationId("a")])
        assert await claim(store) == ["a", "b", "c"]

    async def test_releasing_touches_only_what_is_claimed(self, store: Store) -> None:
        await sealed(store, 0, "a")
        await store.add_operations([an_operation("b")])
        await store.judge([ended("b", Outcome.REJECTED)], [], now=NOW)
        await store.release([OperationId(id) for id in ("a", "b", "unknown")])
        assert await stages(store, "a", "b") == ["sealed", "done"]

    async def test_after_a_crash_claims_of_this_lane_are_queued_again(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abc"])
        await claim(store, 2)
        await claim(store, 1, lane=OTHER_LANE)
        assert await store.release_claims(chain=CHAIN, lane=LANE) == 2
        assert await stages(store, "a", "b", "c") == ["queued", "queued", "claimed"]

    async def test_an_outcome_is_written_once(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        first = ended("a", Outcome.REJECTED, reason="no", revert=Revert(b"\x01\x02\x03\x04", "No", {"why": "x"}))
        assert await store.judge([first], [], now=NOW + 5) == [first]
        assert await store.judge(landed("a"), [returned("a")], now=NOW + 6) == []
        after = await account(store, "a")
        assert (after.stage, after.state, after.outcome) == (Stage.DONE, State.DONE, Outcome.REJECTED)
        assert (after.reason, after.revert, after.done_at) == ("no", first.revert, NOW + 5)

    async def test_endings_that_differ_are_each_written(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abcd"])
        endings = [
            ended("a", Outcome.LANDED),
            ended("b", Outcome.REJECTED, reason="b", revert=Revert(b"", None)),
            ended("c", Outcome.LANDED),
            ended("d", Outcome.CONFLICT, reason="d", revert=Revert(b"\xff" * 40, "C", {"n": 10**40, "l": ["0x"]})),
        ]
        written = await store.judge(endings, [], now=NOW)
        assert sorted(written, key=lambda ending: ending.operation) == endings
        for ending in endings:
            after = await account(store, ending.operation)
            assert (after.outcome, after.reason, after.revert) == (ending.outcome, ending.reason, ending.revert)

    async def test_a_return_keeps_why_and_how_it_travels_from_now_on(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), an_operation("b")])
        await claim(store)
        revert = Revert(b"\x01\x02\x03\x04tail", "Busy", {"until": 7})
        await store.judge([], [returned("a", "busy", form="separate", retries=2, revert=revert)], now=NOW)
        after = await account(store, "a")
        assert (after.stage, after.state, after.reason, after.revert) == (
            Stage.QUEUED,
            State.QUEUED,
            "busy",
            revert,
        )
        assert (after.operation.form, after.operation.retries) == ("separate", 2)
        assert await stages(store, "b") == ["claimed"]

    async def test_a_return_without_form_keeps_the_form_and_its_place(self, store: Store) -> None:
        await store.add_operations([an_operation("a", form="separate"), an_operation("b")])
        await claim(store, 1)
        await store.judge([], [returned("a")], now=NOW)
        assert (await account(store, "a")).operation.form == "separate"
        assert await claim(store) == ["a", "b"]

    async def test_who_must_rest_is_not_claimed_before_its_time(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), an_operation("b")])
        await claim(store)
        await store.judge([], [returned("a", not_before=NOW + 10), returned("b")], now=NOW)
        assert await ready(store, chain=CHAIN, lane=LANE, workload="tasks", now=NOW + 9) == 1
        assert await claim(store, now=NOW + 9) == ["b"]
        assert await ready(store, chain=CHAIN, lane=LANE, workload="tasks", now=NOW + 10) == 1
        assert await claim(store, now=NOW + 10) == ["a"]

    async def test_a_rest_goes_on_while_its_operation_waits_for_another(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), a_follower("b", "a")])
        await store.judge([], [returned("b", not_before=NOW + 10)], now=NOW)
        assert await claim(store) == ["a"]
        assert await claim(store, now=NOW + 1) == []
        first = in_flight(0)
        await seal(store, first, ["a"])
        await record(store, mined(first))
        assert await stages(store, "b") == ["queued"]
        assert await claim(store, now=NOW + 9) == []
        assert await claim(store, now=NOW + 10) == ["b"]

    async def test_every_rest_ends_whatever_was_claimed_meanwhile(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abc"])
        assert await claim(store) == ["a", "b", "c"]
        await store.judge([], [returned("a", not_before=NOW + 20), returned("b", not_before=NOW + 10)], now=NOW)
        assert await claim(store, now=NOW + 10) == ["b"]
        await store.judge([], [returned("c", not_before=NOW + 15)], now=NOW)
        assert await claim(store, now=NOW + 14) == []
        assert await claim(store, now=NOW + 15) == ["c"]
        assert await claim(store, now=NOW + 20) == ["a"]

    async def test_a_look_tells_of_what_can_no_longer_land(self, store: Store) -> None:
        async def overdue(head: int | None, now: float = NOW) -> bool:
            block = None if head is None else BlockNumber(head)
            look = await store.look(chain=CHAIN, lane=LANE, workloads=["tasks"], now=now, head=block)
            return look.overdue

        await store.add_operations([an_operation("a", deadline_block=BlockNumber(10))])
        assert [await overdue(head) for head in (9, 10, None)] == [False, True, False]
        await store.add_operations([an_operation("b", deadline=NOW + 5), a_follower("c", "b", wait_until=NOW + 3)])
        assert [await overdue(None, NOW + s) for s in (2, 3, 5)] == [False, True, True]
        await store.end_overdue(now=NOW + 5, head=BlockNumber(10), chain=CHAIN)
        assert not await overdue(11, NOW + 99)

    async def test_ready_ones_are_counted_by_chain_and_workload(self, store: Store) -> None:
        await store.add_operations(
            [an_operation("a"), an_operation("b"), an_operation("c", workload="escrow"), an_operation("d")]
        )
        await claim(store, 1)
        assert await ready(store, chain=CHAIN, lane=LANE, workload="tasks", now=NOW) == 2
        assert await ready(store, chain=CHAIN, lane=LANE, workload="escrow", now=NOW) == 1
        assert await ready(store, chain=ChainId(1), lane=LANE, workload="tasks", now=NOW) == 0

    async def test_what_has_a_sender_is_claimed_and_counted_by_that_lane_only(self, store: Store) -> None:
        await store.add_operations([an_operation("bound", sender=OTHER_LANE), an_operation("free")])
        assert await ready(store, chain=CHAIN, lane=LANE, workload="tasks", now=NOW) == 1
        assert await ready(store, chain=CHAIN, lane=OTHER_LANE, workload="tasks", now=NOW) == 2
        assert await claim(store) == ["free"]
        assert await claim(store, lane=OTHER_LANE) == ["bound"]

    async def test_the_backlog_is_what_is_neither_sealed_nor_done(self, store: Store) -> None:
        assert await backlog(store, CHAIN) == 0
        await sealed(store, 0, "sealed")
        await store.add_operations([an_operation(id) for id in ("done", "resting", "claimed", "queued")])
        await store.add_operations([a_follower("waiting", "sealed"), an_operation("escrow", workload="escrow")])
        await store.add_operations([an_operation("elsewhere", chain=ChainId(1))])
        await claim(store, 3)
        await store.judge(landed("done"), [returned("resting", not_before=NOW + 10)], now=NOW)
        assert await stages(store, "sealed", "done", "resting", "claimed", "queued", "waiting") == [
            "sealed",
            "done",
            "queued",
            "claimed",
            "queued",
            "waiting",
        ]
        assert await backlog(store, CHAIN) == 5
        assert await backlog(store, ChainId(1)) == 1
        assert await backlog(store, ChainId(2)) == 0

    async def test_what_comes_back_counts_as_backlog_again(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        assert await backlog(store, CHAIN) == 0
        await settle(store, Void(in_flight=first), endings=landed("a"), returns=[returned("b")])
        assert await backlog(store, CHAIN) == 1

    async def test_overdue_operations_end_as_expired(self, store: Store) -> None:
        await store.add_operations(
            [
                an_operation("by time", deadline=NOW),
                an_operation("in time", deadline=NOW + 1),
                an_operation("by block", deadline_block=BlockNumber(10)),
                an_operation("next block", deadline_block=BlockNumber(11)),
                an_operation("elsewhere", deadline=NOW, chain=ChainId(1)),
                an_operation("both", deadline=NOW, deadline_block=BlockNumber(3)),
            ]
        )
        endings = await store.end_overdue(now=NOW, head=BlockNumber(10), chain=CHAIN)
        assert {ending.operation for ending in endings} == {"by time", "by block", "both"}
        assert {ending.outcome for ending in endings} == {Outcome.EXPIRED}
        assert all(ending.reason for ending in endings)
        assert sorted(await claim(store)) == ["in time", "next block"]
        assert await store.end_overdue(now=NOW, head=BlockNumber(10), chain=CHAIN) == []

    async def test_what_is_signed_for_does_not_expire(self, store: Store) -> None:
        await store.add_operations([an_operation("a", deadline=NOW), an_operation("b", deadline=NOW)])
        assert await claim(store, 1) == ["a"]
        await seal(store, in_flight(0), ["a"])
        assert await claim(store, 1) == ["b"]  # claimed only: nobody has signed for it
        endings = await store.end_overdue(now=NOW + 1, head=BlockNumber(1), chain=CHAIN)
        assert [ending.operation for ending in endings] == ["b"]

    async def test_a_client_can_cancel_until_it_is_signed_for(self, store: Store) -> None:
        await sealed(store, 0, "a")
        await store.add_operations([an_operation("b"), an_operation("c")])
        await claim(store, 1)
        assert await store.cancel(OperationId("a"), now=NOW) == []
        for id in ("b", "c"):
            [ending] = await store.cancel(OperationId(id), now=NOW)
            assert (ending.operation, ending.outcome) == (id, Outcome.CANCELLED) and ending.reason
            assert await store.cancel(OperationId(id), now=NOW) == []
        assert await store.cancel(OperationId("unknown"), now=NOW) == []
        assert await stages(store, "a", "b", "c") == ["sealed", "done", "done"]

    async def test_notes_are_saved_with_a_judgement(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await store.judge(
            [], [], now=NOW + 3, notes=[Note(subject="a", text="looked at"), Note(subject="a", text="2")]
        )
        assert [(line.at, line.text) for line in await store.lines("a")] == [
            (NOW + 3, "looked at"),
            (NOW + 3, "2"),
        ]

    async def test_a_reason_that_repeats_is_noted_once(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), an_operation("b")])
        for round in range(20):
            assert await claim(store) == ["a", "b"]
            back = [returned("a", "the lane is paused"), returned("b", f"other each time: {round}")]
            await store.judge([], back, now=NOW, notes=[Note(subject=r.operation, text=r.reason) for r in back])
        assert [line.text for line in await store.lines("a")] == ["the lane is paused"]
        assert len(await store.lines("b")) == 20

    async def test_a_reason_is_noted_again_after_another(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        for reason in ("busy", "busy", "paused", "busy", "busy"):
            await claim(store)
            notes = [Note(subject="a", text=f"1 {reason}"), Note(subject="a", text=f"2 {reason}")]
            await store.judge([], [returned("a", reason)], now=NOW, notes=[*notes, Note(subject="lane", text="x")])
        assert [line.text for line in await store.lines("a")] == [
            "1 busy",
            "2 busy",
            "1 paused",
            "2 paused",
            "1 busy",
            "2 busy",
        ]
        assert len(await store.lines("lane")) == 5  # about somebody who was not returned: whatever it says

    async def test_an_id_may_hold_any_text(self, store: Store) -> None:
        odd = 'it\'s "quoted" \\ \u2603 \U0001f600 \x01'
        await store.add_operations([an_operation(odd)])
        assert await claim(store) == [odd]
        await seal(store, in_flight(0), [odd])
        assert (await account(store, odd)).stage is Stage.SEALED

    async def test_adding_nothing_is_fine(self, store: Store) -> None:
        assert await store.add_operations([]) == []
        await store.release([])
        assert await store.judge([], [], now=NOW) == []

    async def test_an_unknown_predecessor_is_told_to_its_own_operation_only(self, store: Store) -> None:
        answers = await store.add_operations(
            [
                an_operation("a"),
                a_follower("b", "nobody"),
                a_follower("c", "a"),
                a_follower("d", "b"),  # what it comes after was not saved
                an_operation("e"),
            ]
        )
        assert answers == [Added.FRESH, Added.NO_PREDECESSOR, Added.FRESH, Added.NO_PREDECESSOR, Added.FRESH]
        assert await stages(store, "a", "c", "e") == ["queued", "waiting", "queued"]
        assert await store.account(OperationId("b")) is None
        assert await store.account(OperationId("d")) is None
        await store.add_operations([an_operation("nobody")])
        assert await store.add_operations([a_follower("b", "nobody")]) == [Added.FRESH]

    async def test_an_id_in_use_is_told_before_an_unknown_predecessor(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        other = a_follower("a", "nobody", content=b"\x07" * 32)
        assert await store.add_operations([other]) == [Added.OTHER_CONTENT]


async def ready(store: Store, *, workload: str, now: float, chain: ChainId = CHAIN, lane: Address = LANE) -> int:
    waiting = await store.look(chain=chain, lane=lane, workloads=[workload], now=now, head=None)
    return waiting.ready


async def backlog(store: Store, chain: ChainId = CHAIN) -> int:
    return (await store.look(chain=chain, lane=LANE, workloads=["tasks"], now=NOW, head=None)).backlog
