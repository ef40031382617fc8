"""Nodes that lose replies, a chain that is rewritten, SIGKILLs, all at random: what is due is paid once."""

from headrace.app.claims.under_fire import UnderFireOptions, settle_under_fire

PRICE_OF_A_MINUTE = 500_000


async def test_under_fire_every_due_job_is_paid_exactly_once(tmp_path):
    options = UnderFireOptions(jobs=60, kills=3, seconds=30, seed=1)

    fired = await settle_under_fire(options, base=tmp_path, say=lambda text: None)

    assert fired.missing == []
    assert len(fired.kills) == 3
    assert sum(count for kind, count in fired.troubles.items() if kind.startswith("reorg")) > 0
    assert sum(fired.troubles.values()) > 10, fired.troubles
    mine = [lock for lock in fired.record.locks if lock.payee == fired.payee]
    assert len(mine) == len({(lock.payer, lock.job) for lock in mine}) == len(fired.jobs)
    assert [lock.paid for lock in mine] == [PRICE_OF_A_MINUTE] * len(fired.jobs)
    assert list(fired.record.imbalances()) == []
    for job in fired.jobs:
        story = fired.settlements[job.id]
        assert (story["state"], fired.told[job.id]["status"]) == ("claimed", 70), story
        lock = next(lock for lock in mine if lock.job == int(story["terms"]["number_on_chain"], 16))
        assert lock.end is not None and story["proof"]["transaction"] == "0x" + lock.end.place.transaction.hex()
