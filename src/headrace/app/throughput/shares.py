"""How much of each resource a step took: the cores, one core of a process that has only one, the gas of a block.

Owns      the choice of what binds: whatever is nearest to its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Python runs one thread at a time, and a node executes a block in one: neither gets past one core.
ON_ONE_CORE = ("gateway", "chain")


@dataclass(frozen=True, slots=True)
class Share:
    """Of `resource`, in per cent."""

    resource: str
    percent: float


def shares_of(
    cpu_s: Mapping[str, float], *, seconds: float, cores: int, gas_per_block: float, gas_limit: int
) -> list[Share]:
    """The fullest first. `cpu_s` by role, used within `seconds`; `gas_per_block` of the blocks of that time."""
    everything = 100 * sum(cpu_s.values()) / (seconds * cores)
    shares = [
        Share(f"CPU of all {cores} cores", everything),
        *(
            Share(f"the one core of the {role}", 100 * cpu_s[role] / seconds)
            for role in ON_ONE_CORE
            if role in cpu_s
        ),
        Share("gas of a block", 100 * gas_per_block / gas_limit),
    ]
    return sorted(shares, key=lambda share: share.percent, reverse=True)
