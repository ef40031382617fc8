"""The operator's HTTP face, over real sockets."""

import asyncio
import threading
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import msgspec
import pytest

from headrace.attest import bls
from headrace.operators.answers import Answer
from headrace.operators.operator import Operator
from headrace.operators.service import operator_app
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


class Held(Operator):
    """An operator that thinks until it may answer."""

    def __init__(self) -> None:
        super().__init__(
            key=bls.SecretKey.generate(),
            address=address_of(0),
            chain=CHAIN,
            task_manager=TASK_MANAGER,
            policies=make_policies(),
        )
        self.thinking = threading.Event()
        self.may_answer = threading.Event()

    def answer(self, encoded: bytes) -> Answer:
        self.thinking.set()
        assert self.may_answer.wait(30)
        return super().answer(encoded)


async def test_a_full_service_says_so_at_once_and_stays_healthy(http: aiohttp.ClientSession) -> None:
    operator = Held()
    body = msgspec.msgpack.encode(request(make_task().abi()))
    async with serve(operator_app(operator, requests_waiting_max=1)) as url:
        first = asyncio.create_task(post(http, url, body))
        assert await asyncio.to_thread(operator.thinking.wait, 30)
        async with http.post(f"{url}/v1/evaluate", data=body, headers={"Content-Type": MSGPACK}) as reply:
            assert reply.status == 503
            assert reply.headers["Retry-After"] == "1"
        async with http.get(f"{url}/healthz") as reply:
            assert (reply.status, await reply.json()) == (200, {"status": "ok"})
        operator.may_answer.set()
        status, answered = await first
        assert status == 200
        assert isinstance(msgspec.msgpack.decode(answered, type=EvaluateReply).answers[0], SignedEntry)
