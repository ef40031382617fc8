"""Runs the contracts' own tools, as a person at a terminal would.

Owns      the command lines of build.mjs and forge.
Promises  their whole output is in the failure message; nothing in the working copy is changed.
"""

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CONTRACTS = PROJECT / "contracts"
ARTIFACTS = PROJECT / "src" / "headrace" / "chain" / "artifacts"
SNAPSHOTS = CONTRACTS / "snapshots"
FORGE = PROJECT / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin" / "forge"

# Compiling everything takes 20 s on a quiet core; a shared machine is not quiet.
TIMEOUT_S = 840


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`node contracts/build.mjs` with these arguments."""
    return _run(["node", str(CONTRACTS / "build.mjs"), *arguments], {})


def forge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`forge` with these arguments, in the contracts' folder."""
    assert FORGE.exists(), f"{FORGE} is missing: run npm ci"
    return _run([str(FORGE), *arguments, "--root", str(CONTRACTS), "--color", "never"], environment)


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=CONTRACTS,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
    )
