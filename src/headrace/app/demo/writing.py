"""Writes the settings file of a demo's gateway.

Promises  its port is fixed in it, so that a gateway that is started again is found where it was.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headrace.app.demo.access import NodeAccess
from headrace.app.demo.scene import LANE_KEY_ENV
from headrace.chain.hexes import address_text
from headrace.core.words import Address, ChainId

HOST: Final = "127.0.0.1"

Value = str | int | float | bool | tuple[str, ...]
Tuning = Mapping[str, Mapping[str, Value]]  # by section, e.g. {"chains.local": {"confirmations": 6}}


def write_settings(
    file: Path,
    *,
    chain_id: ChainId,
    access: NodeAccess,
    confirmations: int,
    recording: str,
    batched: bool,
    operators: Mapping[Address, str],
    tuning: Tuning,
) -> None:
    sections: dict[str, dict[str, Value]] = {
        "gateway": {"port": free_port()},
        "store": {"path": "headrace.db"},
        "chains.local": {
            "chain_id": chain_id,
            "http": access.http,
            "ws": access.ws,
            "confirmations": confirmations,
            "block_share": 1.0,
            "deployment": f"deployments/{chain_id}-demo.json",
        },
        "batch_submitter": {"enabled": batched},
        "tasks": {"recording": recording if batched else "separate", "policies": "policies"},
    }
    for name, values in tuning.items():
        sections.setdefault(name, {}).update(values)
    lines = ["# Written by `headrace demo`."]
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
    lines += ["[[lanes]]", 'chain = "local"', f'key_env = "{LANE_KEY_ENV}"']
    for address, url in operators.items():
        lines += ["[[operators.endpoints]]", f'address = "{address_text(address)}"', f'url = "{url}"']
    file.write_text("\n".join(lines) + "\n")


def toml_value(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return "[" + ", ".join(toml_value(part) for part in value) + "]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
