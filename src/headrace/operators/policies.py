"""Policies: what each client lets happen, loaded from a folder of TOML files.

Owns      the files' form, the policy id, the look-up by client.
Promises  all problems of all files at once, with file and field; a loaded policy compiled and one per client.
Leaves    the language to `operators.expression`.

A file:   client = "0x…"                     the policy client's address
          name = "transfers-up-to-1-ether"
          expression = "…"                   CEL, see operators.expression
          expire_after_blocks = 100          the answer counts until created_block + this
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_utils.crypto import keccak

from headrace.core.errors import NeedsOperator
from headrace.core.words import Address
from headrace.operators.expression import BadExpression, Expression

FILE_BYTES_MAX: Final = 65_536
EXPIRE_AFTER_BLOCKS_MAX: Final = 1_000_000
_CLIENT: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME: Final = re.compile(r"[\w][\w .:/-]{0,99}")
_FIELDS: Final = ("client", "name", "expression", "expire_after_blocks")


class BadPolicies(NeedsOperator):
    """The folder cannot be used. `problems`: one line each, `file: field: what is wrong`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("policies: " + "; ".join(self.problems), problems=list(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    client: Address
    name: str
    expression: Expression
    policy_id: bytes
    expire_after_blocks: int

    @classmethod
    def of(cls, *, client: Address, name: str, expression: str, expire_after_blocks: int) -> "Policy":
        """Raises BadExpression."""
        return cls(
            client=client,
            name=name,
            expression=Expression(expression),
            policy_id=policy_id(expression),
            expire_after_blocks=expire_after_blocks,
        )


def policy_id(expression: str) -> bytes:
    """keccak256 of the expression's text in UTF-8: what a client's contract gives as `policyId()`."""
    return keccak(text=expression)


class Policies:
    """Policies by client. Immutable."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_client = {policy.client: policy for policy in policies}

    def of(self, client: Address) -> Policy | None:
        return self._by_client.get(client)

    @property
    def clients(self) -> frozenset[Address]:
        return frozenset(self._by_client)

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._by_client.values())

    def __len__(self) -> int:
        return len(self._by_client)


def load_policies(folder: Path) -> Policies:
    """Every *.toml of the folder. Raises BadPolicies."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise BadPolicies([f"{folder}: cannot be read: {error.strerror}"]) from None
    if not files:
        raise BadPolicies([f"{folder}: has no .toml file"])
    problems: list[str] = []
    policies: list[Policy] = []
    owners: dict[Address, Path] = {}
    for file in files:
        policy, found = _load_file(file)
        problems += [f"{file.name}: {problem}" for problem in found]
        if policy is None:
            continue
        if (first := owners.setdefault(policy.client, file)) != file:
            problems.append(f"{file.name}: client: 0x{policy.client.hex()} has a policy already, in {first.name}")
        policies.append(policy)
    if problems:
        raise BadPolicies(problems)
    return Policies(policies)


def _load_file(file: Path) -> tuple[Policy | None, list[str]]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            return None, [f"larger than {FILE_BYTES_MAX} bytes"]
        content = tomllib.loads(file.read_text())
    except OSError as error:
        return None, [f"cannot be read: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return None, [f"not TOML: {error}"]
    problems = [f"{key}: unknown field (known: {', '.join(_FIELDS)})" for key in content if key not in _FIELDS]
    problems += [f"{key}: missing" for key in _FIELDS if key not in content]
    problems += [
        f"{key}: {problem}" for key, check in _CHECKS.items() if key in content for problem in check(content[key])
    ]
    if problems:
        return None, problems
    return (
        Policy.of(
            client=Address(bytes.fromhex(content["client"][2:])),
            name=content["name"],
            expression=content["expression"],
            expire_after_blocks=content["expire_after_blocks"],
        ),
        [],
    )


def _check_client(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not _CLIENT.fullmatch(value):
        yield f"{value!r} is no address (0x and 40 hex digits)"
    elif int(value, 16) == 0:
        yield "the zero address has no policy"


def _check_name(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        yield f"{value!r} is no name (1 to 100 letters, digits, and any of _ . : / - and space)"


def _check_expression(value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{value!r} is no text"
        return
    try:
        Expression(value)
    except BadExpression as bad:
        yield from bad.problems


def _check_expire_after(value: Any) -> Iterator[str]:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= EXPIRE_AFTER_BLOCKS_MAX:
        yield f"{value!r} is no number of blocks from 1 to {EXPIRE_AFTER_BLOCKS_MAX}"


_CHECKS: Final = {
    "client": _check_client,
    "name": _check_name,
    "expression": _check_expression,
    "expire_after_blocks": _check_expire_after,
}
