"""Who hears what; and that it costs and keeps nothing where nobody listens."""

import gc
import json
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest

from headrace.api.topics import BATCHES, Listener, Topics, Update, operation_topic, read_topic, task_topic
from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import BatchNews, EvaluationNews, News, OperationNews
from headrace.core.words import Address, BatchId, BlockNumber, Nonce, OperationId, Outcome, TxHash
from headrace.testing.builders import Builder

TASK_ID = b"\x07" * 32


def operations(count: int) -> list[Operation]:
    builder = Builder(1)
    return [builder.operation(id=f"op-{number}") for number in range(count)]


def batch_news(what: str = "mined", *, count: int = 3, without: int | None = None) -> BatchNews:
    riders = operations(count)
    return BatchNews(
        batch=BatchId("batch"),
        lane=Address(b"\x01" * 20),
        nonce=Nonce(5),
        what=what,  # type: ignore[arg-type]
        operations=riders,
        at=10.0,
        transaction=TxHash(b"\x02" * 32),
        block=BlockNumber(9),
        gas_used=1000,
        without_effect=() if without is None else (riders[without].id,),
    )


def ended(id: str, outcome: Outcome = Outcome.LANDED) -> OperationNews:
    return OperationNews(operation=OperationId(id), what="done", at=11.0, outcome=outcome)


async def heard(listener: Listener) -> tuple[str, str, dict[str, object]]:
    update = await listener.next()
    assert isinstance(update, Update)
    return update.topic.name, update.event, json.loads(update.result)


async def test_an_operation_is_heard_by_those_who_listen_to_it_only() -> None:
    topics = Topics()
    with topics.listen() as one, topics.listen() as two:
        topics.subscribe(one, operation_topic(OperationId("op-1")))
        topics.subscribe(two, operation_topic(OperationId("other")))
        topics(batch_news("sent"))
        topics(batch_news("settled"))  # the end is told by OperationNews
        topics(ended("op-1"))
        topics(ended("other", Outcome.CANCELLED))
        name, event, result = await heard(one)
        assert (name, event, result["operation_id"]) == ("headrace.operation.op-1", "sent", "op-1")
        assert result["data"]["transaction"]["index"] == 1  # type: ignore[index]
        assert (await heard(one))[1] == "done"
        assert (await heard(two))[2]["data"]["outcome"] == "cancelled"  # type: ignore[index]


async def test_a_batch_is_heard_as_one() -> None:
    topics = Topics()
    with topics.listen() as listener:
        topics.subscribe(listener, BATCHES)
        topics(batch_news("mined", without=0))
        name, event, result = await heard(listener)
        assert (name, event, result["batch_id"]) == ("headrace.batches", "mined", "batch")
        data = result["data"]
        assert isinstance(data, dict)
        assert (data["operations"], data["without_effect"], data["gas_used"]) == (3, 1, 1000)


async def test_a_task_is_heard_from_its_evaluation_to_the_end_of_its_record() -> None:
    topics = Topics()
    rider = operations(1)[0]
    topic = task_topic(rider.subject)
    with topics.listen() as listener:
        topics.subscribe(listener, topic)
        topics.follow_ending(listener, topic, rider.id)
        topics(EvaluationNews(subject=rider.subject, what="evaluating", at=1.0, data={}))
        for what in ("batched", "sent", "mined", "retracted", "mined", "settled"):
            topics(batch_news(what, count=1))
        topics(ended(rider.id, Outcome.REJECTED))
        events = [await heard(listener) for _ in range(8)]
    assert [event for _, event, _ in events] == [
        "evaluating",
        "batched",
        "sent",
        "mined",
        "retracted",
        "mined",
        "final",
        "done",
    ]
    assert {name for name, _, _ in events} == {f"newton.task.0x{rider.subject.hex()}"}
    statuses = [result["data"]["status"] for _, _, result in events]  # type: ignore[index]
    assert statuses == ["processing", *["success"] * 6, "failed"]
    assert all(result["task_id"] == f"0x{rider.subject.hex()}" for _, _, result in events)
    assert topics.subscriptions == 0


async def test_a_task_without_effect_is_not_told_as_recorded() -> None:
    topics = Topics()
    with topics.listen() as listener:
        topics.subscribe(listener, task_topic(operations(1)[0].subject))
        topics(batch_news("settled", count=1, without=0))
        topics(batch_news("batched", count=1))
        assert (await heard(listener))[1] == "batched"


async def test_who_does_not_keep_up_is_closed_and_nobody_else() -> None:
    topics = Topics(waiting_max=3)
    with topics.listen() as slow, topics.listen() as quick:
        for listener in (slow, quick):
            topics.subscribe(listener, BATCHES)
        for _ in range(4):
            topics(batch_news())
            await quick.next()
        assert slow.too_slow.result() == "3 updates were not read in time"
        assert not quick.too_slow.done()
        assert topics.subscriptions == 1  # what is closed hears nothing more
        topics(batch_news())
        assert isinstance(await quick.next(), Update)


async def test_room_is_waited_for_before_a_reply() -> None:
    topics = Topics(waiting_max=1)
    with topics.listen() as listener:
        await listener.room()
        listener.tell(b"reply")
        assert not listener._room.is_set()
        assert await listener.next() == b"reply"
        await listener.room()
        assert not listener.too_slow.done()


async def test_of_a_closed_listener_nothing_is_kept() -> None:
    topics = Topics()
    with topics.listen() as neighbour:
        topics.subscribe(neighbour, BATCHES)
        for _ in range(100):
            with topics.listen() as listener:
                kept = weakref.ref(listener)
                topics.subscribe(listener, BATCHES)
                for number in range(5):
                    topics.subscribe(listener, operation_topic(OperationId(f"op-{number}")))
                topics.subscribe(listener, task_topic(TASK_ID))
                topics.follow_ending(listener, task_topic(TASK_ID), OperationId("op"))
                topics(batch_news())
            del listener
            assert (topics.subscriptions, topics.listeners) == (1, 1)
    gc.collect()
    assert kept() is None
    assert topics._heard == {}


async def test_subscriptions_are_bounded_for_one_and_for_all() -> None:
    topics = Topics(per_listener_max=2, subscriptions_max=3)
    with topics.listen() as one, topics.listen() as two:
        for id in ("a", "b", "b"):
            topics.subscribe(one, operation_topic(OperationId(id)))  # twice is once
        with pytest.raises(TryLater, match="2 subscriptions"):
            topics.subscribe(one, BATCHES)
        topics.subscribe(two, BATCHES)
        with pytest.raises(TryLater, match="3 subscriptions in all"):
            topics.subscribe(two, operation_topic(OperationId("c")))
        assert topics.unsubscribe(one, operation_topic(OperationId("a")))
        assert not topics.unsubscribe(one, operation_topic(OperationId("a")))
        topics.subscribe(two, operation_topic(OperationId("c")))


class Untouchable(tuple[Operation, ...]):
    """Operations that nobody may look at."""

    def __iter__(self) -> Iterator[Operation]:
        raise AssertionError("looked at")


async def test_news_that_nobody_hears_are_not_even_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    topics = Topics()
    news = replace(batch_news(), operations=Untouchable())
    topics(news)
    with topics.listen() as listener:
        topics.subscribe(listener, BATCHES)
        topics(news)  # who listens to batches only does not care who rides in them
        assert (await heard(listener))[1] == "mined"
    assert caplog.text == ""


async def test_news_that_cannot_be_told_do_not_reach_who_tells_them(caplog: pytest.LogCaptureFixture) -> None:
    topics = Topics()
    with topics.listen() as listener:
        topics.subscribe(listener, task_topic(TASK_ID))
        unheard_of: News = EvaluationNews(subject=TASK_ID, what="unheard of", at=1.0, data={})  # type: ignore[arg-type]
        topics(unheard_of)
        assert "news could not be told" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "newton.task.0x" + "ab" * 32,
        "headrace.operation.a/b.c-d",
        "headrace.batches",
    ],
)
def test_topics_are_read_as_they_are_written(name: str) -> None:
    assert read_topic(name, "method").name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "headrace",
        "headrace.batches.",
        "headrace.operation.",
        "headrace.operation.a b",
        "newton.task.",
        "newton.task.0x12",
        "newton.task." + "ab" * 32,
        5,
        None,
        ["headrace.batches"],
    ],
)
def test_what_is_no_topic_is_refused(name: object) -> None:
    with pytest.raises(FixTheRequest, match="method: "):
        read_topic(name, "method")
