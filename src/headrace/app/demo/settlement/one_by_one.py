"""What claims cost that are made one by one, and in a batch, measured on the chain that the demo runs on.

Owns      the experiment: a second provider, with jobs of the same payers, on both escrows. It has as many locks
          as there are jobs, and claims some singly, by `claimLock`, evenly spread over them; some by `claimLocks`
          of one; then the rest by `claimLocks`, so many in each.
Promises  real transactions, and the gas of their receipts; nothing is estimated.
Leaves    what the gateway's own claims cost to the independent read of the chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.demo.settlement.payers import Account
from headrace.app.demo.settlement.sending import Senders, Wish, call
from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text
from headrace.core.words import Address
from headrace.jobs.scan_order import least_scanning
from headrace.testing.keys import TestKey

_ABI: Final = load("IEscrow").abi
_GAS_MAX: Final = 1 << 24  # of a transaction, from Osaka on
_SECONDS: Final = 3_600
_PROOF_BYTES: Final = 32
_LOCKS_PER_BATCH: Final = 20  # an escrow that scans does so for each of them, through all that are there

Claim = tuple[Address, int]  # payer, and the job's number


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`per_batch`: claims in one transaction. `amount` of each lock, all of it claimed."""

    provider: TestKey
    escrow: Address
    token: Address
    amount: int
    singles: int
    per_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Gas, of receipts: a mean of each. `claim_single` with `locks` there at first, by `claimLock`; `claim_alone`
    the same by `claimLocks` of one; `claim_batched` per claim."""

    locks: int
    singles: int
    lock_batched: int
    claim_single: int
    claim_alone: int
    claim_batched: int
    batches: int
    batch_gas_max: int

    @property
    def claim_share_percent(self) -> float:
        return 100 * self.claim_batched / self.claim_single


async def measure(senders: Senders, experiment: Experiment, accounts: Sequence[Account], locks: int) -> Measured:
    """One lock after the other of these payers, in turn. On a chain that mines nothing by itself."""
    made = [(accounts[i % len(accounts)].payer.address, i + 1) for i in range(locks)]
    locking = await senders.mine([_lock(experiment, part) for part in _parts(made, _LOCKS_PER_BATCH)])
    # Each time in the order that costs an escrow least that looks for every lock from the front.
    alone, left = _spread(made, experiment.singles)
    singles = await senders.mine([_claim_one(experiment, payer, job) for payer, job in alone])
    of_one, left = _spread(left, experiment.singles)
    lonely = await senders.mine([_claim_many(experiment, [one]) for one in of_one])
    order, _ = least_scanning(left, left)
    batches = await senders.mine([_claim_many(experiment, part) for part in _parts(order, experiment.per_batch)])
    return Measured(
        locks=locks,
        singles=len(alone),
        lock_batched=sum(one.gas_used for one in locking) // locks,
        claim_single=sum(one.gas_used for one in singles) // len(alone),
        claim_alone=sum(one.gas_used for one in lonely) // len(of_one),
        claim_batched=sum(one.gas_used for one in batches) // len(order),
        batches=len(batches),
        batch_gas_max=max(one.gas_used for one in batches),
    )


def _spread(locks: Sequence[Claim], count: int) -> tuple[list[Claim], list[Claim]]:
    """So many of them, evenly spread, and what an escrow has left."""
    step = max(len(locks) // count, 1)
    return least_scanning(locks, locks[step // 2 :: step][:count])


def _lock(experiment: Experiment, part: Sequence[Claim]) -> Wish:
    data = call(
        _ABI,
        "createLocks",
        [job for _, job in part],
        [address_text(experiment.token)] * len(part),
        [address_text(payer) for payer, _ in part],
        [experiment.amount] * len(part),
        [_SECONDS] * len(part),
    )
    return _wish(experiment, data, "createLocks")


def _claim_one(experiment: Experiment, payer: Address, job: int) -> Wish:
    token, payer_text = address_text(experiment.token), address_text(payer)
    data = call(_ABI, "claimLock", job, token, payer_text, experiment.amount, _proof(job))
    return _wish(experiment, data, "claimLock")


def _claim_many(experiment: Experiment, part: Sequence[Claim]) -> Wish:
    data = call(
        _ABI,
        "claimLocks",
        [job for _, job in part],
        [address_text(experiment.token)] * len(part),
        [address_text(payer) for payer, _ in part],
        [experiment.amount] * len(part),
        [_proof(job) for _, job in part],
    )
    return _wish(experiment, data, "claimLocks")


def _proof(job: int) -> bytes:
    """As long as the commitment that the gateway sends."""
    return bytes([1 + job % 255]) * _PROOF_BYTES


def _wish(experiment: Experiment, data: bytes, what: str) -> Wish:
    return Wish(key=experiment.provider, to=experiment.escrow, data=data, gas=_GAS_MAX, what=what)


def _parts(many: Sequence[Claim], size: int) -> list[Sequence[Claim]]:
    return [many[start : start + size] for start in range(0, len(many), size)]
