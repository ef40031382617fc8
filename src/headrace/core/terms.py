"""What a paid job costs, by the terms that held when its money was locked.

Owns      prices as exact fractions, the cost rule, the amount and the time of a lock, a job's number on chain.
Promises  no floats: whole units of the token in and out; rounded up once, at the end; never more than the lock.
Leaves    how long a job ran to `core.job`, decimals of a token and who may pay to others.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Final, NewType

from headrace.core.errors import FixTheRequest
from headrace.core.words import Address, ChainId

JobId = NewType("JobId", str)

UINT256_MAX: Final = 2**256 - 1
DURATION_S_MAX: Final = 31 * 86_400  # longer is a slip of units
TOKEN_DECIMALS_MAX: Final = 36  # more than any token in use; 10**77 would be the end of a uint256
RESOURCES_MAX: Final = 32

_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
_MS_PER_MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So much of one resource, and its price in whole tokens for one unit of it and one minute."""

    resource: str
    amount: Fraction
    price: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """As of the lock; whatever prices are later. `lock_amount` in the token's smallest unit; `lock_duration_s`
    counts from the block that the lock is mined in."""

    chain: ChainId
    token: Address
    token_decimals: int
    payer: Address
    payee: Address
    rates: tuple[Rate, ...]
    minimum_duration_s: int
    lock_amount: int
    lock_duration_s: int


def agree(
    *,
    chain: ChainId,
    token: Address,
    token_decimals: int,
    payer: Address,
    payee: Address,
    rates: tuple[Rate, ...],
    minimum_duration_s: int,
    max_duration_s: int,
    queue_max_wait_s: int,
    claim_duration_timeout_s: int,
) -> Terms:
    """The terms of one job, with the lock that covers its longest run. Raises FixTheRequest, naming the value."""
    if not 0 <= token_decimals <= TOKEN_DECIMALS_MAX:
        raise FixTheRequest(f"token: {token_decimals} decimals; 0 to {TOKEN_DECIMALS_MAX} are possible")
    if not rates or len(rates) > RESOURCES_MAX:
        raise FixTheRequest(f"resources: {len(rates)} of them; 1 to {RESOURCES_MAX} are possible")
    names = [rate.resource for rate in rates]
    if len(set(names)) < len(names):
        raise FixTheRequest(f"resources: one is named twice in {', '.join(names)}")
    for name, address in (("token", token), ("payer", payer), ("payee", payee)):
        if not any(address):
            raise FixTheRequest(f"payment: {name} is the zero address", field=name)
    if payer == payee:
        raise FixTheRequest(f"payment: payer and payee are both 0x{payer.hex()}")
    check_duration("minimum_duration_s", minimum_duration_s, least=0)
    check_duration("max_duration_s", max_duration_s, least=1)
    check_duration("queue_max_wait_s", queue_max_wait_s, least=0)
    lock_amount = _price(rates, token_decimals, minutes(max_duration_s * 1000, minimum_duration_s))
    if lock_amount == 0:
        raise FixTheRequest("payment: its resources cost nothing; start it as a free job")
    if lock_amount > UINT256_MAX:
        raise FixTheRequest(f"payment: {lock_amount} units to lock do not fit a uint256")
    return Terms(
        chain=chain,
        token=token,
        token_decimals=token_decimals,
        payer=payer,
        payee=payee,
        rates=rates,
        minimum_duration_s=minimum_duration_s,
        lock_amount=lock_amount,
        lock_duration_s=max_duration_s + queue_max_wait_s + claim_duration_timeout_s,
    )


def check_duration(name: str, seconds: int, *, least: int) -> None:
    """Raises FixTheRequest, naming it."""
    if not least <= seconds <= DURATION_S_MAX:
        raise FixTheRequest(f"{name}: {seconds} s; {least} to {DURATION_S_MAX} s are possible", field=name)


def cost(terms: Terms, *, used_ms: int) -> int:
    """In the token's smallest unit: what `used_ms` milliseconds cost, at most the lock."""
    whole = _price(terms.rates, terms.token_decimals, minutes(used_ms, terms.minimum_duration_s))
    return min(whole, terms.lock_amount)


def minutes(used_ms: int, minimum_duration_s: int) -> int:
    """Begun minutes, of no less than the minimum. In milliseconds, so that the noise of a float's last place does
    not make a run of two minutes one of three."""
    assert used_ms >= 0, used_ms
    return -(-max(used_ms, minimum_duration_s * 1000) // _MS_PER_MINUTE)


def _price(rates: tuple[Rate, ...], token_decimals: int, for_minutes: int) -> int:
    tokens = sum((rate.amount * rate.price for rate in rates), Fraction()) * for_minutes
    # Up, as minutes are, and once: rounding each resource would add a unit for each, rounding down would give
    # away whatever is priced finer than the token's unit.
    unit: int = 10**token_decimals
    units = tokens * unit
    return -(-units.numerator // units.denominator)


def exact(text: object, *, field: str) -> Fraction:
    """A decimal number as text, exactly. Raises FixTheRequest with the field and what is wrong."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise FixTheRequest(
            f"{field}: {text!r} is no decimal number as text: digits and at most one point, no sign, no exponent, "
            "up to 30 digits on either side",
            field=field,
        )
    return Fraction(text)


def decimal_text(number: Fraction) -> str:
    """The shortest text that `exact` reads back to it. For numbers that came from there."""
    places = 0
    while number.denominator != 1:
        number, places = number * 10, places + 1
        assert places <= 60, "came from no decimal text"
    digits = str(number.numerator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def number_on_chain(job: JobId) -> int:
    """A job's uint256 in the escrow: SHA-256 of its id as UTF-8 text, without the prefix that some engines put in
    front of it for their clients."""
    return int.from_bytes(sha256(job.encode()).digest(), "big")
