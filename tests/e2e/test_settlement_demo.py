"""The settlement demo as a user runs it, small: sandboxed jobs, spoiled locks, claim runs, books that balance."""

import time

from headrace.app.demo.settlement.run import perform
from headrace.app.demo.settlement.stage import SettlementOptions, Size, open_settlement_stage


async def test_every_job_is_settled_right_and_the_books_balance(tmp_path):
    options = SettlementOptions(
        size=Size(paid=20, free=2, payers=3), block_time_s=1, gas_limit=60_000_000, serve=False, seed=1
    )
    async with open_settlement_stage(options, base=tmp_path, say=lambda text: None, now=time.time()) as stage:
        report = await perform(stage, options, say=lambda text: None)

    section = report["settlement"]
    assert section["problems"] == []
    assert section["books_balance"]
    assert report["offered"] == report["accepted"] == report["outcomes"]["on_time"] == 22
    states = {"claimed": 15, "released": 2, "canceled": 2, "no_lock": 1, "free": 2}
    assert section["settlement"] == states
    assert all(part["jobs"] == part["right"] > 0 for part in section["parts"].values())
    money = {name: int(text) for name, text in section["money"].items() if name not in ("token", "decimals")}
    assert money["paid"] == money["fees"] + money["earned"] and money["earned"] == money["withdrawn"] > 0
    assert money["locked_in_all"] == money["paid"] + money["returned"]
    assert money["locked"] == 0
    assert money["deposited"] == money["paid"] + money["paid_to_others"] + money["taken_out"] + money["left"]
    assert section["gas"]["claim_percent_of_single"] < 50
    assert report["chain"]["done_twice"] == 0
