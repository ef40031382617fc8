"""Holds what the gateway tells of each job against what the chain shows, and both against what must be.

Owns      the comparison, job by job, and the cost of a job as reckoned here: from prices and times alone.
Promises  a plain function; what does not hold is said in words, with both values. A job is right only if all of it
          is: how it ended, what was locked, what was paid, what went back, and which transaction proves it.
Leaves    reading the chain to `app.chain_watch`, asking the gateway to `acts`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from headrace.app.chain_watch.escrow_record import EscrowRecord, LockSeen
from headrace.app.demo.settlement.acts import Played
from headrace.app.demo.settlement.cast import MIN_DURATION_S, Casting, Part
from headrace.app.demo.settlement.contracts import FEE_PER_1E18, UNIT
from headrace.app.demo.settlement.rest import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One job. `locks` are all that the chain ever had of it. No `wrong`: all of it is right."""

    casting: Casting
    job: Json | None
    settlement: Json | None
    locks: Sequence[LockSeen]
    wrong: Sequence[str]

    @property
    def state(self) -> str:
        return "none" if self.job is None else str(self.job["settlement"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`problems` are of the whole: books, times, what nobody asked for."""

    jobs: Sequence[Judged]
    problems: Sequence[str]

    @property
    def right(self) -> int:
        return sum(not job.wrong for job in self.jobs)

    def all_problems(self) -> list[str]:
        return [*self.problems, *(f"{job.casting.id}: {wrong}" for job in self.jobs for wrong in job.wrong)]


def judge(played: Played, record: EscrowRecord, *, payee: bytes) -> Judgement:
    """`payee` is the gateway's lane."""
    ours: dict[tuple[bytes, int], list[LockSeen]] = {}
    for lock in record.locks:
        if lock.payee == payee:
            ours.setdefault((lock.payer, lock.job), []).append(lock)
    judged = []
    for casting in played.castings:
        told, job = played.settlements.get(casting.id), played.jobs.get(casting.id)
        locks = [] if told is None else ours.pop(_key(casting, told), [])
        judged.append(
            Judged(
                casting=casting,
                job=job,
                settlement=told,
                locks=locks,
                wrong=list(_of_job(casting, job, told, locks, played)),
            )
        )
    problems = [*played.missing, *record.imbalances(), *_of_payee(record, payee)]
    problems += [f"{id}: was refused: {why}" for id, why in played.refused.items()]
    if ours:
        problems.append(f"{len(ours)} locks of the gateway belong to no job")
    return Judgement(jobs=judged, problems=problems)


def reckoned(casting: Casting, job: Json) -> int:
    """What it cost, in the token's smallest unit: begun minutes of its run, of no less than the minimum."""
    run = job["run"]
    used_ms: int = 0
    if run["started_at"] is not None and run["stopped_at"] is not None:
        used_ms = round(run["stopped_at"] * 1000) - round(run["started_at"] * 1000)
    used_ms = max(min(used_ms, job["max_duration_s"] * 1000), MIN_DURATION_S * 1000)
    minutes: int = -(-used_ms // 60_000)
    return math.ceil(casting.per_minute * minutes * UNIT)


def locked(casting: Casting) -> int:
    """What was to be locked: the longest run, of no less than the minimum."""
    minutes = -(-max(int(casting.body["max_duration_s"]), MIN_DURATION_S) // 60)
    return math.ceil(Fraction(casting.per_minute) * minutes * UNIT)


def _key(casting: Casting, told: Json) -> tuple[bytes, int]:
    if casting.payer is None or told["terms"] is None:
        return b"", 0
    return bytes(casting.payer), int(told["terms"]["number_on_chain"], 16)


def _of_job(
    casting: Casting, job: Json | None, told: Json | None, locks: Sequence[LockSeen], played: Played
) -> Iterator[str]:
    if job is None or told is None:
        yield "the gateway does not know it"
        return
    ending = casting.ending
    if job["settlement"] != ending.state:
        yield f"its payment is {job['settlement']} ({told['reason']}), and must be {ending.state}"
    if job["status"] != ending.status:
        yield f"its status is {job['status']} ({job['status_text']}), and must be {ending.status}"
    code = None if job["result"] is None else job["result"]["exit_code"]
    if ending.exit_code is not None and code != ending.exit_code:
        yield f"its exit code is {code}, and must be {ending.exit_code}"
    if ending.state in ("free", "no_lock"):
        if locks:
            yield f"it has {len(locks)} locks on chain, and must have none"
    elif len(locks) != 1:
        yield f"it has {len(locks)} locks on chain, and must have one"
    else:
        yield from _of_money(casting, job, told, locks[0], played)


def _of_money(casting: Casting, job: Json, told: Json, lock: LockSeen, played: Played) -> Iterator[str]:
    end, money, proof = lock.end, told["money"], told["proof"]
    if end is None:
        yield f"its lock of {lock.amount} is still there"
        return
    if money is None or proof is None:
        yield "its lock has ended on chain, and the gateway has no proof of it"
        return
    due = reckoned(casting, job) if casting.ending.state == "claimed" else 0
    compared: Mapping[str, tuple[object, object]] = {
        "locked": (int(told["lock"]["amount"]["units"]), lock.amount),
        "to be locked": (lock.amount, locked(casting)),
        "expiry": (told["lock"]["expiry"], lock.expiry),
        "transaction of the lock": (told["lock"]["transaction"], "0x" + lock.made.transaction.hex()),
        "paid": (int(money["claimed"]["units"]), lock.paid),
        "due": (lock.paid, due),
        "returned": (int(money["returned"]["units"]), lock.returned),
        "proof": (proof["transaction"], "0x" + end.place.transaction.hex()),
        "block of the proof": (proof["block"], end.place.block),
        "claimed, not canceled": (end.claimed, casting.ending.state != "canceled"),
    }
    for what, (one, other) in compared.items():
        if one != other:
            yield f"{what}: {one} here, {other} there"
    expected = _by_others(casting, played)
    if expected is not None and end.place.transaction != expected:
        yield f"it was ended by 0x{end.place.transaction.hex()}, not by 0x{expected.hex()}"
    if end.claimed and end.place.timestamp_s > lock.expiry:
        yield f"claimed at {end.place.timestamp_s}, after its lock expired at {lock.expiry}"


def _by_others(casting: Casting, played: Played) -> bytes | None:
    """Who else was to end this lock."""
    match casting.part:
        case Part.BY_HAND:
            return played.claimed_by_hand
        case Part.LATE_AND_CANCELED:
            return played.canceled_by_stranger
        case _:
            return None


def fee_of(paid: int) -> int:
    """The collector's share of one claim, rounded down as the escrow does."""
    return paid * FEE_PER_1E18 // 10**18


def _of_payee(record: EscrowRecord, payee: bytes) -> Iterator[str]:
    """What was earned was withdrawn, less the fees, and nothing else."""
    for (user, token), account in record.accounts.items():
        if user != payee:
            continue
        mine = [lock for lock in record.locks if (lock.payee, lock.token) == (payee, token)]
        net = sum(lock.paid - fee_of(lock.paid) for lock in mine)
        if account.withdrawn != net:
            yield f"the payee earned {net} of 0x{token.hex()} after fees, and {account.withdrawn} were withdrawn"
        if account.available or account.locked or account.deposited:
            yield (
                f"the payee has {account.available} available, {account.locked} locked and {account.deposited} "
                f"deposited of 0x{token.hex()}: nothing should be left of its own"
            )
