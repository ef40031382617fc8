"""What stays the same for one run of the simulation: settings, contracts, how heads travel. From its seed."""

import random
from dataclasses import dataclass
from typing import Final, Self

from headrace.app.settings import Settings
from headrace.testing.builders import BATCH_TASK_MANAGER, CHAIN, TASK_MANAGER
from headrace.workloads.tasks.workload import TaskContracts

GWEI: Final = 10**9
ITEM_GAS: Final = 450_000
MAX_RETRIES: Final = 2
BUMP_PERCENT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`polls`: heads are asked for, not announced. `deep`: reorgs may go below what was final, once the promise
    is different (see invariants.md). `windows`: blocks to create and to respond."""

    lanes: int
    confirmations: int
    in_flight_max: int
    most: int
    ceiling_gwei: int
    batched: bool
    strict_only: bool
    interval_flush: bool
    polls: bool
    remembers_uncled: bool
    deep: bool
    windows: tuple[int, int]

    @classmethod
    def of_seed(cls, seed: int) -> Self:
        pick = random.Random(f"profile {seed}").choice
        return cls(
            lanes=pick([1, 2, 2, 3]),
            confirmations=pick([2, 3, 4, 6]),
            in_flight_max=pick([1, 2, 4]),
            most=pick([2, 5, 120]),
            ceiling_gwei=pick([500, 30]),
            batched=pick([True, True, True, True, False]),
            strict_only=pick([False, False, True]),
            interval_flush=pick([False, False, False, True]),
            polls=pick([False, False, True]),
            remembers_uncled=pick([True, False]),
            deep=pick([False] * 11 + [True]),
            windows=pick([(64, 128), (20, 40), (10**6, 10**6)]),
        )

    @property
    def contracts(self) -> TaskContracts:
        if not self.batched:
            return TaskContracts(task_manager=TASK_MANAGER, batch=None)
        return TaskContracts(
            task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=ITEM_GAS, strict_only=self.strict_only
        )

    def settings(self) -> Settings:
        """As a person would write them."""
        return Settings.model_validate(
            {
                "chains": {
                    "simulated": {
                        "chain_id": CHAIN,
                        "http": ["http://127.0.0.1:1"],
                        "deployment": "unused.json",
                        "confirmations": self.confirmations,
                        "tip_wei": GWEI,
                        "fee_ceiling_gwei": self.ceiling_gwei,
                        "bump_percent": BUMP_PERCENT,
                    }
                },
                "lanes": [
                    {
                        "chain": "simulated",
                        "key_env": f"LANE_{index}",
                        "transactions_in_flight_max": self.in_flight_max,
                    }
                    for index in range(self.lanes)
                ],
                "batch_submitter": {
                    "enabled": self.batched,
                    "max_create_batch_size": self.most,
                    "max_respond_batch_size": self.most,
                    "flush": "interval" if self.interval_flush else "block",
                    "max_retries": MAX_RETRIES,
                    "receipt_timeout_s": 30,
                },
            }
        )
