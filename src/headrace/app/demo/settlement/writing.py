"""Writes the settings file of a gateway that settles, and serves nothing else."""

from dataclasses import dataclass
from pathlib import Path

from headrace.app.demo.access import NodeAccess
from headrace.app.demo.scene import LANE_KEY_ENV
from headrace.app.demo.settlement.cast import MIN_DURATION_S, OUTSIDE, PRICES, QUEUE_MAX_WAIT_S, SANDBOX
from headrace.app.demo.writing import free_port
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
    compute: bool,
    jobs_at_once: int,
    more: str = "",
) -> None:
    """`compute`: with an engine of its own. `more`: TOML to be appended."""
    http = ", ".join(f'"{url}"' for url in access.http)
    environments = [(OUTSIDE, "an engine elsewhere, which reports over REST")]
    if compute:
        environments.append((SANDBOX, "this machine, in a sandbox"))
    text = f"""# Written by `headrace demo --workload settlement`.
[gateway]
port = {free_port()}
[store]
path = "headrace.db"
[chains.local]
chain_id = {chain_id}
http = [{http}]
ws = "{access.ws}"
confirmations = {confirmations}
block_share = 1.0
deployment = "deployments/{chain_id}-demo.json"
[[lanes]]
chain = "local"
key_env = "{LANE_KEY_ENV}"
[settlement]
payment_claim_interval_s = {times.payment_claim_interval_s}
payment_claim_initial_delay_s = {times.payment_claim_initial_delay_s}
claim_margin_s = {times.claim_margin_s}
claim_duration_timeout_s = {times.claim_duration_timeout_s}
"""
    if compute:
        text += f"""[compute]
enabled = true
environment = "{SANDBOX}"
jobs_at_once = {jobs_at_once}
"""
    for name, description in environments:
        text += _environment(name, description, token)
    file.write_text(text + more)


def _environment(name: str, description: str, token: Address) -> str:
    prices = ", ".join(f'{resource} = "{price}"' for resource, price in PRICES.items())
    return f"""[[settlement.environments]]
id = "{name}"
description = "{description}"
min_duration_s = {MIN_DURATION_S}
max_duration_s = 600
queue_max_wait_s = {QUEUE_MAX_WAIT_S}
free_max_duration_s = 60
resources = {{ cpu = "8", memory_gb = "32" }}
prices = [{{ token = "{address_text(token)}", per_minute = {{ {prices} }} }}]
"""
