"""Hypothesis chooses the steps, and shortens a failing run to what it needs to fail."""

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from sim.profile import Profile
from sim.run import run_steps
from sim.steps import KINDS, Step

steps = st.builds(Step, st.sampled_from(sorted(KINDS)), st.integers(0, 999))


@settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(seed=st.integers(0, 999), plan=st.lists(steps, min_size=20, max_size=80))
def test_in_whatever_order_things_happen_what_is_promised_holds(seed: int, plan: list[Step]) -> None:
    run = run_steps(Profile.of_seed(seed), plan, seed=seed)
    note(f'once more: PYTHONPATH=tests python -m sim --trace --seed {seed} --plan "{" ".join(map(str, plan))}"')
    assert run.violation is None, run.violation
