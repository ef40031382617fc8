"""What a demo run is made of on disk: its folder, keys, policies and settings.

Owns      the run folder `.headrace/runs/...` and everything in it.
Promises  keys are made anew for each run, used on a local chain only, and never shown.
"""

import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.attest import bls
from headrace.attest.keystore import write_keystore
from headrace.chain.hexes import address_text
from headrace.core.errors import NeedsOperator
from headrace.core.words import Address
from headrace.operators.policies import policy_id
from headrace.testing.keys import TestKey, keys_from_seed

RUNS_KEPT: Final = 5
OPERATOR_STAKE: Final = 100
PASSPHRASE_ENV: Final = "HEADRACE_DEMO_PASSPHRASE"  # noqa: S105 - the name of a variable
LANE_KEY_ENV: Final = "HEADRACE_DEMO_LANE_KEY"
# Keys that live for one run on a local chain: the derivation is kept cheap so that processes start at once.
DEMO_SCRYPT_N: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPolicy:
    name: str
    expression: str
    expire_after_blocks: int = 300

    @property
    def policy_id(self) -> bytes:
        return policy_id(self.expression)


TRANSFERS: Final = DemoPolicy(
    name="transfers", expression='intent.chain_id == 31337 && wei_at_most(intent.value, "5000000000000000000")'
)
SMALL_TRANSFERS: Final = DemoPolicy(
    name="small-transfers", expression='wei_at_most(intent.value, "1000000000000000000")'
)
# Its client is a contract that is no policy client: every task passes off chain and reverts on chain.
POISON: Final = DemoPolicy(name="poison", expression="true")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOperator:
    address: Address
    key: bls.SecretKey
    keystore: Path


@dataclass(frozen=True, slots=True)
class Scene:
    """One run's folder."""

    folder: Path
    passphrase: str

    @property
    def settings(self) -> Path:
        return self.folder / "headrace.toml"

    @property
    def policies(self) -> Path:
        return self.folder / "policies"

    @property
    def store(self) -> Path:
        return self.folder / "headrace.db"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def deployment(self, chain_id: int) -> Path:
        return self.folder / "deployments" / f"{chain_id}-demo.json"

    def make_operators(self, count: int) -> list[DemoOperator]:
        accounts: Sequence[TestKey] = keys_from_seed(secrets.randbits(64), count)
        operators = []
        for index, account in enumerate(accounts):
            key = bls.SecretKey.generate()
            path = self.folder / f"operator-{index}.keystore.json"
            write_keystore(path, key, passphrase=self.passphrase, scrypt_n=DEMO_SCRYPT_N)
            operators.append(DemoOperator(address=account.address, key=key, keystore=path))
        return operators

    def write_policies(self, clients: Mapping[DemoPolicy, Address]) -> None:
        self.policies.mkdir()
        for policy, client in clients.items():
            text = (
                f'client = "{address_text(client)}"\nname = "{policy.name}"\n'
                f"expression = '''{policy.expression}'''\nexpire_after_blocks = {policy.expire_after_blocks}\n"
            )
            (self.policies / f"{policy.name}.toml").write_text(text)


def new_scene(base: Path) -> Scene:
    """A fresh folder under `base`/.headrace/runs; `base`/.headrace/latest points to it; old ones are removed.

    Raises NeedsOperator where files cannot be made there."""
    try:
        return Scene(_new_folder(base / ".headrace"), secrets.token_hex(16))
    except OSError as error:
        raise NeedsOperator(
            f"{error.filename}: {error.strerror}: the demo keeps its files in {base / '.headrace'}; make room for "
            "it there, or run it in another folder"
        ) from None


def _new_folder(home: Path) -> Path:
    latest, runs = home / "latest", home / "runs"
    latest.unlink(missing_ok=True)
    folder = _not_yet_there(runs)
    folder.mkdir(parents=True)
    latest.symlink_to(folder.relative_to(home))
    for old in sorted(runs.iterdir())[:-RUNS_KEPT]:
        if not _is_running(old):
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _not_yet_there(runs: Path) -> Path:
    """Named by the moment and the process; one process may play several scenes at once."""
    moment, number = time.strftime("%Y%m%d-%H%M%S"), 1
    folder = runs / f"{moment}-{os.getpid()}"
    while folder.exists():
        number += 1
        folder = runs / f"{moment}.{number}-{os.getpid()}"
    return folder


def _is_running(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    return pid.isdecimal() and Path(f"/proc/{pid}").exists()
