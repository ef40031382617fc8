"""An operation never overtakes what it comes after, and never waits for what will not come."""

from headrace.core.operation import Stage
from headrace.core.ports import Added
from headrace.core.transaction import Settled, Taken, Void
from headrace.core.words import BlockHash, BlockNumber, OperationId, Outcome, Purpose
from store.made import (
    CHAIN,
    NOW,
    Store,
    a_follower,
    account,
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
    stages,
)


class FollowersContract:
    async def test_a_follower_waits_until_its_predecessor_is_mined(self, store: Store) -> None:
        assert await store.add_operations([an_operation("a"), a_follower("b", "a")]) == [Added.FRESH] * 2
        assert await claim(store) == ["a"]
        await seal(store, in_flight(0), ["a"])
        assert await stages(store, "b") == ["waiting"]
        await record(store, mined(in_flight(0)))
        assert await claim(store) == ["b"]

    async def test_only_followers_of_what_is_mined_are_queued(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await sealed(store, 1, "c")
        await store.add_operations([a_follower(f"{id}2", id) for id in "abc"])
        await record(store, mined(first))
        assert await stages(store, "a2", "b2", "c2") == ["queued", "queued", "waiting"]

    async def test_mined_without_effect_is_not_there(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await store.add_operations([a_follower("a2", "a"), a_follower("b2", "b")])
        await record(store, mined(first), without_effect=[OperationId("b")])
        assert await stages(store, "a2", "b2") == ["queued", "waiting"]
        await store.add_operations([a_follower("a3", "a", kind="third"), a_follower("b3", "b", kind="third")])
        assert await stages(store, "a3", "b3") == ["queued", "waiting"]

    async def test_saving_a_mined_transaction_again_changes_nothing_for_followers(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await store.add_operations([a_follower("a2", "a"), a_follower("b2", "b")])
        await record(store, mined(first), without_effect=[OperationId("b")])
        await record(store, mined(replaced(first), winner=0))  # a late attempt: not news
        await store.add_operations([a_follower("b3", "b", kind="third")])
        assert await stages(store, "a2", "b2", "b3") == ["queued", "waiting", "waiting"]

    async def test_mined_in_another_block_is_news(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await store.add_operations([a_follower("a2", "a"), a_follower("b2", "b")])
        await record(store, mined(first), without_effect=[OperationId("b")])
        elsewhere = BlockHash(digest("other block"))
        await record(store, mined(first, block_hash=elsewhere), without_effect=[OperationId("a")])
        assert await stages(store, "a2", "b2") == ["waiting", "queued"]

    async def test_a_reverted_or_empty_transaction_has_no_effect(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        second = await sealed(store, 1, "b")
        await store.add_operations([a_follower("a2", "a"), a_follower("b2", "b")])
        await record(store, mined(first, ok=False))
        await record(store, mined(replaced(second, purpose=Purpose.NO_OP)))
        assert await stages(store, "a2", "b2") == ["waiting", "waiting"]

    async def test_when_the_block_is_uncled_followers_wait_again(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a"), a_follower("c", "a", kind="third")])
        await store.add_operations([a_follower("d", "a", kind="fourth")])
        await record(store, mined(first))
        assert await claim(store, 2) == ["b", "c"]
        await seal(store, in_flight(1), ["b"])
        await record(store, first)
        # Who is signed for stays: its own transaction tells.
        assert await stages(store, "b", "c", "d") == ["sealed", "waiting", "waiting"]
        await record(store, mined(first))
        assert await claim(store) == ["c", "d"]

    async def test_a_stranger_on_our_nonce_is_no_effect(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a")])
        await record(store, Taken(in_flight=first, since=BlockNumber(3)))
        assert await stages(store, "b") == ["waiting"]

    async def test_who_comes_after_something_mined_or_done_is_queued_at_once(self, store: Store) -> None:
        await store.add_operations([an_operation("landed"), an_operation("already")])
        await store.judge([ended("landed", Outcome.LANDED), ended("already", Outcome.ALREADY_DONE)], [], now=NOW)
        await record(store, mined(await sealed(store, 0, "mined")))
        await store.add_operations([a_follower(f"{id}2", id) for id in ("landed", "already", "mined")])
        assert await claim(store) == ["landed2", "already2", "mined2"]

    async def test_who_comes_after_something_that_failed_starts_and_ends_as_cancelled(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await store.judge([ended("a", Outcome.CONFLICT)], [], now=NOW)
        assert await store.add_operations([a_follower("b", "a")]) == [Added.FRESH]
        after = await account(store, "b")
        assert (after.stage, after.outcome, after.done_at) == (Stage.DONE, Outcome.CANCELLED, NOW)
        assert "a" in after.reason and "conflict" in after.reason
        assert (await store.counts())["cancelled"] == 1

    async def test_a_judgement_queues_or_cancels_followers(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abc"])
        await store.add_operations([a_follower(f"{id}2", id) for id in "abc"])
        written = await store.judge(
            [ended("a", Outcome.LANDED), ended("b", Outcome.ALREADY_DONE), ended("c", Outcome.REJECTED)],
            [],
            now=NOW,
        )
        assert [(ending.operation, ending.outcome) for ending in written] == [
            ("a", Outcome.LANDED),
            ("b", Outcome.ALREADY_DONE),
            ("c", Outcome.REJECTED),
            ("c2", Outcome.CANCELLED),
        ]
        assert "operation c" in written[-1].reason and "rejected" in written[-1].reason
        assert await stages(store, "a2", "b2", "c2") == ["queued", "queued", "done"]

    async def test_cancelling_goes_down_to_the_last_follower(self, store: Store) -> None:
        await store.add_operations(
            [
                an_operation("a"),
                a_follower("b", "a"),
                a_follower("c", "b"),
                a_follower("d", "c"),
                an_operation("e"),
            ]
        )
        written = await store.judge([ended("a", Outcome.REJECTED)], [], now=NOW)
        assert [ending.operation for ending in written] == ["a", "b", "c", "d"]
        assert "operation c" in (await account(store, "d")).reason
        assert await stages(store, "e") == ["queued"]

    async def test_followers_of_expired_and_cancelled_ones_are_cancelled(self, store: Store) -> None:
        await store.add_operations([an_operation("a", deadline=NOW), a_follower("a2", "a")])
        await store.add_operations([an_operation("b"), a_follower("b2", "b")])
        endings = await store.end_overdue(now=NOW, head=BlockNumber(1), chain=CHAIN)
        assert [(e.operation, e.outcome) for e in endings] == [("a", Outcome.EXPIRED), ("a2", Outcome.CANCELLED)]
        await store.add_operations([a_follower("b3", "b2", kind="third")])
        endings = await store.cancel(OperationId("b"), now=NOW)
        assert [(e.operation, e.outcome) for e in endings] == [(id, Outcome.CANCELLED) for id in ("b", "b2", "b3")]
        assert "operation b2" in endings[-1].reason
        assert await stages(store, "b", "b2", "b3") == ["done", "done", "done"]

    async def test_a_wait_ends_when_its_bound_is_reached(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), an_operation("b")])
        await store.add_operations(
            [a_follower("waits", "a", wait_until=NOW + 5), a_follower("longer", "b", wait_until=NOW + 6)]
        )
        assert await claim(store, 1) == ["a"]  # in a lane's hands, and nobody has signed for it
        endings = await store.end_overdue(now=NOW + 5, head=BlockNumber(1), chain=CHAIN)
        assert [(e.operation, e.outcome) for e in endings] == [("waits", Outcome.EXPIRED)]
        assert "operation a" in endings[0].reason
        await store.judge(landed("b"), [], now=NOW)
        # It waits no longer: the bound was for the wait, not for the ride.
        assert await store.end_overdue(now=NOW + 9, head=BlockNumber(1), chain=CHAIN) == []
        assert await claim(store) == ["longer"]

    async def test_a_wait_has_no_bound_while_its_predecessor_rides(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a", wait_until=NOW + 5, deadline_block=BlockNumber(30))])
        assert await store.end_overdue(now=NOW + 9, head=BlockNumber(1), chain=CHAIN) == []
        await record(store, mined(first))
        assert await claim(store) == ["b"]
        await record(store, first)  # uncled: its bytes go out again, and b with it
        assert await stages(store, "b") == ["waiting"]
        assert await store.end_overdue(now=NOW + 9, head=BlockNumber(1), chain=CHAIN) == []
        await record(store, mined(first))
        assert await stages(store, "b") == ["queued"]
        await record(store, first)
        # What it rides in is no excuse for landing too late.
        [ending] = await store.end_overdue(now=NOW + 9, head=BlockNumber(30), chain=CHAIN)
        assert (ending.operation, ending.outcome) == ("b", Outcome.EXPIRED) and "block 30" in ending.reason

    async def test_a_wait_is_over_when_its_predecessor_lost_its_ride_too_late(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a", wait_until=NOW + 5)])
        await settle(store, Void(in_flight=first), returns=[returned("a")])
        assert await store.end_overdue(now=NOW + 4, head=BlockNumber(1), chain=CHAIN) == []
        endings = await store.end_overdue(now=NOW + 5, head=BlockNumber(1), chain=CHAIN)
        assert [(e.operation, e.outcome) for e in endings] == [("b", Outcome.EXPIRED)]

    async def test_settling_ends_returns_and_moves_followers_in_one_step(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b", "c")
        await store.add_operations([a_follower(f"{id}2", id) for id in "abc"])
        await record(store, mined(first), without_effect=[OperationId("b"), OperationId("c")])
        written = await settle(
            store,
            Settled(mined=mined(first)),
            endings=[*landed("a"), ended("b", Outcome.REJECTED, reason="no")],
            returns=[returned("c", "ran dry", retries=1)],
        )
        assert [ending.operation for ending in written] == ["a", "b", "b2"]
        assert await stages(store, "a", "b", "c") == ["done", "done", "queued"]
        assert await stages(store, "a2", "b2", "c2") == ["queued", "done", "waiting"]

    async def test_a_returned_operation_takes_its_followers_back_to_waiting(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a"), a_follower("c", "a", kind="third")])
        await record(store, mined(first))
        assert await claim(store, 1) == ["b"]
        await record(store, first)
        await settle(store, Void(in_flight=first), returns=[returned("a")])
        assert await stages(store, "a", "b", "c") == ["queued", "waiting", "waiting"]
        assert (await account(store, "a")).ride is None

    async def test_a_settled_transaction_that_returns_an_operation_holds_its_followers(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "other")
        await store.add_operations([a_follower("b", "a"), a_follower("c", "a", kind="third")])
        await record(store, mined(first))
        assert await claim(store, 1) == ["b"]
        await settle(
            store, Settled(mined=mined(first)), endings=landed("other"), returns=[returned("a", "unseen")]
        )
        assert await stages(store, "a", "b", "c") == ["queued", "waiting", "waiting"]

    async def test_a_returned_follower_waits_if_its_predecessor_is_not_there(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a")])
        await record(store, mined(first))
        assert await claim(store) == ["b"]
        second = in_flight(1)
        await seal(store, second, ["b"])
        await record(store, first)  # uncled
        await settle(store, Void(in_flight=second), returns=[returned("b", "came too early")])
        assert await stages(store, "b") == ["waiting"]
        await record(store, mined(first))
        assert await stages(store, "b") == ["queued"]

    async def test_a_returned_follower_is_queued_if_its_predecessor_is_there(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a")])
        await record(store, mined(first))
        await claim(store)
        await store.judge([], [returned("b")], now=NOW)
        assert await stages(store, "b") == ["queued"]
        await settle(store, Settled(mined=mined(first)), endings=landed("a"))
        await claim(store)
        await store.judge([], [returned("b")], now=NOW)
        assert await stages(store, "b") == ["queued"]

    async def test_a_returned_follower_of_something_that_failed_is_cancelled(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a"), a_follower("c", "b", kind="third")])
        await record(store, mined(first))
        await claim(store)
        second = in_flight(1)
        await seal(store, second, ["b"])
        # The chain changed its mind: a's effect is another's now, while b was signed for already.
        written = await settle(store, Settled(mined=mined(first)), endings=[ended("a", Outcome.CONFLICT)])
        assert [ending.operation for ending in written] == ["a"]
        written = await settle(store, Void(in_flight=second), returns=[returned("b")])
        assert [(e.operation, e.outcome) for e in written] == [("b", Outcome.CANCELLED), ("c", Outcome.CANCELLED)]
        assert "operation a" in (await account(store, "b")).reason

    async def test_predecessor_and_follower_may_return_together(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.add_operations([a_follower("b", "a")])
        await record(store, mined(first))
        await claim(store)
        await record(store, first)
        await settle(store, Void(in_flight=first), returns=[returned("b"), returned("a")])
        assert await stages(store, "a", "b") == ["queued", "waiting"]

    async def test_a_waiting_operation_that_is_returned_goes_on_waiting(self, store: Store) -> None:
        await store.add_operations([an_operation("a"), a_follower("b", "a")])
        await store.judge([], [returned("b", not_before=NOW + 5)], now=NOW)
        assert await stages(store, "b") == ["waiting"]
        await store.judge(landed("a"), [], now=NOW)
        assert await claim(store, now=NOW + 4) == []
        assert await claim(store, now=NOW + 5) == ["b"]
