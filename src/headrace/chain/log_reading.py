"""Reads the logs of a range of blocks, in as many questions as a node wants.

Owns      the filter's form, the halving of ranges that a node finds too long or too rich, the reading of answers.
Promises  the whole range or NodeTrouble; every log is checked against what was asked for; what works is
          remembered, so that a refusal is met once and not at every search.
Leaves    the words of a refusal to `chain.replies`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from headrace.chain.endpoints import RpcError
from headrace.chain.hexes import Malformed, address_text, data_text, quantity_text, read_data, read_quantity, shown
from headrace.chain.receipts import items, read_log
from headrace.chain.replies import says_too_many_logs
from headrace.core.ports import NodeTrouble
from headrace.core.ports.logs import FoundLog, TopicFilter
from headrace.core.words import Address, BlockHash, BlockNumber, TxHash

METHOD: Final = "eth_getLogs"
SPAN_BLOCKS: Final = 10_000  # where nodes have a limit at all it is often this one
LOGS_MAX: Final = 100_000  # of one search; more is a wrong address, or wants another way
QUESTIONS_MAX: Final = 20_000  # a month of 12 s blocks, ten at a time

Ask = Callable[..., Awaitable[object]]


class LogReading:
    """`ask` is `Endpoints.ask`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._span = SPAN_BLOCKS

    async def logs(
        self, *, address: Address, topics: TopicFilter, first: BlockNumber, last: BlockNumber
    ) -> Sequence[FoundLog]:
        """As `core.ports.logs.LogNode`, but for the existence of block `last`."""
        found: list[FoundLog] = []
        start, questions = int(first), 0
        while start <= last:
            end = min(start + self._span - 1, int(last))
            questions += 1
            if questions > QUESTIONS_MAX:
                raise NodeTrouble(
                    f"{METHOD}: {last - first + 1} blocks are too many for a node that takes {self._span}"
                )
            part = await self._part(address, topics, start, end)
            if part is None:
                self._span = max((end - start + 1) // 2, 1)
                continue
            found += part
            if len(found) > LOGS_MAX:
                raise NodeTrouble(f"{METHOD}: more than {LOGS_MAX} logs in blocks {first} to {last}")
            start = end + 1
        return found

    async def _part(
        self, address: Address, topics: TopicFilter, first: int, last: int
    ) -> Sequence[FoundLog] | None:
        """None: the node wants a smaller question."""
        wanted = {
            "address": address_text(address),
            "topics": [None if any_of is None else [data_text(t) for t in any_of] for any_of in topics],
            "fromBlock": quantity_text(first),
            "toBlock": quantity_text(last),
        }
        try:
            answer = await self._ask(METHOD, wanted)
        except RpcError as error:
            if first < last and says_too_many_logs(error.message, error.code):
                return None
            raise NodeTrouble(f"{METHOD}: {error}") from error
        try:
            found = [_found(value, f"logs[{index}]") for index, value in enumerate(items(answer, "logs"))]
            for index, one in enumerate(found):
                if not _is_wanted(one, address, topics, first, last):
                    raise Malformed(f"logs[{index}]: is none of those asked for")
        except Malformed as error:
            raise NodeTrouble(f"{METHOD}: {error}") from error
        return sorted(found, key=lambda one: (one.block, one.index))


def _found(value: object, what: str) -> FoundLog:
    """Raises Malformed."""
    if not isinstance(value, Mapping):
        raise Malformed(f"{what}: {shown(value)} is not an object")
    if value.get("removed") not in (None, False):
        raise Malformed(f"{what}.removed: {shown(value['removed'])}, of a log that was asked for by block number")
    return FoundLog(
        log=read_log(value, what),
        block=BlockNumber(read_quantity(value.get("blockNumber"), f"{what}.blockNumber")),
        block_hash=BlockHash(read_data(value.get("blockHash"), f"{what}.blockHash", size=32)),
        transaction=TxHash(read_data(value.get("transactionHash"), f"{what}.transactionHash", size=32)),
        index=read_quantity(value.get("logIndex"), f"{what}.logIndex"),
    )


def _is_wanted(found: FoundLog, address: Address, topics: TopicFilter, first: int, last: int) -> bool:
    return (
        found.log.address == address
        and first <= found.block <= last
        and len(found.log.topics) >= len(topics)
        and all(w is None or t in w for t, w in zip(found.log.topics, topics, strict=False))
    )
