"""What is offered decides price, decimals, payee and limits; a client only names amounts."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from headrace.core.errors import FixTheRequest
from headrace.core.ports.settling import Environment, JobWish, PaymentWish, Price
from headrace.core.terms import JobId
from headrace.core.words import ChainId
from headrace.jobs.offers import Offers, as_before
from headrace.jobs.starting import StartRequest, make_job
from jobs.making import CHAIN, NOW, PAYEE, PAYER, TIMEOUT_S, TOKEN

SMALL = Environment(
    id="small",
    description="",
    min_duration_s=60,
    max_duration_s=3600,
    queue_max_wait_s=60,
    free_max_duration_s=30,
    most={"cpu": Fraction(4), "disk": Fraction(10)},
    prices=(Price(token=TOKEN, of={"cpu": Fraction(1, 2)}),),
)
PAYMENT = PaymentWish(chain=CHAIN, token=TOKEN, resources={"cpu": "2", "disk": "1"})


def offers(environment: Environment = SMALL) -> Offers:
    return Offers([environment], chain=CHAIN, payee=PAYEE)


def wish(**more: Any) -> JobWish:
    fields: dict[str, Any] = {"id": JobId("a"), "environment": "small", "payment": PAYMENT}
    return JobWish(owner=PAYER, algorithm=b"x", **(fields | more))


def asked(one: JobWish, environment: Environment = SMALL, *, decimals: int = 6) -> StartRequest:
    there = offers(environment)
    return there.request(one, JobId("a"), price=there.price(one), token_decimals=decimals)


def test_price_decimals_payee_and_minimum_are_the_services_own() -> None:
    payment = asked(wish()).payment
    assert payment is not None
    assert (payment.payee, payment.payer, payment.token_decimals, payment.minimum_duration_s) == (
        PAYEE,
        PAYER,
        6,
        60,
    )
    assert [(r.resource, r.amount, r.price) for r in payment.resources] == [
        ("cpu", "2", "0.5"),
        ("disk", "1", "0"),
    ]
    assert asked(wish()).max_duration_s == 3600, "as long as the environment allows"


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (wish(environment="x"), "environment: 'x' is not offered; there is: small"),
        (
            wish(payment=replace(PAYMENT, chain=ChainId(1))),
            "payment.chain_id: 1; this gateway settles on chain 31337",
        ),
        (wish(payment=replace(PAYMENT, token=PAYEE)), "payment.token: 0x0202"),
        (wish(payment=replace(PAYMENT, resources={"gpu": "1"})), "no such resource; it has: cpu, disk"),
        (
            wish(payment=replace(PAYMENT, resources={"cpu": "5"})),
            "payment.resources.cpu: 5; more than 0 and at most 4",
        ),
        (wish(payment=replace(PAYMENT, resources={"cpu": "0"})), "payment.resources.cpu: 0; more than 0"),
        (wish(payment=replace(PAYMENT, resources={"cpu": "1e1"})), "payment.resources.cpu: '1e1' is no decimal"),
        (wish(max_duration_s=3601), "max_duration_s: 3601; environment small runs a job for at most 3600 s"),
        (
            wish(payment=None, max_duration_s=31),
            "max_duration_s: 31; environment small runs a job for at most 30 s",
        ),
        (wish(queue_max_wait_s=61), "queue_max_wait_s: 61"),
    ],
)
def test_what_is_not_offered_is_refused_with_the_value_and_what_there_is(one: JobWish, said: str) -> None:
    with pytest.raises(FixTheRequest) as refused:
        asked(one)
    assert said in refused.value.message


def test_where_no_free_jobs_are_taken_a_missing_payment_is_named() -> None:
    with pytest.raises(FixTheRequest, match="payment: is missing"):
        asked(wish(payment=None), replace(SMALL, free_max_duration_s=None))


def test_the_same_wish_is_the_same_job_though_prices_have_changed() -> None:
    job = make_job(asked(wish()), claim_duration_timeout_s=TIMEOUT_S, now=NOW)
    again = make_job(as_before(wish(), job), claim_duration_timeout_s=TIMEOUT_S, now=NOW + 5)
    assert again.content == job.content


@pytest.mark.parametrize(
    "other",
    [
        wish(max_duration_s=100),
        wish(metadata="{}"),
        wish(payment=replace(PAYMENT, resources={"cpu": "1"})),
        wish(payment=replace(PAYMENT, payer=TOKEN)),
    ],
)
def test_another_wish_under_the_same_id_is_told_apart(other: JobWish) -> None:
    job = make_job(asked(wish()), claim_duration_timeout_s=TIMEOUT_S, now=NOW)
    again = make_job(as_before(other, job), claim_duration_timeout_s=TIMEOUT_S, now=NOW)
    assert again.content != job.content


def test_a_free_wish_is_not_the_paid_job_of_that_id() -> None:
    job = make_job(asked(wish()), claim_duration_timeout_s=TIMEOUT_S, now=NOW)
    free = make_job(as_before(wish(payment=None), job), claim_duration_timeout_s=TIMEOUT_S, now=NOW)
    assert free.content != job.content
