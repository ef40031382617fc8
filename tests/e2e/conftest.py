import pytest

from e2e.playing import Play
from headrace.app.load.profile import OpenLoop
from headrace.app.report import Limits


@pytest.fixture
def play(tmp_path, capsys) -> Play:
    """A small demo: everything real, over in seconds."""
    return Play(
        base=tmp_path,
        options={
            "profile": OpenLoop(rate_per_s=20, seconds=6),
            "block_time_s": 1,
            "gas_limit": 60_000_000,
            "recording": "combined",
            "submitter": "batched",
            "poison_percent": 0.0,
            "limits": Limits(on_time_s=60, late_limit_s=90),
            "serve": False,
            "seed": 1,
        },
    )
