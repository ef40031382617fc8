"""Reads everything that an escrow ever did: the independent look that a settlement is held against.

Promises  whole blocks, so that reverted transactions are seen too; the views as of the last of them.
Leaves    sums and judgement to `escrow_record` and those who ask.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from eth_utils.crypto import keccak

from headrace.app.chain_watch.escrow_events import (
    Deposited,
    EscrowEvent,
    LockCanceled,
    LockClaimed,
    LockMade,
    Withdrawn,
    read_escrow_event,
    read_transfer,
)
from headrace.app.chain_watch.escrow_record import (
    AccountSeen,
    CallSeen,
    EndSeen,
    EscrowRecord,
    LockSeen,
    Place,
    TokenSeen,
)
from headrace.app.chain_watch.heads import newest
from headrace.app.chain_watch.node import NodeUnreachable, PlainNode
from headrace.app.chain_watch.wire import WireReceipt, to_bytes, to_hex

_BLOCKS_PER_REQUEST: Final = 50
_CALLS_PER_REQUEST: Final = 100
_GET_USER_FUNDS: Final = keccak(text="getUserFunds(address,address)")[:4]
_BALANCE_OF: Final = keccak(text="balanceOf(address)")[:4]
_WORD: Final = 32


class _Transaction(msgspec.Struct, rename="camel", frozen=True):
    hash: str
    from_: str = msgspec.field(name="from")
    nonce: str
    gas: str
    input: str
    to: str | None = None


class _Block(msgspec.Struct, rename="camel", frozen=True):
    number: str
    hash: str
    timestamp: str
    transactions: list[_Transaction]


async def read_escrow(
    url: str,
    escrow: bytes,
    *,
    tokens: Iterable[bytes],
    collector: bytes,
    from_block: int = 0,
    to_block: int | None = None,
) -> EscrowRecord:
    """From `from_block`, no later than the escrow's own, to `to_block` (default: the newest), both included.

    `collector`: who gets the fees. Raises NodeSays, NodeUnreachable (a reorg while reading too: read again)."""
    async with PlainNode(url, timeout_s=60) as node:
        if to_block is None:
            head = await newest(node)
            if head is None:
                raise NodeUnreachable("eth_getBlockByNumber: the node has no newest block")
            to_block = head.number
        book = _Book(escrow, frozenset(tokens), collector)
        for start in range(from_block, to_block + 1, _BLOCKS_PER_REQUEST):
            numbers = range(start, min(start + _BLOCKS_PER_REQUEST, to_block + 1))
            await _read_blocks(node, numbers, book)
        return await _closed(node, book, from_block, to_block)


async def _read_blocks(node: PlainNode, numbers: Sequence[int], book: "_Book") -> None:
    found = await node.call_many("eth_getBlockByNumber", [[hex(n), True] for n in numbers], _Block)
    blocks = [block for block in found if block is not None]
    if len(blocks) < len(numbers):
        raise NodeUnreachable(f"the node has {len(blocks)} of the blocks {numbers[0]} to {numbers[-1]}")
    full = [block for block in blocks if block.transactions]
    many = await node.call_many("eth_getBlockReceipts", [[block.hash] for block in full], list[WireReceipt])
    receipts = {block.hash: of_block for block, of_block in zip(full, many, strict=True)}
    for block in blocks:
        of_block = receipts.get(block.hash, [])
        if of_block is None or len(of_block) != len(block.transactions):
            raise NodeUnreachable(f"block {int(block.number, 16)} changed while it was read: read again")
        book.add(block, of_block)


async def _closed(node: PlainNode, book: "_Book", first: int, last: int) -> EscrowRecord:
    users = sorted(book.users)
    pairs = [(user, token) for token in sorted(book.tokens) for user in users]
    funds = await _ask_all(
        node,
        [(book.escrow, _GET_USER_FUNDS + _padded(user) + _padded(token)) for user, token in pairs],
        last,
    )
    balances = await _ask_all(node, [(token, _BALANCE_OF + _padded(book.escrow)) for token in book.tokens], last)
    accounts = {}
    for (user, token), answer in zip(pairs, funds, strict=True):
        available, locked = _whole(answer, 0), _whole(answer, 1)
        sums = book.sums[user, token]
        if available or locked or any(sums.values()):
            accounts[user, token] = AccountSeen(available=available, locked=locked, **sums)
    return EscrowRecord(
        first_block=first,
        last_block=last,
        locks=book.locks,
        calls=book.calls,
        accounts=accounts,
        tokens={
            token: TokenSeen(held=_whole(answer, 0), fees=book.fees[token])
            for token, answer in zip(book.tokens, balances, strict=True)
        },
        loose_ends=book.loose_ends,
    )


class _Book:
    """Filled block by block."""

    def __init__(self, escrow: bytes, tokens: frozenset[bytes], collector: bytes) -> None:
        self.escrow, self.tokens, self._collector = escrow, tokens, collector
        self.locks: list[LockSeen] = []
        self.calls: list[CallSeen] = []
        self.sums: dict[tuple[bytes, bytes], Counter[str]] = defaultdict(Counter)
        self.fees: Counter[bytes] = Counter()
        self.users: set[bytes] = set()
        self.loose_ends = 0
        self._live: dict[tuple[bytes, bytes, int], int] = {}

    def add(self, block: _Block, receipts: Sequence[WireReceipt]) -> None:
        number, time_s = int(block.number, 16), int(block.timestamp, 16)
        log_index = 0
        for transaction, receipt in zip(block.transactions, receipts, strict=True):
            counts: Counter[type] = Counter()
            first = Place(transaction=to_bytes(transaction.hash), block=number, timestamp_s=time_s, log=log_index)
            for log in receipt.logs:
                address, topics = to_bytes(log.address), [to_bytes(topic) for topic in log.topics]
                if address == self.escrow:
                    event = read_escrow_event(topics, to_bytes(log.data))
                    if event is not None:
                        counts[type(event)] += 1
                        self._learn(event, replace(first, log=log_index))
                elif address in self.tokens:
                    moved = read_transfer(topics, to_bytes(log.data))
                    if moved is not None and (moved.sender, moved.to) == (self.escrow, self._collector):
                        self.fees[address] += moved.amount
                log_index += 1
            if transaction.to is not None and to_bytes(transaction.to) == self.escrow:
                self.calls.append(_call(transaction, receipt, first, counts))

    def _learn(self, event: EscrowEvent, place: Place) -> None:
        match event:
            case Deposited(user, token, amount):
                self._sum(user, token, "deposited", amount)
            case Withdrawn(user, token, amount):
                self._sum(user, token, "withdrawn", amount)
            case LockMade():
                self.users |= {event.payer, event.payee}
                self._live[event.payee, event.payer, event.job] = len(self.locks)
                self.locks.append(
                    LockSeen(
                        payee=event.payee,
                        payer=event.payer,
                        token=event.token,
                        job=event.job,
                        amount=event.amount,
                        expiry=place.timestamp_s + event.seconds,
                        made=place,
                    )
                )
            case LockClaimed():
                self._sum(event.payer, event.token, "paid", event.amount)
                self._sum(event.payee, event.token, "earned", event.amount)
                end = EndSeen(claimed=True, amount=event.amount, proof=event.proof, place=place)
                self._end(event.payee, event.payer, event.job, end)
            case LockCanceled():
                end = EndSeen(claimed=False, amount=event.amount, proof=b"", place=place)
                self._end(event.payee, event.payer, event.job, end)

    def _sum(self, user: bytes, token: bytes, name: str, amount: int) -> None:
        self.users.add(user)
        self.sums[user, token][name] += amount

    def _end(self, payee: bytes, payer: bytes, job: int, end: EndSeen) -> None:
        index = self._live.pop((payee, payer, job), None)
        if index is None:
            self.loose_ends += 1
        else:
            self.locks[index] = replace(self.locks[index], end=end)


def _call(transaction: _Transaction, receipt: WireReceipt, place: Place, counts: Counter[type]) -> CallSeen:
    gas_used = int(receipt.gas_used, 16)
    return CallSeen(
        place=place,
        sender=to_bytes(transaction.from_),
        nonce=int(transaction.nonce, 16),
        selector=to_bytes(transaction.input)[:4],
        ok=int(receipt.status, 16) == 1,
        gas_used=gas_used,
        gas_limit=int(transaction.gas, 16),
        fee_wei=gas_used * int(receipt.effective_gas_price, 16),
        locks=counts[LockMade],
        claims=counts[LockClaimed],
        cancels=counts[LockCanceled],
    )


async def _ask_all(node: PlainNode, calls: Sequence[tuple[bytes, bytes]], block: int) -> list[bytes]:
    answers: list[bytes] = []
    for start in range(0, len(calls), _CALLS_PER_REQUEST):
        part = calls[start : start + _CALLS_PER_REQUEST]
        parameters = [[{"to": to_hex(to), "data": to_hex(data)}, hex(block)] for to, data in part]
        for answer in await node.call_many("eth_call", parameters, str):
            if answer is None or len(answer) < 2 + 2 * _WORD:
                raise NodeUnreachable("eth_call: the contract does not answer: is it an escrow, or a token?")
            answers.append(to_bytes(answer))
    return answers


def _padded(address: bytes) -> bytes:
    return bytes(_WORD - len(address)) + address


def _whole(answer: bytes, index: int) -> int:
    return int.from_bytes(answer[index * _WORD : (index + 1) * _WORD])
