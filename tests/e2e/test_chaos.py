"""A short chaos run: the real gateway, chain, operators, every trouble, and the gateway killed twice."""

import sys

from headrace.app.chaos.run import ChaosOptions, run_chaos


async def test_under_every_trouble_and_two_kills_nothing_is_lost_doubled_or_misjudged(tmp_path):
    options = ChaosOptions(rate_per_s=10, seconds=10, kills=2, seed=1)
    chaos = await run_chaos(options, base=tmp_path, say=lambda text: None)
    found = chaos.judgement
    if found.lost or found.doubled or found.misjudged or found.undecided:
        # What the gateway said is what one wants to know of a failed run.
        sys.stderr.write((chaos.folder / "gateway.log").read_text()[-8000:])

    assert (found.lost, found.doubled, found.misjudged, found.undecided) == ({}, {}, {}, {})
    assert found.operations >= options.operations
    assert found.completed_percent == 100
    assert found.poison_rejected == found.poisoned
    assert len(chaos.kills) == 2
    assert len({kill.pid for kill in chaos.kills}) == 2
    assert sum(chaos.troubles.values()) >= 20, chaos.troubles
    assert chaos.report["unanswered"] == 0
