"""Compiled contracts: those packaged with this module, and ABI files of others.

Promises  an artifact that is not there, or not one, is refused with the reason and what there is.
Leaves    compiling them to `contracts/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from headrace.chain.abi import Abi
from headrace.chain.hexes import Malformed, read_data, shown

_FOLDER: Final = files("headrace.chain") / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract. `bytecode` creates it (constructor arguments come after); empty for an interface."""

    name: str
    abi: Abi = field(repr=False)
    bytecode: bytes = field(repr=False)

    def init_code(self, *args: object) -> bytes:
        """What a creation transaction carries. Raises ValueError for arguments that do not fit."""
        if not self.bytecode:
            raise ValueError(f"{self.name} has no bytecode: it is an interface and cannot be deployed")
        return self.bytecode + self.abi.encode_constructor(*args)


def packaged() -> tuple[str, ...]:
    """Names of the contracts that come with this package."""
    names = (file.name for file in _FOLDER.iterdir()) if _FOLDER.is_dir() else ()
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@lru_cache(maxsize=64)
def load(name: str) -> Artifact:
    """A packaged artifact. Raises KeyError with the names there are."""
    if name not in packaged():
        raise KeyError(f"no packaged contract {name}; there are: {', '.join(packaged()) or 'none'}")
    return read_artifact((_FOLDER / f"{name}.json").read_text(), f"{name}.json")


def read_artifact(text: str, what: str) -> Artifact:
    """The JSON of one compiled contract: contractName, abi, bytecode. Raises ValueError."""
    content = _json(text, what)
    if not isinstance(content, Mapping) or not isinstance(name := content.get("contractName"), str):
        raise ValueError(f"{what}: not an artifact, contractName is missing")
    try:
        bytecode = read_data(content.get("bytecode"), f"{what}: bytecode")
    except Malformed as error:
        raise ValueError(f"{error}; unlinked libraries are not supported") from error
    return Artifact(name, _abi(content.get("abi"), name, what), bytecode)


def read_abi_file(path: Path) -> Abi:
    """An ABI alone (a JSON array), or within an artifact of any tool (under "abi"). Raises ValueError, OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not JSON: it is no text") from None
    content = _json(text, str(path))
    if isinstance(content, Mapping) and "abi" not in content:
        raise ValueError(f'{path}: not an ABI: neither an array nor an object with one under "abi"')
    entries = content["abi"] if isinstance(content, Mapping) else content
    return _abi(entries, path.stem, str(path))


def _abi(entries: object, name: str, what: str) -> Abi:
    if not isinstance(entries, list):
        raise ValueError(f"{what}: abi: {shown(entries)} is not an array")
    try:
        return Abi(entries, name=name)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _json(text: str, what: str) -> object:
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: not JSON: {error}") from None
    return content
