"""Turns a request into a job, or says what is wrong with it.

Owns      the bounds of a request, the digest that tells two requests under one id apart, new ids.
Promises  what is refused here has left no trace: no lock is asked for before the whole request is sound.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobId
from headrace.core.settlement import AwaitingLock, Free
from headrace.core.terms import Rate, Terms, agree, check_duration, exact
from headrace.core.words import Address, ChainId

METADATA_CHARS_MAX: Final = 1024
ALGORITHM_BYTES_MAX: Final = 256 * 1024
ID_CHARACTERS_MAX: Final = 96  # an operation's id has 128, and says more than the job's
NAME_CHARACTERS_MAX: Final = 200  # two hashes in hex are an environment's name elsewhere
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceWish:
    """Amount and price (whole tokens for one unit and one minute) as decimal texts. No price: it is free."""

    resource: str
    amount: str
    price: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """`token_decimals` as read from the token's contract, never as a client says."""

    chain: ChainId
    token: Address
    token_decimals: int
    payer: Address
    payee: Address
    resources: tuple[ResourceWish, ...]
    minimum_duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """`metadata` is JSON text; `algorithm` is in the compute engine's own form. `payment` None: a free job."""

    id: JobId
    owner: Address
    environment: str
    algorithm: bytes
    max_duration_s: int
    queue_max_wait_s: int = 0
    metadata: str | None = None
    payment: Payment | None = None


def make_job(request: StartRequest, *, claim_duration_timeout_s: int, now: float) -> Job:
    """Raises FixTheRequest, naming the field and its value."""
    _check_name("id", request.id, ID_CHARACTERS_MAX)
    _check_name("environment", request.environment, NAME_CHARACTERS_MAX)
    _check_metadata(request.metadata)
    if len(request.algorithm) > ALGORITHM_BYTES_MAX:
        raise FixTheRequest(
            f"algorithm: {len(request.algorithm)} bytes; {ALGORITHM_BYTES_MAX} are possible", field="algorithm"
        )
    check_duration("max_duration_s", request.max_duration_s, least=1)
    check_duration("queue_max_wait_s", request.queue_max_wait_s, least=0)
    terms = _terms(request, claim_duration_timeout_s)
    return Job(
        id=request.id,
        content=_digest(request),
        owner=request.owner,
        environment=request.environment,
        created_at=now,
        max_duration_s=request.max_duration_s,
        queue_max_wait_s=request.queue_max_wait_s,
        metadata=request.metadata,
        algorithm=request.algorithm,
        terms=terms,
        settlement=Free() if terms is None else AwaitingLock(),
        status_at=now,
    )


def new_id(*, owner: Address, now: float, noise: bytes) -> JobId:
    """For a request that names none. `noise` are random bytes: two requests alike are two jobs."""
    assert len(noise) >= 16, "too few to be unlike any other's"
    return JobId(sha256(b"".join((owner, repr(now).encode(), noise))).hexdigest())


def _terms(request: StartRequest, claim_duration_timeout_s: int) -> Terms | None:
    payment = request.payment
    if payment is None:
        return None
    return agree(
        chain=payment.chain,
        token=payment.token,
        token_decimals=payment.token_decimals,
        payer=payment.payer,
        payee=payment.payee,
        rates=tuple(_rate(wish) for wish in payment.resources),
        minimum_duration_s=payment.minimum_duration_s,
        max_duration_s=request.max_duration_s,
        queue_max_wait_s=request.queue_max_wait_s,
        claim_duration_timeout_s=claim_duration_timeout_s,
    )


def _rate(wish: ResourceWish) -> Rate:
    _check_name("resource", wish.resource, NAME_CHARACTERS_MAX)
    return Rate(
        resource=wish.resource,
        amount=exact(wish.amount, field=f"resources.{wish.resource}.amount"),
        price=exact(wish.price, field=f"resources.{wish.resource}.price"),
    )


def _check_name(field: str, name: str, characters_max: int) -> None:
    if len(name) > characters_max or not _NAME.fullmatch(name):
        raise FixTheRequest(
            f"{field}: {name[:characters_max]!r} is no name: 1 to {characters_max} letters, digits and any of "
            ". _ : -",
            field=field,
        )


def _check_metadata(metadata: str | None) -> None:
    if metadata is None:
        return
    if len(metadata) > METADATA_CHARS_MAX:
        raise FixTheRequest(
            f"metadata: {len(metadata)} characters; {METADATA_CHARS_MAX} are possible", field="metadata"
        )
    try:
        json.loads(metadata)
    except ValueError as error:
        raise FixTheRequest(f"metadata: is no JSON ({error})", field="metadata") from None


def _digest(request: StartRequest) -> bytes:
    """Of all that was asked. What is built from it (terms, times) is not in it."""
    # A dataclass's repr names every field with its value, so that no two requests run into one another.
    return sha256(repr(request).encode()).digest()
