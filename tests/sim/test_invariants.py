"""What is promised in prose is what is looked at, and nothing else."""

import re
from pathlib import Path

from sim.holding import INVARIANTS
from sim.run import run_seed

PROSE = Path(__file__).with_name("invariants.md").read_text()


def described() -> dict[str, str]:
    """By name, the paragraph that says it."""
    return dict(re.findall(r"^\*\*([a-z-]+)\*\*\. (.+?)(?=\n\n|\Z)", PROSE, re.MULTILINE | re.DOTALL))


def test_every_invariant_in_prose_is_looked_at_and_every_one_looked_at_is_in_prose() -> None:
    run_seed(0, steps=1)
    assert sorted(described()) == sorted({one.name for one in INVARIANTS})
    assert all(len(text) > 40 for text in described().values())
