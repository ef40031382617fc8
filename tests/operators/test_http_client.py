"""Asking over HTTP: against the real service, and against servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace.core.words import Address
from headrace.operators.answers import Answer, Failed, Question, Refused, Signed
from headrace.operators.beat import SHORT_S, Beat
from headrace.operators.clients import InProcessOperator
from headrace.operators.http_client import HttpOperator
from headrace.operators.service import operator_app
from headrace.operators.wire import (
    MSGPACK,
    REPLY_BYTES_MAX,
    EvaluateReply,
    EvaluateRequest,
    RefusedEntry,
    SignedEntry,
    task_id_of,
)
from operators.builders import CHAIN, FORBIDDEN, KEYS, TASK_MANAGER, make_operator, make_task, serve, until

Handler = Callable[[Request], Awaitable[Response]]


def question(number: int = 1, *, to: Address | None = None) -> Question:
    return Question.about(make_task(number, to=to) if to else make_task(number))


@asynccontextmanager
async def client(url: str, **options: object) -> AsyncIterator[HttpOperator]:
    async with HttpOperator(url, chain=CHAIN, task_manager=TASK_MANAGER, **options) as operator:  # type: ignore[arg-type]
        yield operator


@asynccontextmanager
async def answering(handler: Handler, **options: object) -> AsyncIterator[HttpOperator]:
    """A client of a server that does what this handler does."""
    async with AsyncExitStack() as stack:
        app = Starlette(routes=[Route("/v1/evaluate", handler, methods=["POST"])])
        url = await stack.enter_async_context(serve(app))
        yield await stack.enter_async_context(client(url, **options))


async def only(asked: Awaitable[object]) -> Answer:
    answers = await asked
    assert isinstance(answers, tuple)
    assert len(answers) == 1
    answer: Answer = answers[0]
    return answer


async def failure_of(asked: Awaitable[object]) -> Failed:
    answer = await only(asked)
    assert isinstance(answer, Failed), answer
    return answer


async def test_over_http_and_in_process_the_answers_are_the_same() -> None:
    near = InProcessOperator(make_operator(0))
    async with serve(operator_app(make_operator(0))) as url, client(url) as far:
        for asked in (question(1), question(2, to=FORBIDDEN)):
            assert await far.ask(asked) == await near.ask(asked)
        assert isinstance(await only(far.ask(question(1))), Signed)
        assert isinstance(await only(far.ask(question(2, to=FORBIDDEN))), Refused)
        identity = await far.identity()
        assert identity["public_key"] == f"0x{KEYS[0].public_key.to_bytes().hex()}"
    await near.aclose()


async def test_questions_that_wait_go_together_in_the_next_request() -> None:
    sizes: list[int] = []
    may_answer = asyncio.Event()
    full = asyncio.Event()

    async def handler(request: Request) -> Response:
        asked = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest)
        sizes.append(len(asked.tasks))
        if len(sizes) == 2:
            full.set()
        await may_answer.wait()
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in asked.tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler) as operator:
        first = asyncio.ensure_future(operator.ask(question(1)))
        await until(lambda: bool(sizes))
        second = asyncio.ensure_future(operator.ask(question(2)))
        await full.wait()
        rest = [asyncio.ensure_future(operator.ask(question(number))) for number in range(3, 103)]
        await until(lambda: operator.waiting == 100)
        assert sizes == [1, 1]  # two requests under way, and no more
        may_answer.set()
        answers = await asyncio.gather(first, second, *rest)
    assert all(answer == (Refused(code="no", text="no"),) for answer in answers)
    assert sorted(sizes) == [1, 1, 36, 64]


async def test_a_request_that_fails_fails_its_own_questions_only() -> None:
    async def handler(request: Request) -> Response:
        asked = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest)
        if task_id_of(asked.tasks[0]) == (1).to_bytes(32, "big"):
            return Response(b"broken", status_code=500)
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in asked.tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler, tasks_per_request_max=1) as operator:
        failed, fine = await asyncio.gather(operator.ask(question(1)), operator.ask(question(2)))
    assert failed == (Failed(code="http_500", text="b'broken'", retryable=True),)
    assert fine == (Refused(code="no", text="no"),)


async def test_a_request_for_another_chain_is_not_retryable() -> None:
    async with (
        serve(operator_app(make_operator(0))) as url,
        HttpOperator(url, chain=CHAIN, task_manager=Address(b"\x01" * 20)) as operator,
    ):
        failed = await failure_of(operator.ask(question()))
    assert (failed.code, failed.retryable) == ("http_409", False)
    assert "signs for chain 31337" in failed.text


async def test_nobody_there_is_a_retryable_failure() -> None:
    async with serve(operator_app(make_operator(0))) as url:
        pass  # and closed again: nothing listens on its port
    async with client(url) as operator:
        failed = await failure_of(operator.ask(question()))
    assert (failed.code, failed.retryable) == ("unreachable", True)


async def test_it_finds_an_operator_that_comes_back() -> None:
    task = question()
    async with AsyncExitStack() as outer:
        async with AsyncExitStack() as inner:
            url = await inner.enter_async_context(serve(operator_app(make_operator(0))))
            operator = await outer.enter_async_context(client(url))
            assert isinstance(await only(operator.ask(task)), Signed)
        assert (await failure_of(operator.ask(task))).retryable
        operator.base_url = await outer.enter_async_context(serve(operator_app(make_operator(0))))
        assert isinstance(await only(operator.ask(task)), Signed)


async def test_a_kept_connection_that_was_closed_costs_no_answer() -> None:
    """An operator that hangs up after each answer, as one does that was restarted in between."""
    served = 0

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")
        )
        asked = msgspec.msgpack.decode(await reader.readexactly(length), type=EvaluateRequest)
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in asked.tasks]
        body = msgspec.msgpack.encode(EvaluateReply(list(entries)))
        # No "Connection: close": the client believes that it may go on.
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        served += 1
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(f"http://127.0.0.1:{port}") as operator:
            for number in range(1, 6):
                assert isinstance(await only(operator.ask(question(number))), Refused)
    assert served == 5


async def test_a_slow_operator_fails_with_timeout() -> None:
    released = asyncio.Event()

    async def handler(_: Request) -> Response:
        await released.wait()
        return Response()

    async with answering(handler, timeout_s=0.05) as operator:
        failed = await failure_of(operator.ask(question()))
        released.set()
    assert (failed.code, failed.retryable) == ("timeout", True)


async def test_replies_that_make_no_sense_are_failures() -> None:
    replies: list[bytes] = [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"answers": [{"type": "maybe"}]}),
        msgspec.msgpack.encode(EvaluateReply([])),
        msgspec.msgpack.encode(EvaluateReply([RefusedEntry(bytes(32), "no", "of another task")])),
        bytes(REPLY_BYTES_MAX + 1),
    ]
    seen = iter(replies)

    async def handler(_: Request) -> Response:
        return Response(next(seen), media_type=MSGPACK)

    async with answering(handler) as operator:
        for _ in replies:
            failed = await failure_of(operator.ask(question()))
            assert (failed.code, failed.retryable) == ("bad_reply", False)


async def test_two_answers_to_one_task_are_both_handed_on() -> None:
    async def handler(_: Request) -> Response:
        entries = [SignedEntry((1).to_bytes(32, "big"), response, b"s") for response in (b"a", b"b")]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler) as operator:
        assert await operator.ask(question(1)) == (
            Signed(response=b"a", signature=b"s"),
            Signed(response=b"b", signature=b"s"),
        )


async def test_a_question_given_up_is_not_sent_and_leaves_nothing() -> None:
    asked: list[bytes] = []
    may_answer = asyncio.Event()

    async def handler(request: Request) -> Response:
        tasks = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest).tasks
        asked.extend(task_id_of(task) for task in tasks)
        await may_answer.wait()
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler, in_flight_max=1) as operator:
        first = asyncio.ensure_future(operator.ask(question(1)))
        await until(lambda: bool(asked))
        second = asyncio.ensure_future(operator.ask(question(2)))
        third = asyncio.ensure_future(operator.ask(question(3)))
        await until(lambda: operator.waiting == 2)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert operator.waiting == 1
        may_answer.set()
        await asyncio.gather(first, third)
        assert operator.waiting == 0
    assert [int.from_bytes(task_id, "big") for task_id in asked] == [1, 3]


async def test_waiting_is_bounded() -> None:
    may_answer = asyncio.Event()
    arrived = asyncio.Event()

    async def handler(_: Request) -> Response:
        arrived.set()
        await may_answer.wait()
        return Response(status_code=503)

    async with answering(handler, in_flight_max=1, waiting_max=2) as operator:
        asks = [asyncio.ensure_future(operator.ask(question(1)))]
        await arrived.wait()
        asks += [asyncio.ensure_future(operator.ask(question(number))) for number in (2, 3)]
        await until(lambda: operator.waiting == 2)
        failed = await failure_of(operator.ask(question(4)))
        assert (failed.code, failed.retryable) == ("busy", True)
        may_answer.set()
        for answers in await asyncio.gather(*asks):
            assert isinstance(answers[0], Failed)
            assert (answers[0].code, answers[0].retryable) == ("http_503", True)


async def test_closing_answers_whatever_still_waits() -> None:
    may_answer = asyncio.Event()
    arrived = asyncio.Event()

    async def handler(_: Request) -> Response:
        arrived.set()
        await may_answer.wait()
        return Response()

    async with answering(handler, in_flight_max=1) as operator:
        asks = [asyncio.ensure_future(operator.ask(question(number))) for number in range(1, 4)]
        await arrived.wait()
        await operator.aclose()
        may_answer.set()
        for answers in await asyncio.gather(*asks):
            assert isinstance(answers[0], Failed)
            assert answers[0].retryable
        assert (await failure_of(operator.ask(question(9)))).code == "closed"


async def test_a_large_load_of_questions_is_split_by_bytes() -> None:
    largest = 0

    async def handler(request: Request) -> Response:
        nonlocal largest
        body = await request.body()
        largest = max(largest, len(body))
        tasks = msgspec.msgpack.decode(body, type=EvaluateRequest).tasks
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler) as operator:
        tasks = [make_task(number) for number in range(1, 65)]
        big = [Question(task, task.abi().ljust(60_000, b"\0")) for task in tasks]
        answers = await asyncio.gather(*(operator.ask(asked) for asked in big))
    assert all(answer == (Refused(code="no", text="no"),) for answer in answers)
    assert 500_000 < largest <= 1 << 20


class Endless(Beat):
    """A beat that does not end by itself."""

    @property
    def ends(self) -> float:
        return self._began + 10_000.0


async def test_a_question_that_comes_alone_is_not_held_up() -> None:
    async with serve(operator_app(make_operator(0))) as url, client(url, beat=Endless()) as operator:
        assert isinstance(await only(operator.ask(question(1))), Signed)  # although its beat never ends
        waits = operator.ask(question(2))
        await asyncio.sleep(0)
        assert (operator.waiting, waits.done()) == (1, False)  # this one would be the second in it


async def test_operators_are_asked_in_the_same_beat_and_each_at_most_once_in_one() -> None:
    left: list[tuple[int, int]] = []  # of the operator, and how many tasks it was asked about

    async def sized(index: int, request: Request) -> Response:
        tasks = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest).tasks
        left.append((index, len(tasks)))
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    beat, number = Beat(), 0
    async with AsyncExitStack() as stack:
        operators = [
            await stack.enter_async_context(answering(partial(sized, index), beat=beat)) for index in range(3)
        ]
        began = asyncio.get_running_loop().time()
        for size in (1, 5, 9, 2):
            asked = [question(number := number + 1) for _ in range(size)]
            await asyncio.gather(*(operator.ask(one) for operator in operators for one in asked))
        took = asyncio.get_running_loop().time() - began
    for index in range(3):
        # Each waited for all before: what was asked together left together, whatever the machine was doing.
        assert [size for who, size in left if who == index] == [1, 5, 9, 2]
    assert took >= 3 * SHORT_S - 0.01


async def test_a_thousand_tasks_at_once_cost_each_operator_sixteen_requests() -> None:
    """The guard of what an answer costs: requests by task, whatever the machine."""
    requests = 0

    async def handler(request: Request) -> Response:
        nonlocal requests
        requests += 1
        tasks = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest).tasks
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler) as operator:
        await asyncio.gather(*(operator.ask(question(number)) for number in range(1, 1001)))
    assert requests == 16


async def test_tasks_that_trickle_in_cost_one_request_a_beat() -> None:
    requests = 0

    async def handler(request: Request) -> Response:
        nonlocal requests
        requests += 1
        tasks = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest).tasks
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler) as operator:
        loop = asyncio.get_running_loop()
        began, asked = loop.time(), []
        for number in range(1, 151):
            asked.append(operator.ask(question(number)))
            await asyncio.sleep(0.001)
        await asyncio.gather(*asked)
        beats = (loop.time() - began) / SHORT_S
    assert requests <= beats + 2


async def test_questions_given_up_make_room_for_others() -> None:
    may_answer, arrived = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        arrived.set()
        await may_answer.wait()
        tasks = msgspec.msgpack.decode(await request.body(), type=EvaluateRequest).tasks
        entries = [RefusedEntry(task_id_of(task), "no", "no") for task in tasks]
        return Response(msgspec.msgpack.encode(EvaluateReply(list(entries))), media_type=MSGPACK)

    async with answering(handler, in_flight_max=1, waiting_max=2) as operator:
        first = operator.ask(question(1))
        await arrived.wait()
        given_up = [operator.ask(question(number)) for number in (2, 3)]
        for ask in given_up:
            ask.cancel()
        others = [operator.ask(question(number)) for number in (4, 5)]
        assert (await failure_of(operator.ask(question(6)))).code == "busy"
        may_answer.set()
        for answers in await asyncio.gather(first, *others):
            assert answers == (Refused(code="no", text="no"),)
