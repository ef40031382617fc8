"""Can the simulation fail? Each classic mistake is put back, and must break the invariant that is there for it."""

import pytest

from sim.holding import INVARIANTS
from sim.mutants import MUTANTS, Mutant
from sim.run import run_seed

SEEDS, STEPS = 120, 150


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_gateway_that(mutant: Mutant) -> None:
    assert any(one.name == mutant.found_by for one in INVARIANTS)
    with mutant.made():
        for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
            run = run_seed(seed, steps=STEPS, only=mutant.found_by)
            if run.violation is not None:
                return
    raise AssertionError(f"{SEEDS} runs of a gateway that {mutant.name}, and {mutant.found_by} always held")
