from app.load.made_up import block, created, record_of, transaction
from headrace.app.chain_watch.pace import block_time_s
from headrace.app.chain_watch.record import BlockContent, ChainRecord


def chain(*timestamps_s: int, first: int = 100) -> ChainRecord:
    return record_of(
        *(
            BlockContent(
                number=first + index,
                hash=bytes([index]) * 32,
                timestamp_s=at_s,
                seen_at_s=float(index),
                transactions=(transaction(index, created(index)),),
            )
            for index, at_s in enumerate(timestamps_s)
        )
    )


def test_the_block_time_is_the_mean_by_the_chains_own_clock() -> None:
    assert block_time_s(chain(1_000, 1_002, 1_004, 1_006)) == 2.0
    assert block_time_s(chain(1_000, 1_000, 1_001, 1_001, 1_002)) == 0.5


def test_of_one_block_nothing_can_be_said() -> None:
    assert block_time_s(chain(1_000)) is None
    assert block_time_s(record_of(block(1, seen_at_s=0.0), block(2, seen_at_s=2.0))) is None
