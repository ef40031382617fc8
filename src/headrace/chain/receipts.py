"""Blocks, receipts and logs: from a node's JSON to our words.

Promises  every field that we use is checked; a wrong or missing one is `Malformed`, named by its path.
Leaves    fetching to `chain.node`, what logs mean to the workloads.
"""

from collections.abc import Mapping

from headrace.chain.hexes import Malformed, read_address, read_data, read_quantity, shown
from headrace.core.words import Block, BlockHash, BlockNumber, Log, Receipt, TxHash

_TOPICS_MAX = 4  # LOG0 to LOG4


def read_block(value: object, what: str = "block") -> Block:
    """A block or a header (what newHeads announces). Raises Malformed."""
    fields = _fields(value, what)
    return Block(
        number=BlockNumber(read_quantity(fields.get("number"), f"{what}.number")),
        hash=BlockHash(read_data(fields.get("hash"), f"{what}.hash", size=32)),
        parent_hash=BlockHash(read_data(fields.get("parentHash"), f"{what}.parentHash", size=32)),
        timestamp=read_quantity(fields.get("timestamp"), f"{what}.timestamp"),
        base_fee_wei=read_quantity(fields.get("baseFeePerGas"), f"{what}.baseFeePerGas"),
        gas_limit=read_quantity(fields.get("gasLimit"), f"{what}.gasLimit"),
        gas_used=read_quantity(fields.get("gasUsed"), f"{what}.gasUsed"),
    )


def read_receipt(value: object, what: str = "receipt") -> Receipt:
    """A mined transaction's receipt. Raises Malformed."""
    fields = _fields(value, what)
    status = read_quantity(fields.get("status"), f"{what}.status")
    if status not in (0, 1):
        raise Malformed(f"{what}.status: {status} is neither 0 nor 1")
    return Receipt(
        transaction=TxHash(read_data(fields.get("transactionHash"), f"{what}.transactionHash", size=32)),
        block=BlockNumber(read_quantity(fields.get("blockNumber"), f"{what}.blockNumber")),
        block_hash=BlockHash(read_data(fields.get("blockHash"), f"{what}.blockHash", size=32)),
        ok=status == 1,
        gas_used=read_quantity(fields.get("gasUsed"), f"{what}.gasUsed"),
        gas_price_wei=read_quantity(fields.get("effectiveGasPrice"), f"{what}.effectiveGasPrice"),
        logs=tuple(
            read_log(log, f"{what}.logs[{index}]")
            for index, log in enumerate(items(fields.get("logs"), f"{what}.logs"))
        ),
    )


def read_log(value: object, what: str = "log") -> Log:
    """Raises Malformed."""
    fields = _fields(value, what)
    topics = items(fields.get("topics"), f"{what}.topics")
    if len(topics) > _TOPICS_MAX:
        raise Malformed(f"{what}.topics: {len(topics)} topics; a log has at most {_TOPICS_MAX}")
    return Log(
        address=read_address(fields.get("address"), f"{what}.address"),
        topics=tuple(read_data(topic, f"{what}.topics[{i}]", size=32) for i, topic in enumerate(topics)),
        data=read_data(fields.get("data"), f"{what}.data"),
    )


def items(value: object, what: str) -> list[object]:
    """A JSON array. Raises Malformed."""
    if not isinstance(value, list):
        raise Malformed(f"{what}: {shown(value)} is not an array")
    return value


def _fields(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"{what}: {shown(value)} is not an object")
    return value
