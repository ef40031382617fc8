"""What the strict proxy answers to one body of JSON-RPC, single or batch.

Owns      the way of a request: count it, ask for a fault, look into it if it must be looked into, pass it on.
Promises  a body in which nothing needs a look goes to the node, and its answer back, byte for byte; a fault is
          counted when it was done to an answer, not when it was chosen.
Leaves    sockets to `strict_proxy`, the rules for transactions to `proxy_gate`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

import msgspec

from headrace.testing.faults import (
    AnswerError,
    AnswerHttp,
    AnswerNull,
    AskInstead,
    Fault,
    Faults,
    Hang,
    LoseReply,
    NullIfNewer,
    PassOn,
    RpcRequest,
)
from headrace.testing.pool_rules import ALREADY_KNOWN, Refusal
from headrace.testing.proxy_gate import ProxyGate
from headrace.testing.raw_transaction import BadTransaction, RawTransaction, read_transaction

_SEND: Final = "eth_sendRawTransaction"
_SEND_AND_WAIT: Final = "eth_sendRawTransactionSync"
# Anvil signs with its own keys, past every rule. A real node has none.
_NEEDS_KEYS: Final = frozenset(
    {"eth_sendTransaction", "eth_sendUnsignedTransaction", "eth_sign", "eth_signTransaction"}
)
_LOOKED_INTO: Final = _NEEDS_KEYS | {_SEND, _SEND_AND_WAIT}
_COUNTED_MAX: Final = 1_000  # different names; a client can invent any number of them


@dataclass(frozen=True, slots=True)
class Body:
    content: bytes


@dataclass(frozen=True, slots=True)
class HttpStatus:
    status: int
    retry_after_s: int | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Close the connection without an answer."""


Answer = Body | HttpStatus | Silence


class Done(Enum):
    """What was done to an answer, in words."""

    ACCEPTED_REPLY_LOST = "reply lost, transaction accepted"
    REPLY_LOST = "reply lost"
    TIMED_OUT_BEFORE = "time-out, the node got nothing"
    TIMED_OUT_AFTER = "time-out, the node got it"
    TOO_MANY = "HTTP 429"
    HTTP_ERROR = "HTTP 5xx"
    NULL = "null result"
    ERROR = "error"
    ASKED_INSTEAD = "asked about something else"
    HIDDEN = "newer block hidden"
    NOTIFICATION_LOST = "notification lost"


class _Message(msgspec.Struct):
    """One JSON-RPC request, as far as we look."""

    method: str
    id: msgspec.Raw = msgspec.Raw(b"")  # empty: a notification, which is not answered
    params: msgspec.Raw = msgspec.Raw(b"[]")


class _NodeError(msgspec.Struct):
    code: int
    message: str


class _NodeAnswer(msgspec.Struct):
    error: _NodeError | None = None


class _Numbered(msgspec.Struct):
    """A block has `number`; a receipt, a log or a transaction `blockNumber`, null while it is pooled."""

    number: str | None = None
    blockNumber: str | None = None  # noqa: N815 - as it stands in JSON


class _NumberedAnswer(msgspec.Struct):
    result: _Numbered | list[_Numbered] | None = None


_read_batch: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_message: Final = msgspec.json.Decoder(_Message).decode
_read_answer: Final = msgspec.json.Decoder(_NodeAnswer).decode
_read_numbers: Final = msgspec.json.Decoder(_NumberedAnswer).decode
_read_texts: Final = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class _Item:
    raw: bytes
    message: _Message | None  # None: no request; the node shall say so itself
    fault: Fault

    @property
    def plain(self) -> bool:
        return self.message is None or (
            self.message.method not in _LOOKED_INTO
            and not isinstance(self.fault, AnswerNull | AnswerError | AskInstead | NullIfNewer)
        )


class ProxyAnswers:
    """`post` carries a body to the node and brings its answer. `sleep` is what `Hang` waits with."""

    def __init__(
        self,
        *,
        post: Callable[[bytes], Awaitable[bytes]],
        gate: ProxyGate,
        faults: Faults,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._post = post
        self._gate = gate
        self._faults = faults
        self._sleep = sleep
        self.calls: Counter[str] = Counter()  # by method, each request of a batch by itself
        self.refusals: Counter[str] = Counter()  # by the words before the first colon
        self.faults_done: Counter[Done] = Counter()

    async def answer(self, body: bytes) -> Answer:
        """Raises what `post` raises."""
        is_batch = body.lstrip()[:1] == b"["
        try:
            raws = [bytes(raw) for raw in _read_batch(body)] if is_batch else [body]
        except msgspec.DecodeError:
            return Body(await self._post(body))
        items = [self._read(raw) for raw in raws]
        faults = [item.fault for item in items]
        for fault in faults:
            if isinstance(fault, AnswerHttp):
                self.faults_done[Done.TOO_MANY if fault.status == 429 else Done.HTTP_ERROR] += 1
                return HttpStatus(fault.status, fault.retry_after_s)
            if isinstance(fault, Hang) and not fault.reaches_node:
                self.faults_done[Done.TIMED_OUT_BEFORE] += 1
                await self._sleep(fault.seconds)
                return Silence()
        if all(item.plain for item in items):
            content = await self._post(body)
        elif is_batch:
            content = await self._piecewise(items)
        else:
            content = await self._one(items[0])
        for fault in faults:
            if isinstance(fault, Hang):
                self.faults_done[Done.TIMED_OUT_AFTER] += 1
                await self._sleep(fault.seconds)
                return Silence()
            if isinstance(fault, LoseReply):
                self.faults_done[_reply_lost(items, content)] += 1
                return Silence()
        return Body(content)

    def _read(self, raw: bytes) -> _Item:
        try:
            message = _read_message(raw)
        except msgspec.DecodeError:
            self._count(self.calls, "(unreadable)")
            return _Item(raw, None, PassOn())
        self._count(self.calls, message.method)
        fault = self._faults.choose(RpcRequest(message.method, bytes(message.params)))
        return _Item(raw, message, fault)

    async def _piecewise(self, items: Sequence[_Item]) -> bytes:
        """In the order of the batch, with as few questions to the node as that allows."""
        answers: list[bytes] = []
        plain: list[bytes] = []

        async def pass_plain_on() -> None:
            if plain:
                some = (await self._post(b"[" + b",".join(plain) + b"]")).strip()
                answers.append(some[1:-1] if some.startswith(b"[") else some)
                plain.clear()

        for item in items:
            if item.plain:
                plain.append(item.raw)
            else:
                await pass_plain_on()
                answers.append(await self._one(item))
        await pass_plain_on()
        return b"[" + b",".join(answer for answer in answers if answer) + b"]"

    async def _one(self, item: _Item) -> bytes:
        message, fault = item.message, item.fault
        assert message is not None, "what is no request is plain"
        match fault:
            case AnswerNull():
                self.faults_done[Done.NULL] += 1
                return _result(message, b"null")
            case AnswerError(code, text):
                self.faults_done[Done.ERROR] += 1
                return _error(message, Refusal(text, code))
            case AskInstead(params):
                self.faults_done[Done.ASKED_INSTEAD] += 1
                return await self._post(_request(message, params))
            case NullIfNewer(block):
                answer = await self._post(item.raw)
                if _newest_block(answer) <= block:
                    return answer
                self.faults_done[Done.HIDDEN] += 1
                return _result(message, b"null")
            case PassOn() | LoseReply() | Hang() | AnswerHttp():
                pass
            case _:
                assert_never(fault)
        if message.method in _NEEDS_KEYS:
            return self._refuse(message, Refusal("unknown account"))
        try:
            (text, *_) = _read_texts(message.params)
            transaction = read_transaction(bytes.fromhex(text.removeprefix("0x")))
        except BadTransaction as error:
            return self._refuse(message, Refusal(str(error)))
        except ValueError:  # parameters of another shape: the node shall say what it expects
            return await self._post(item.raw)
        if message.method == _SEND_AND_WAIT:
            return await self._send_and_wait(item.raw, message, transaction)
        return await self._send(item.raw, message, transaction)

    async def _send(self, raw: bytes, message: _Message, transaction: RawTransaction) -> bytes:
        async with self._gate.turn_of(transaction.sender):
            refused = await self._gate.refusal(transaction)
            if refused is not None:
                return self._refuse(message, refused)
            answer = await self._post(raw)
            error = _read_answer(answer).error if answer else None
            if error is None:
                self._gate.took(transaction)
                return answer
            refused = await self._gate.reword(transaction, error.code, error.message)
            if refused == ALREADY_KNOWN:
                self._gate.took(transaction)
            return self._refuse(message, refused)

    async def _send_and_wait(self, raw: bytes, message: _Message, transaction: RawTransaction) -> bytes:
        # It answers when mined: the account's turn must not wait for that.
        async with self._gate.turn_of(transaction.sender):
            refused = await self._gate.refusal(transaction)
            if refused is not None:
                return self._refuse(message, refused)
            self._gate.took(transaction)
        return await self._post(raw)

    def _refuse(self, message: _Message, refusal: Refusal) -> bytes:
        self._count(self.refusals, refusal.message.partition(":")[0])
        return _error(message, refusal)

    def _count(self, counter: Counter[str], name: str) -> None:
        counter[name if name in counter or len(counter) < _COUNTED_MAX else "(other)"] += 1


def _reply_lost(items: Sequence[_Item], content: bytes) -> Done:
    sends = [item for item in items if item.message is not None and item.message.method == _SEND]
    accepted = len(items) == len(sends) == 1 and _read_answer(content).error is None
    return Done.ACCEPTED_REPLY_LOST if accepted else Done.REPLY_LOST


def _newest_block(answer: bytes) -> int:
    """The highest block that an answer is about; -1 where it names none."""
    try:
        result = _read_numbers(answer).result
    except msgspec.DecodeError:
        return -1  # another shape: it says nothing about a block
    found = [] if result is None else [result] if isinstance(result, _Numbered) else result
    return max((int(text, 16) for one in found if (text := one.number or one.blockNumber) is not None), default=-1)


def _request(message: _Message, params: bytes) -> bytes:
    key = b'"id":' + bytes(message.id) + b"," if bytes(message.id) else b""
    method = msgspec.json.encode(message.method)
    return b'{"jsonrpc":"2.0",' + key + b'"method":' + method + b',"params":' + params + b"}"


def _result(message: _Message, result: bytes) -> bytes:
    if not bytes(message.id):
        return b""
    return b'{"jsonrpc":"2.0","id":' + bytes(message.id) + b',"result":' + result + b"}"


def _error(message: _Message, refusal: Refusal) -> bytes:
    if not bytes(message.id):
        return b""
    error = msgspec.json.encode({"code": refusal.code, "message": refusal.message})
    return b'{"jsonrpc":"2.0","id":' + bytes(message.id) + b',"error":' + error + b"}"
