"""The off-chain answer: begun before operators see the task, concluded once, resumed if somebody was told yes."""

import asyncio
from dataclasses import replace

import pytest

from headrace.core.errors import OtherContent
from headrace.core.ports import Added, Evaluation, SubjectTaken
from headrace.core.words import OperationId
from store.made import NOW, Store, a_follower, account, an_operation, digest, stages


def an_evaluation(id: str, *, resume: bool = True) -> Evaluation:
    return Evaluation(
        operation=OperationId(id),
        content=digest("asked", id),
        subject=digest("task", id),
        request=b"request",
        task=b"\x00task",
        resume=resume,
        received_at=NOW,
    )


class EvaluationsContract:
    async def test_the_same_id_gives_the_same_task(self, store: Store) -> None:
        first = an_evaluation("a")
        assert await store.begin_evaluation(first) is None
        again = replace(first, task=b"built at another block", subject=digest("other task"))
        assert await store.begin_evaluation(again) == first
        assert await store.evaluation(OperationId("a")) == first
        assert await store.evaluation_about(first.subject) == first
        assert await store.evaluation_about(again.subject) is None

    async def test_a_subject_has_one_id(self, store: Store) -> None:
        first = an_evaluation("a")
        await store.begin_evaluation(first)
        with pytest.raises(SubjectTaken):
            await store.begin_evaluation(replace(an_evaluation("b"), subject=first.subject))
        assert await store.evaluation(OperationId("b")) is None

    async def test_an_answer_is_written_once_with_what_follows_from_it(self, store: Store) -> None:
        await store.begin_evaluation(an_evaluation("a"))
        follows = [an_operation("a"), a_follower("a.respond", "a")]
        await store.conclude_evaluation(OperationId("a"), result=b"yes", operations=follows)
        await store.conclude_evaluation(OperationId("a"), result=b"no", operations=[an_operation("z")])
        found = await store.evaluation(OperationId("a"))
        assert found is not None and found.result == b"yes"
        assert await stages(store, "a", "a.respond") == ["queued", "waiting"]
        assert await store.account(OperationId("z")) is None

    async def test_what_follows_may_be_nothing_or_here_already(self, store: Store) -> None:
        await store.begin_evaluation(an_evaluation("a"))
        await store.conclude_evaluation(OperationId("a"), result=b"", operations=[])
        found = await store.evaluation(OperationId("a"))
        assert found is not None and found.result == b""
        await store.add_operations([an_operation("n")])
        await store.begin_evaluation(an_evaluation("b"))
        follows = [an_operation("n"), an_operation("b")]
        await store.conclude_evaluation(OperationId("b"), result=b"yes", operations=follows)
        assert (await account(store, "n")).operation == an_operation("n")
        assert (await account(store, "b")).operation == an_operation("b")

    async def test_an_id_is_a_task_request_or_a_submitted_operation_never_both(self, store: Store) -> None:
        await store.add_operations([an_operation("submitted")])
        with pytest.raises(OtherContent, match="submitted"):
            await store.begin_evaluation(an_evaluation("submitted"))
        assert await store.evaluation(OperationId("submitted")) is None
        await store.begin_evaluation(an_evaluation("asked"))
        assert await store.add_operations([an_operation("asked")]) == [Added.OTHER_CONTENT]
        assert await store.account(OperationId("asked")) is None

    async def test_nothing_is_concluded_if_what_follows_cannot_be_added(self, store: Store) -> None:
        await store.add_operations([an_operation("m")])
        await store.begin_evaluation(an_evaluation("a"))
        other = an_operation("m", content=b"\x09" * 32)
        with pytest.raises(OtherContent, match="operation m "):
            await store.conclude_evaluation(OperationId("a"), result=b"x", operations=[an_operation("n"), other])
        taken = an_operation("b", subject=an_operation("m").subject)
        with pytest.raises(SubjectTaken):
            await store.conclude_evaluation(OperationId("a"), result=b"x", operations=[an_operation("n"), taken])
        assert await store.account(OperationId("n")) is None
        found = await store.evaluation(OperationId("a"))
        assert found is not None and found.result is None

    async def test_nothing_is_concluded_if_what_follows_comes_after_nobody(self, store: Store) -> None:
        await store.begin_evaluation(an_evaluation("a"))
        with pytest.raises(KeyError, match="nobody"):
            await store.conclude_evaluation(
                OperationId("a"), result=b"x", operations=[an_operation("n"), a_follower("a", "nobody")]
            )
        assert await store.account(OperationId("n")) is None
        found = await store.evaluation(OperationId("a"))
        assert found is not None and found.result is None

    async def test_an_unknown_evaluation_is_named(self, store: Store) -> None:
        with pytest.raises(KeyError, match="nobody"):
            await store.conclude_evaluation(OperationId("nobody"), result=b"", operations=[])
        assert await store.evaluation(OperationId("nobody")) is None

    async def test_open_ones_that_somebody_counts_on_are_resumed_oldest_first(self, store: Store) -> None:
        for id in ("c", "b", "a"):
            await store.begin_evaluation(an_evaluation(id))
        await store.begin_evaluation(an_evaluation("nobody waits", resume=False))
        await store.conclude_evaluation(OperationId("b"), result=b"", operations=[])
        assert [e.operation for e in await store.open_evaluations()] == ["c", "a"]

    async def test_of_answers_that_come_together_one_that_cannot_be_saved_hinders_no_other(
        self, store: Store
    ) -> None:
        await store.add_operations([an_operation("m")])
        for id in ("a", "b", "c", "d"):
            await store.begin_evaluation(an_evaluation(id))
        other = an_operation("m", content=b"\x09" * 32)
        follows = {
            "a": [an_operation("a")],
            "b": [an_operation("b"), other],
            "nobody": [],
            "d": [an_operation("d")],
        }
        answers = await asyncio.gather(
            *(
                store.conclude_evaluation(OperationId(id), result=b"yes", operations=operations)
                for id, operations in follows.items()
            ),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [type(None), OtherContent, KeyError, type(None)]
        assert await stages(store, "a", "d") == ["queued", "queued"]
        assert await store.account(OperationId("b")) is None
        assert [e.operation for e in await store.open_evaluations()] == ["b", "c"]

    async def test_of_requests_that_come_together_each_gets_its_own_answer(self, store: Store) -> None:
        await store.add_operations([an_operation("submitted")])
        first, twin = an_evaluation("a"), replace(an_evaluation("a"), task=b"built a moment later")
        taken = replace(an_evaluation("b"), subject=first.subject)
        wishes = [first, twin, taken, an_evaluation("submitted"), an_evaluation("c")]
        answers = await asyncio.gather(*(store.begin_evaluation(wish) for wish in wishes), return_exceptions=True)
        assert answers[:2] == [None, first] and answers[4] is None
        assert [type(answer) for answer in answers[2:4]] == [SubjectTaken, OtherContent]
