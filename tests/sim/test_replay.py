"""A seed is a run: what failed once fails again, and can be looked at."""

import os
import subprocess
import sys
from pathlib import Path

from sim.mutants import MUTANTS
from sim.profile import Profile
from sim.run import run_seed, run_steps
from sim.steps import plan_of

TESTS = Path(__file__).parents[1]


def test_the_same_seed_is_the_same_run_to_the_last_byte() -> None:
    assert run_seed(5, steps=120).digest == run_seed(5, steps=120).digest
    assert run_seed(5, steps=120).digest != run_seed(6, steps=120).digest


def test_another_process_with_other_hashes_of_its_own_runs_the_same() -> None:
    code = "from sim.run import run_seed; print(run_seed(7, steps=100).digest)"
    path = os.pathsep.join([str(TESTS), *sys.path])
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == f"{run_seed(7, steps=100).digest}\n"


def test_a_run_that_fails_fails_again_at_the_same_step_in_the_same_words() -> None:
    mutant = next(m for m in MUTANTS if m.name == "settles_a_block_too_early")
    with mutant.made():
        first = next(run for seed in range(60) if (run := run_seed(seed)).violation is not None)
        again = run_seed(first.seed)
    assert (first.steps, str(first.violation), first.digest) == (again.steps, str(again.violation), again.digest)


def test_a_run_can_be_written_down_as_its_steps() -> None:
    plan = "submit:1 block:2 reorg:3 fuse:4 block:5 start:6 block:7"
    assert " ".join(map(str, plan_of(plan))) == plan
    digests = {run_steps(Profile.of_seed(1), plan_of(plan), seed=1).digest for _ in range(2)}
    assert len(digests) == 1
