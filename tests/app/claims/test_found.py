from dataclasses import replace

from headrace.app.chain_watch.escrow_record import CallSeen, EndSeen, EscrowRecord, LockSeen, Place
from headrace.app.claims.found import ClaimsFound, found
from headrace.app.claims.pool_watch import Offered
from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text

PAYER, PAYEE, TOKEN = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
CLAIM_HASH, CANCEL_HASH = b"\x0a" * 32, b"\x0b" * 32
MARGIN_S, EXPIRY = 40, 1_000


def calldata(jobs: list[int]) -> bytes:
    token, payer = address_text(TOKEN), address_text(PAYER)
    function = load("IEscrow").abi.function("claimLocks")
    return function.encode(jobs, [token] * len(jobs), [payer] * len(jobs), [1] * len(jobs), [b"p"] * len(jobs))


def lock(job: int, *, ended_at: int, by: bytes = CLAIM_HASH, claimed: bool = True) -> LockSeen:
    made = Place(transaction=b"\x0c" * 32, block=1, timestamp_s=1, log=0)
    end = EndSeen(
        claimed=claimed,
        amount=5,
        proof=b"",
        place=Place(transaction=by, block=9, timestamp_s=ended_at, log=0),
    )
    return LockSeen(payee=PAYEE, payer=PAYER, token=TOKEN, job=job, amount=5, expiry=EXPIRY, made=made, end=end)


def call(hash_: bytes, selector: bytes, claims: int) -> CallSeen:
    return CallSeen(
        place=Place(transaction=hash_, block=9, timestamp_s=900, log=0),
        sender=PAYEE,
        nonce=0,
        selector=selector,
        ok=True,
        gas_used=100_000,
        gas_limit=120_000,
        fee_wei=1,
        locks=0,
        claims=claims,
        cancels=0,
    )


def seen(locks: list[LockSeen], offered: dict[bytes, Offered] | None = None) -> ClaimsFound:
    record = EscrowRecord(
        first_block=0,
        last_block=9,
        locks=locks,
        calls=[call(CLAIM_HASH, calldata([1])[:4], len(locks))],
        accounts={},
        tokens={},
        loose_ends=0,
    )
    return found(record, payee=PAYEE, margin_s=MARGIN_S, offered=offered or {})


def test_claims_are_counted_with_their_gas() -> None:
    result = seen([lock(1, ended_at=900), lock(2, ended_at=900)])
    assert (result.claimed, len(result.claims), result.gas_per_claim, result.gas_max) == (2, 1, 50_000, 100_000)
    assert (result.twice, result.too_late) == (0, 0)


def test_a_claim_that_is_mined_within_the_margin_is_too_late_also_if_it_turned_into_a_cancel() -> None:
    assert seen([lock(1, ended_at=EXPIRY - MARGIN_S)]).too_late == 0
    assert seen([lock(1, ended_at=EXPIRY - MARGIN_S + 1)]).too_late == 1
    assert seen([lock(1, ended_at=EXPIRY + 5, claimed=False)]).too_late == 1


def test_a_cancel_after_expiry_is_not_too_late() -> None:
    assert seen([lock(1, ended_at=EXPIRY + 5, by=CANCEL_HASH, claimed=False)]).too_late == 0


def test_a_claim_that_was_offered_too_late_counts_though_it_was_never_mined() -> None:
    locks = [lock(1, ended_at=900), lock(2, ended_at=EXPIRY + 5, by=CANCEL_HASH, claimed=False)]
    in_time = {b"\x01" * 32: Offered(EXPIRY - MARGIN_S - 1.0, calldata([1, 2]))}
    assert seen(locks, in_time).too_late == 0
    too_late = {b"\x01" * 32: Offered(EXPIRY - MARGIN_S + 1.0, calldata([7, 2]))}
    assert seen(locks, too_late).too_late == 1


def test_a_job_with_two_locks_is_seen() -> None:
    assert seen([lock(1, ended_at=900), replace(lock(1, ended_at=901))]).twice == 1
