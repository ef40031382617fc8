"""The file that says which contracts are deployed where: deployments/{chainId}-{env}.json.

Promises  written whole or not at all; read strictly; `check` proves against the chain that the code is the one
          recorded, and names every contract that is not.
Leaves    deploying to `chain.deploying`.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.chain.hexes import Malformed, address_text, data_text, keccak, read_address, read_data, shown
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Node
from headrace.core.words import Address, BlockNumber, ChainId, TxHash

_ENV: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One contract. `code_hash` is keccak256 of its deployed code."""

    address: Address
    block: BlockNumber
    transaction: TxHash
    code_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    chain: ChainId
    env: str
    contracts: Mapping[str, Deployed]

    def contract(self, name: str) -> Deployed:
        """Raises NeedsOperator with what there is."""
        if name not in self.contracts:
            there = ", ".join(sorted(self.contracts)) or "none"
            raise NeedsOperator(
                f"{name} is not deployed on chain {self.chain} for {self.env}; there are: {there}. "
                "Run `headrace deploy`"
            )
        return self.contracts[name]


def path_of(folder: Path, *, chain: ChainId, env: str) -> Path:
    """Raises ValueError for a name of an environment that cannot be part of a file name."""
    if not _ENV.fullmatch(env):
        raise ValueError(f"{env!r} is not a name for an environment: letters, digits, '_', '.', '-', at most 64")
    return folder / f"{chain}-{env}.json"


def write(path: Path, deployment: Deployment) -> None:
    """Replaces the file in one step. Raises OSError."""
    content = {
        "chainId": deployment.chain,
        "env": deployment.env,
        "contracts": {
            name: {
                "address": address_text(contract.address),
                "block": contract.block,
                "transaction": data_text(contract.transaction),
                "codeHash": data_text(contract.code_hash),
            }
            for name, contract in deployment.contracts.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> Deployment:
    """Raises NeedsOperator, naming the file and the field."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise NeedsOperator(
            f"{path}: no such file; run `headrace deploy` for this chain and environment"
        ) from None
    except OSError as error:
        raise NeedsOperator(f"{path}: {error.strerror or 'cannot be read'}") from None
    except ValueError as error:
        raise NeedsOperator(f"{path}: not JSON: {error}") from None
    try:
        fields = _object(content, "the file")
        return Deployment(
            chain=ChainId(_whole(fields.get("chainId"), "chainId")),
            env=_text(fields.get("env"), "env"),
            contracts={
                name: _read_contract(value, f"contracts.{name}")
                for name, value in _object(fields.get("contracts"), "contracts").items()
            },
        )
    except Malformed as error:
        raise NeedsOperator(f"{path}: {error}") from None


async def check(deployment: Deployment, node: Node) -> None:
    """Raises NeedsOperator with every problem, NodeTrouble where the chain does not answer."""
    chain = await node.chain_id()
    if chain != deployment.chain:
        raise NeedsOperator(
            f"the node is on chain {chain}, the deployment {deployment.env} is for chain {deployment.chain}: "
            "correct the node's URL or choose the other deployment"
        )
    problems = []
    for name, contract in deployment.contracts.items():
        code = await node.code(contract.address)
        if not code:
            problems.append(f"{name}: no code at {address_text(contract.address)}")
        elif keccak(code) != contract.code_hash:
            problems.append(
                f"{name}: the code at {address_text(contract.address)} has the hash {data_text(keccak(code))}, "
                f"the file says {data_text(contract.code_hash)}"
            )
    if problems:
        raise NeedsOperator(
            f"deployment {deployment.env} on chain {chain}: {'; '.join(problems)}. "
            "Deploy again, or correct the file"
        )


def _read_contract(value: object, what: str) -> Deployed:
    fields = _object(value, what)
    return Deployed(
        address=read_address(fields.get("address"), f"{what}.address"),
        block=BlockNumber(_whole(fields.get("block"), f"{what}.block")),
        transaction=TxHash(read_data(fields.get("transaction"), f"{what}.transaction", size=32)),
        code_hash=read_data(fields.get("codeHash"), f"{what}.codeHash", size=32),
    )


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"{what}: {shown(value)} is not an object")
    return value


def _whole(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"{what}: {shown(value)} is not a whole number")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise Malformed(f"{what}: {shown(value)} is not a text")
    return value
