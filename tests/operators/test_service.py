"""The operator's HTTP face, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import msgspec
import pytest

from headrace.attest import bls
from headrace.operators.answers import Answer
from headrace.operators.operator import Operator
from headrace.operators.service import TASKS_IN_A_ROW, operator_app
from headrace.operators.wire import (
    JSON,
    MSGPACK,
    REQUEST_BYTES_MAX,
    TASKS_PER_REQUEST_MAX,
    ErrorReply,
    EvaluateReply,
    EvaluateRequest,
    FailedEntry,
    RefusedEntry,
    SignedEntry,
    task_id_of,
)
from operators.builders import (
    CHAIN,
    CLIENT,
    FORBIDDEN,
    KEYS,
    TASK_MANAGER,
    address_of,
    make_operator,
    make_policies,
    make_task,
    serve,
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve(operator_app(make_operator(0))) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def request(*tasks: bytes, chain: int = CHAIN, task_manager: bytes = TASK_MANAGER) -> EvaluateRequest:
    return EvaluateRequest(chain, task_manager, list(tasks))


async def post(
    http: aiohttp.ClientSession, url: str, body: bytes, content_type: str = MSGPACK
) -> tuple[int, bytes]:
    async with http.post(
        f"{url}/v1/evaluate", data=BytesIO(body), headers={"Content-Type": content_type}
    ) as reply:
        return reply.status, await reply.read()


async def test_each_task_of_a_request_is_answered_for_itself(http: aiohttp.ClientSession, url: str) -> None:
    good, refused = make_task(1).abi(), make_task(2, to=FORBIDDEN).abi()
    broken = bytes(32) + (3).to_bytes(32, "big") + b"\xff" * 10
    status, body = await post(http, url, msgspec.msgpack.encode(request(good, refused, broken)))
    assert status == 200
    first, second, third = msgspec.msgpack.decode(body, type=EvaluateReply).answers
    assert isinstance(first, SignedEntry)
    assert isinstance(second, RefusedEntry)
    assert isinstance(third, FailedEntry)
    assert [int.from_bytes(entry.task_id, "big") for entry in (first, second, third)] == [1, 2, 3]
    assert first.signature == make_operator(0).answer(good).signature  # type: ignore[union-attr]
    assert third.code == "malformed_task"


async def test_json_says_the_same_as_messagepack(http: aiohttp.ClientSession, url: str) -> None:
    asked = request(make_task().abi())
    _, packed = await post(http, url, msgspec.msgpack.encode(asked))
    status, text = await post(http, url, msgspec.json.encode(asked), JSON)
    assert status == 200
    assert msgspec.json.decode(text, type=EvaluateReply) == msgspec.msgpack.decode(packed, type=EvaluateReply)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "no evaluate request"),
        (b"\xc1", 400, "no evaluate request"),
        (msgspec.msgpack.encode({"chain_id": 1}), 400, "missing required field"),
        (msgspec.msgpack.encode(request()), 400, "length >= 1"),
        (msgspec.msgpack.encode(request(*[b"x"] * (TASKS_PER_REQUEST_MAX + 1))), 400, "length <= 64"),
        (msgspec.msgpack.encode(request(bytes(70_000))), 400, "length <= 65536"),
        (msgspec.msgpack.encode(request(b"x", chain=1)), 409, "signs for chain 31337"),
        (msgspec.msgpack.encode(request(b"x", task_manager=b"\x01" * 20)), 409, "not for chain 31337 and 0x0101"),
        (msgspec.msgpack.encode(request(b"x", task_manager=b"\x01")), 400, "length >= 20"),
        (bytes(REQUEST_BYTES_MAX + 1), 413, "larger than"),
    ],
)
async def test_a_bad_request_is_refused_by_its_reason(
    http: aiohttp.ClientSession, url: str, body: bytes, status: int, error: str
) -> None:
    found, reply = await post(http, url, body)
    assert found == status
    assert error in msgspec.msgpack.decode(reply, type=ErrorReply).error
    assert (await http.get(f"{url}/healthz")).status == 200


async def test_a_body_without_end_is_cut_off(http: aiohttp.ClientSession, url: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    try:
        async with http.post(f"{url}/v1/evaluate", data=endless(), headers={"Content-Type": MSGPACK}) as reply:
            assert reply.status == 413
    except aiohttp.ClientError:
        pass  # it hung up while we were sending: as good
    # What the sockets hold comes on top of what was read.
    assert sent < 32 * REQUEST_BYTES_MAX


async def test_other_content_types_are_refused(http: aiohttp.ClientSession, url: str) -> None:
    status, _ = await post(http, url, b"{}", "text/plain")
    assert status == 415


async def test_identity_says_for_whom_it_signs(http: aiohttp.ClientSession, url: str) -> None:
    policy = make_policies().of(CLIENT)
    assert policy is not None
    async with http.get(f"{url}/v1/identity") as reply:
        assert await reply.json() == {
            "operator": f"0x{address_of(0).hex()}",
            "public_key": f"0x{KEYS[0].public_key.to_bytes().hex()}",
            "chain_id": CHAIN,
            "task_manager": f"0x{TASK_MANAGER.hex()}",
            "policies": [
                {
                    "client": f"0x{CLIENT.hex()}",
                    "name": "test",
                    "policy_id": f"0x{policy.policy_id.hex()}",
                    "expire_after_blocks": 50,
                }
            ],
        }


async def test_a_full_service_says_so_at_once_and_stays_healthy(http: aiohttp.ClientSession) -> None:
    packed = msgspec.msgpack.encode(request(make_task().abi()))
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield packed[:10]
        begun.set()
        await may_end.wait()
        yield packed[10:]

    app = operator_app(make_operator(0), requests_waiting_max=1)
    async with serve(app) as url:
        first = asyncio.create_task(_post_slowly(http, url, slowly()))
        await begun.wait()
        status, reply = 200, b""
        while status == 200:  # until the first has arrived there
            async with http.post(f"{url}/v1/evaluate", data=packed, headers={"Content-Type": MSGPACK}) as answer:
                status, reply, headers = answer.status, await answer.read(), answer.headers
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "1 requests are waiting" in msgspec.msgpack.decode(reply, type=ErrorReply).error
        async with http.get(f"{url}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        may_end.set()
        status, reply = await first
        assert status == 200
        assert isinstance(msgspec.msgpack.decode(reply, type=EvaluateReply).answers[0], SignedEntry)


async def _post_slowly(http: aiohttp.ClientSession, url: str, body: AsyncIterator[bytes]) -> tuple[int, bytes]:
    async with http.post(f"{url}/v1/evaluate", data=body, headers={"Content-Type": MSGPACK}) as reply:
        return reply.status, await reply.read()


class Watched(Operator):
    """An operator that notes between which turns of the loop it was asked."""

    def __init__(self) -> None:
        super().__init__(
            key=bls.SecretKey.generate(),
            address=address_of(0),
            chain=CHAIN,
            task_manager=TASK_MANAGER,
            policies=make_policies(),
        )
        self.turns = 0
        self.asked_in: list[tuple[int, int]] = []  # turn, and the task's id

    async def count_turns(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def answer(self, encoded: bytes) -> Answer:
        self.asked_in.append((self.turns, int.from_bytes(task_id_of(encoded), "big")))
        return super().answer(encoded)


async def test_a_long_request_leaves_others_their_turn_and_the_next_request_waits_for_its_own(
    http: aiohttp.ClientSession,
) -> None:
    operator = Watched()
    counting = asyncio.create_task(operator.count_turns())
    numbers = [range(1, TASKS_PER_REQUEST_MAX + 1), range(1001, 1001 + TASKS_PER_REQUEST_MAX)]
    bodies = [msgspec.msgpack.encode(request(*(make_task(n).abi() for n in some))) for some in numbers]
    async with serve(operator_app(operator)) as url:
        replies = await asyncio.gather(*(post(http, url, body) for body in bodies))
    counting.cancel()
    assert [status for status, _ in replies] == [200, 200]
    by_turn: dict[int, int] = {}
    for turn, _ in operator.asked_in:
        by_turn[turn] = by_turn.get(turn, 0) + 1
    assert max(by_turn.values()) <= TASKS_IN_A_ROW
    order = [number for _, number in operator.asked_in]
    assert order in ([*numbers[0], *numbers[1]], [*numbers[1], *numbers[0]])
