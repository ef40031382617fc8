"""An operator behind HTTP.

Owns      the routes, the bounds on what is read and what waits, the turns that requests take.
Promises  each task of a request is answered for itself; a body is never read past its bound; a full service says
          so at once (503, Retry-After); a long request leaves others their turn between its tasks.
Leaves    every judgement to `operators.operator`; TLS and who may connect to what stands in front.

  POST /v1/evaluate   `wire.EvaluateRequest` to `wire.EvaluateReply`, MessagePack or JSON by Content-Type
  GET  /v1/identity   operator address, public key, chain, task manager, policies (JSON)
  GET  /healthz
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.operators.operator import Operator
from headrace.operators.wire import (
    JSON,
    MSGPACK,
    REQUEST_BYTES_MAX,
    Entry,
    ErrorReply,
    EvaluateReply,
    EvaluateRequest,
    task_id_of,
    to_entry,
)

REQUESTS_WAITING_MAX: Final = 16
TASKS_IN_A_ROW: Final = 4  # about 1 ms, in which nothing else of this process runs

_codecs: Final[dict[str, tuple[Any, Any]]] = {
    MSGPACK: (msgspec.msgpack.Decoder(EvaluateRequest), msgspec.msgpack.Encoder()),
    JSON: (msgspec.json.Decoder(EvaluateRequest), msgspec.json.Encoder()),
}


def operator_app(operator: Operator, *, requests_waiting_max: int = REQUESTS_WAITING_MAX) -> Starlette:
    """For uvicorn. Evaluates and signs on the event loop: neither lets go of the GIL, so a thread would keep
    nobody from waiting and cost an eighth more (docs/decisions/0024)."""
    service = _Service(operator, requests_waiting_max)
    return Starlette(
        routes=[
            Route("/v1/evaluate", service.evaluate, methods=["POST"]),
            Route("/v1/identity", service.identity, methods=["GET"]),
            Route("/healthz", service.healthz, methods=["GET"]),
        ]
    )


class _Service:
    def __init__(self, operator: Operator, requests_waiting_max: int) -> None:
        self._operator = operator
        self._waiting, self._waiting_max = 0, requests_waiting_max
        self._turn = asyncio.Lock()  # two at once would both be late

    async def evaluate(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in _codecs:
            return _error(415, JSON, f"Content-Type must be {MSGPACK} or {JSON}")
        decoder, encoder = _codecs[content_type]
        if self._waiting >= self._waiting_max:
            return _error(503, content_type, f"{self._waiting} requests are waiting already; try later")
        self._waiting += 1
        try:
            body = await _read_bounded(request)
            if body is None:
                return _error(413, content_type, f"the body is larger than {REQUEST_BYTES_MAX} bytes")
            try:
                asked: EvaluateRequest = decoder.decode(body)
            except (msgspec.MsgspecError, RecursionError) as error:
                return _error(400, content_type, f"no evaluate request: {error}")
            operator = self._operator
            if (asked.chain_id, asked.task_manager) != (operator.chain, operator.task_manager):
                ours = f"chain {operator.chain} and task manager 0x{operator.task_manager.hex()}"
                theirs = f"chain {asked.chain_id} and 0x{asked.task_manager.hex()}"
                return _error(409, content_type, f"this operator signs for {ours}, not for {theirs}")
            async with self._turn:
                entries = await _answer_all(operator, asked.tasks)
            return Response(encoder.encode(EvaluateReply(entries)), media_type=content_type)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        finally:
            self._waiting -= 1

    async def identity(self, _: Request) -> Response:
        operator = self._operator
        return JSONResponse(
            {
                "operator": f"0x{operator.address.hex()}",
                "public_key": f"0x{operator.public_key.to_bytes().hex()}",
                "chain_id": operator.chain,
                "task_manager": f"0x{operator.task_manager.hex()}",
                "policies": [
                    {
                        "client": f"0x{policy.client.hex()}",
                        "name": policy.name,
                        "policy_id": f"0x{policy.policy_id.hex()}",
                        "expire_after_blocks": policy.expire_after_blocks,
                    }
                    for policy in operator.policies
                ],
            }
        )

    async def healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})


async def _answer_all(operator: Operator, tasks: Sequence[bytes]) -> list[Entry]:
    entries: list[Entry] = []
    for encoded in tasks:
        if entries and len(entries) % TASKS_IN_A_ROW == 0:
            await asyncio.sleep(0)
        entries.append(to_entry(task_id_of(encoded), operator.answer(encoded)))
    return entries


async def _read_bounded(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES_MAX:
            return None
    return bytes(body)


def _error(status: int, content_type: str, text: str) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    content = _codecs[content_type][1].encode(ErrorReply(text[:1000]))
    return Response(content, status_code=status, media_type=content_type, headers=headers)
