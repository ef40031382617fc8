"""The section `settlement` of a report, and the report that has it.

Owns      field names and units. Amounts are text: whole numbers of the token's smallest unit outgrow a float.
"""

from typing import TypedDict

from headrace.app.report_shape import Report


class SingleFacts(TypedDict):
    """Gas, measured in the same run on the same chain: see `one_by_one`. `claim_alone`: by `claimLocks` of one."""

    locks: int
    singles: int
    lock_batched: int
    claim_single: int
    claim_alone: int
    claim_batched: int
    claim_batched_percent: float


class GasFacts(TypedDict):
    """Of the gateway's own transactions, from their receipts. `claim_percent_of_single`: against `claimLock`, one
    by one, on the same escrow. `job`: everything, by the paid jobs."""

    lock: int
    claim: int
    cancel: int
    job: int
    claim_percent_of_single: float
    one_by_one: dict[str, SingleFacts]


class TransactionFacts(TypedDict):
    """The gateway's own, by the function that they called. `claims` are those of releases too."""

    locks: int
    claims: int
    cancels: int
    withdrawals: int
    reverted: int
    claim_gas_max: int
    claims_per_transaction_max: int


class MoneyFacts(TypedDict):
    """Of the gateway's jobs; `deposited`, `left`, `locked` and `paid_to_others` of their payers. `earned` is after
    fees, `returned` is what locks gave back, `taken_out` what payers withdrew."""

    token: str
    decimals: int
    deposited: str
    locked_in_all: str
    paid: str
    fees: str
    earned: str
    withdrawn: str
    returned: str
    taken_out: str
    paid_to_others: str
    left: str
    locked: str


class PayerFacts(TypedDict):
    payer: str
    jobs: int
    deposited: str
    paid: str
    returned: str
    taken_out: str
    paid_to_others: str
    left: str


class PartFacts(TypedDict):
    """`jobs` of one part of the play, of which so many are `right`. `settlement`: how they ended."""

    what: str
    jobs: int
    right: int
    settlement: dict[str, int]


class RunFacts(TypedDict):
    """A claim run, as the gateway tells it."""

    id: int
    because: str
    counts: dict[str, int]
    troubles: list[str]


class SettlementSection(TypedDict):
    escrow: str
    payee: str
    paid_jobs: int
    free_jobs: int
    payers: list[PayerFacts]
    parts: dict[str, PartFacts]
    settlement: dict[str, int]
    statuses: dict[str, int]
    money: MoneyFacts
    gas: GasFacts
    transactions: TransactionFacts
    runs: list[RunFacts]
    books_balance: bool
    problems: list[str]


class SettlementReport(Report):
    """A report of version 1 with one section more."""

    settlement: SettlementSection
