"""Tasks, operators and members for tests; the smallest that is real."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from headrace.attest import bls
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.operators.answers import Answer, Question
from headrace.operators.clients import InProcessOperator, OperatorClient
from headrace.operators.membership import Member
from headrace.operators.operator import Operator
from headrace.operators.policies import Policies, Policy
from headrace.workloads.tasks.structs import Intent, Task

CHAIN = ChainId(31337)
TASK_MANAGER = Address(b"\x7a" * 20)
CLIENT = Address(b"\xc1" * 20)
ALLOWED, FORBIDDEN = Address(b"\x0a" * 20), Address(b"\x0f" * 20)
POLICY = f'intent.to != "0x{FORBIDDEN.hex()}" && wei_at_most(intent.value, "1000000000000000000")'

KEYS = tuple(bls.SecretKey.from_bytes(bytes([7, i]) * 16) for i in range(16))


def make_task(number: int = 1, *, to: Address = ALLOWED, value: int = 5, threshold: int = 67) -> Task:
    return Task(
        task_id=number.to_bytes(32, "big"),
        policy_client=CLIENT,
        created_block=BlockNumber(100),
        threshold_percent=threshold,
        intent=Intent(
            from_=Address(b"\x01" * 20),
            to=to,
            value=value,
            data=bytes.fromhex("a9059cbb") + bytes(12) + b"\x0d" * 20 + (2**200).to_bytes(32, "big"),
            chain=CHAIN,
            function_signature=b"transfer(address,uint256)",
        ),
        intent_signature=b"\x05" * 65,
        wasm_args=b'{"limit": 3}',
        quorum_numbers=b"\0",
        timestamp=1_700_000_000,
    )


def make_policies(expression: str = POLICY, *, expire_after_blocks: int = 50) -> Policies:
    return Policies(
        [Policy.of(client=CLIENT, name="test", expression=expression, expire_after_blocks=expire_after_blocks)]
    )


def make_operator(index: int, policies: Policies | None = None, *, remembered_max: int = 1000) -> Operator:
    return Operator(
        key=KEYS[index],
        address=address_of(index),
        chain=CHAIN,
        task_manager=TASK_MANAGER,
        policies=policies or make_policies(),
        remembered_max=remembered_max,
    )


def address_of(index: int) -> Address:
    return Address(bytes([0xEE] * 19 + [index]))


def make_member(index: int, client: OperatorClient | None = None, *, stake: int = 1) -> Member:
    return Member(
        index=index,
        address=address_of(index),
        public_key=KEYS[index].public_key.to_bytes(),
        stake=stake,
        client=client or InProcessOperator(make_operator(index)),
    )


class Scripted:
    """An operator that answers as told, when told: what a faulty or malicious one may do."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: Sequence[Answer] = answers
        self.asked = 0
        self.given_up = 0
        self.may_answer = asyncio.Event()
        if answers:
            self.may_answer.set()

    def reply(self, *answers: Answer) -> None:
        self.answers = answers
        self.may_answer.set()

    async def ask(self, question: Question) -> Sequence[Answer]:
        self.asked += 1
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return self.answers


def honest(index: int, task: Task, policies: Policies | None = None) -> Answer:
    """What this operator would say."""
    return make_operator(index, policies).answer(task.abi())


def with_(task: Task, **changes: object) -> Task:
    return replace(task, **changes)  # type: ignore[arg-type]


async def until(reached: Callable[[], bool]) -> None:
    """For what happens over sockets and in threads, where there is no event to wait for."""
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[str]:
    """The app behind a real HTTP server on a port of the system's choice; gives its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started or serving.done())
            assert server.started, "the server did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
