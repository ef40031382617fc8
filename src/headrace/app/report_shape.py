"""The shape of a report, version 1: the fixed part that scripts rely on, and what we add to it.

Owns      field names and units. A change to the fixed part needs a new version and a line in the changelog.
"""

from typing import Final, NotRequired, TypedDict

from headrace.app.percentiles import Percentiles

VERSION: Final = 1


class ProfileFacts(TypedDict):
    rate_per_s: float | None
    seconds: float
    users: int | None
    block_time_s: float | None
    gas_limit: int | None
    fork: str | None
    recording: str | None
    submitter: str | None
    replicas: int | None
    lanes: int | None
    store: str | None
    spawn_rate_per_s: float | None
    pacing_s: float | None
    on_time_s: float
    late_limit_s: float


class Outcomes(TypedDict):
    on_time: int
    late: int
    failed: int
    never: int


class PerTransaction(TypedDict):
    p50: int
    max: int


class Part(TypedDict):
    """One kind of task. `due`: those that should have got an effect: the accepted ones, and those that got no
    answer or a refusal that is not their policy's. `on_time_percent` is of these."""

    due: int
    accepted: int
    outcomes: Outcomes
    on_time_percent: float | None


class ChainFacts(TypedDict):
    """`blocks_seen` while watching; `reverted_transactions` of the gateway's lanes; `done_twice`: tasks with more
    than one creation or response on the chain."""

    blocks_seen: int
    first_block: int | None
    last_block: int | None
    blocks_removed: int
    reverted_transactions: int
    done_twice: int


class Report(TypedDict):
    """The fixed part, then what we add. Seconds, wei and gas; `cost_wei` as text because it outgrows a float."""

    version: int
    command: str
    profile: ProfileFacts
    offered: int
    accepted: int
    refused: int
    outcomes: Outcomes
    http_s: Percentiles
    answer_s: Percentiles
    onchain_create_s: Percentiles
    onchain_e2e_s: Percentiles
    transactions: int
    blocks: int
    operations_per_transaction: PerTransaction
    gas_per_operation: int
    gas_total: int
    cost_wei: str
    cpu_s: dict[str, float]
    rss_mb: dict[str, float]
    unanswered: int
    tries: int
    valid: Part
    poisoned: Part
    refused_by: dict[str, int]
    rejected_by: dict[str, int]
    chain: ChainFacts
    rss_last_mb: dict[str, float]
    ended: str
    duration_s: float
    date: NotRequired[str]
    machine: NotRequired[str]
