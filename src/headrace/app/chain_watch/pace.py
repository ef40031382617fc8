"""How fast a chain makes blocks, by its own word."""

from headrace.app.chain_watch.record import ChainRecord


def block_time_s(record: ChainRecord) -> float | None:
    """The mean between the first and the last block that brought something of ours, by the blocks' timestamps
    (whole seconds). None where there were fewer than two of them."""
    blocks = {seen.sighting.block_number: seen.sighting.block_timestamp_s for seen in record.transactions.values()}
    first, last = min(blocks, default=0), max(blocks, default=0)
    return None if first == last else round((blocks[last] - blocks[first]) / (last - first), 1)
