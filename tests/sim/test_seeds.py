"""The short form; `headrace bench sim` is the long one."""

import pytest

from sim.run import replay_line, run_seed

STEPS, EACH = 150, 6


@pytest.mark.parametrize("first", range(0, 5 * EACH, EACH))
def test_whatever_happens_what_is_promised_holds(first: int) -> None:
    for seed in range(first, first + EACH):
        run = run_seed(seed, steps=STEPS)
        assert run.violation is None, f"{run.violation}; once more: {replay_line(seed, STEPS)}"
