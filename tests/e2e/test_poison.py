"""The poison bench in small: what holds of it on a machine of any speed."""

from headrace.app.poison.comparison import Comparison
from headrace.app.poison.run import PoisonOptions, run_poison


async def test_poison_in_every_batch_is_rejected_by_name_and_all_others_land(tmp_path):
    options = PoisonOptions(rate_per_s=20, seconds=3, every=5, rounds=1, seed=1, block_time_s=1, warm_up_s=1)
    run = await run_poison(options, base=tmp_path, say=lambda text: None)
    found = Comparison.of(run.legs)
    assert found.valid_not_landed == 0
    assert [(leg.valid, leg.poison) for leg in run.legs] == [(60, 0), (60, 15)]
    assert (found.poison_not_rejected, found.poison_on_chain) == (0, 0)
    assert sum(batch.valid for batch in found.batches) == 60
    assert sum(batch.poison for batch in found.batches) == 15, "each was found by the simulation of some batch"
    assert all(batch.poison for batch in found.batches if batch.size >= 2 * options.every)
