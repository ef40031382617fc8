"""README.md says what bench/results/ says, and nothing beside it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_the_readme_quotes_is_what_was_measured() -> None:
    command = [sys.executable, str(ROOT / "docs" / "quote_results.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
