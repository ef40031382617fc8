"""Writes the settings file of a gateway that settles, and serves nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from headrace.app.demo.access import NodeAccess
from headrace.app.demo.scene import LANE_KEY_ENV
from headrace.app.demo.settlement.cast import MIN_DURATION_S, OUTSIDE, PRICES, QUEUE_MAX_WAIT_S, SANDBOX
from headrace.app.demo.writing import Tuning, Value, free_port, toml_value
from headrace.chain.hexes import address_text
from headrace.core.words import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The settings' section [settlement], in seconds. Checked by `jobs.guard` when the gateway starts."""

    payment_claim_interval_s: int = 200
    payment_claim_initial_delay_s: int = 200
    claim_margin_s: int = 15
    claim_duration_timeout_s: int = 200


def write_settlement_settings(
    file: Path,
    *,
    chain_id: ChainId,
    access: NodeAccess,
    confirmations: int,
    token: Address,
    times: Times,
    jobs_at_once: int | None,
    tuning: Tuning | None = None,
) -> None:
    """`jobs_at_once`: of a compute engine of its own; None: it has none. `tuning` overrides or adds settings."""
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
        "settlement": asdict(times),
    }
    environments = {OUTSIDE: "an engine elsewhere, which reports over REST"}
    if jobs_at_once is not None:
        sections["compute"] = {"enabled": True, "environment": SANDBOX, "jobs_at_once": jobs_at_once}
        environments[SANDBOX] = "this machine, in a sandbox"
    for name, values in (tuning or {}).items():
        sections.setdefault(name, {}).update(values)
    lines = ["# Written by `headrace demo --workload settlement`, or by a bench."]
    for name, values in sections.items():
        lines += [f"[{name}]", *_lines(values)]
    lines += ["[[lanes]]", *_lines({"chain": "local", "key_env": LANE_KEY_ENV})]
    for name, description in environments.items():
        lines += _environment(name, description, token)
    file.write_text("\n".join(lines) + "\n")


def _environment(name: str, description: str, token: Address) -> list[str]:
    per_minute = ", ".join(_lines(PRICES))
    return [
        "[[settlement.environments]]",
        *_lines(
            {
                "id": name,
                "description": description,
                "min_duration_s": MIN_DURATION_S,
                "max_duration_s": 600,
                "queue_max_wait_s": QUEUE_MAX_WAIT_S,
                "free_max_duration_s": 60,
            }
        ),
        'resources = { cpu = "8", memory_gb = "32" }',
        f'prices = [{{ token = "{address_text(token)}", per_minute = {{ {per_minute} }} }}]',
    ]


def _lines(values: Mapping[str, Value]) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in values.items()]
