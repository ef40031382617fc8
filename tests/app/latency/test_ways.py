from headrace.app.latency.run import LatencyOptions
from headrace.app.latency.ways import block, interval, sequential

WAYS = (block(20), interval(500, 20), sequential(0.2))


def test_a_way_is_told_to_the_gateway_by_its_settings_alone() -> None:
    assert [way.tuning["batch_submitter"] for way in WAYS] == [
        {"flush": "block"},
        {"flush": "interval", "batch_interval_ms": 500},
        {"flush": "block"},
    ]


def test_ways_differ_in_what_is_compared_only() -> None:
    options = LatencyOptions(pairs=(WAYS,), seconds=30, block_time_s=2, gas_limit=120_000_000, seed=3)
    aligned, by_interval, one_by_one = (options.demo(way) for way in WAYS)
    assert aligned == by_interval
    assert (one_by_one.submitter, one_by_one.recording) == ("sequential", "separate")
    assert (aligned.submitter, aligned.recording) == ("batched", "combined")
    assert (one_by_one.gas_limit, one_by_one.block_time_s) == (aligned.gas_limit, aligned.block_time_s)
