from headrace.app.latency.parts import WayParts
from headrace.app.load.endings import SaidEnding


def ending(outcome: str = "landed", **at: float) -> SaidEnding:
    return SaidEnding(outcome, None, **at)


def test_the_parts_of_the_way_are_between_the_gateways_own_times() -> None:
    parts = WayParts.of(
        [
            ending(received_at=10.0, batched_at=11.5, sent_at=11.75, mined_at=12.25),
            ending(received_at=11.0, batched_at=11.5, sent_at=11.75, mined_at=12.25),
        ]
    )
    assert (parts.waited["p50"], parts.waited["max"]) == (0.5, 1.5)
    assert parts.sent["p99"] == 0.25
    assert parts.mined["p50"] == 0.5


def test_what_did_not_land_and_what_has_no_such_time_is_left_out() -> None:
    parts = WayParts.of([ending("rejected", received_at=1.0, batched_at=2.0), ending(received_at=1.0)])
    assert parts.waited == parts.sent == parts.mined == {"p50": None, "p95": None, "p99": None, "max": None}
