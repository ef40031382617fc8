"""From what a client wishes to a request with prices: what is offered, at what price, and for how long.

Owns      the lookup of environment, price and limits.
Promises  every refusal names the field, the value and what there is; a wish that is repeated is read by the terms
          of the job that it made, whatever prices are now.
Leaves    the rest of a request's checks to `jobs.starting`, decimals to `jobs.decimals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobId
from headrace.core.ports.settling import Environment, JobWish, PaymentWish, Price
from headrace.core.terms import decimal_text, exact
from headrace.core.words import Address, ChainId
from headrace.jobs.starting import Payment, ResourceWish, StartRequest


class Offers:
    def __init__(self, environments: Sequence[Environment], *, chain: ChainId, payee: Address) -> None:
        self._environments: Mapping[str, Environment] = {e.id: e for e in environments}
        self._chain, self.payee = chain, payee

    def all(self) -> Sequence[Environment]:
        return tuple(self._environments.values())

    def price(self, wish: JobWish) -> Price | None:
        """None: it is free. Raises FixTheRequest for what is not offered."""
        environment = self._environment(wish)
        payment = wish.payment
        if payment is None:
            if environment.free_max_duration_s is None:
                raise FixTheRequest(
                    f"payment: is missing, and environment {environment.id} takes no free jobs", field="payment"
                )
            return None
        if payment.chain != self._chain:
            raise FixTheRequest(
                f"payment.chain_id: {payment.chain}; this gateway settles on chain {self._chain}",
                field="payment.chain_id",
            )
        for price in environment.prices:
            if price.token == payment.token:
                return price
        tokens = ", ".join(f"0x{price.token.hex()}" for price in environment.prices)
        raise FixTheRequest(
            f"payment.token: 0x{payment.token.hex()}; environment {environment.id} takes "
            f"{tokens or 'no payments'}",
            field="payment.token",
        )

    def request(self, wish: JobWish, id: JobId, *, price: Price | None, token_decimals: int) -> StartRequest:
        """`price` as `price` answered. Raises FixTheRequest."""
        environment = self._environment(wish)
        most_s = environment.max_duration_s if price else environment.free_max_duration_s
        assert most_s is not None
        max_duration_s = most_s if wish.max_duration_s is None else wish.max_duration_s
        if max_duration_s > most_s:
            raise FixTheRequest(
                f"max_duration_s: {max_duration_s}; environment {environment.id} runs a job for at most "
                f"{most_s} s",
                field="max_duration_s",
            )
        if wish.queue_max_wait_s > environment.queue_max_wait_s:
            raise FixTheRequest(
                f"queue_max_wait_s: {wish.queue_max_wait_s}; environment {environment.id} lets a job wait for at "
                f"most {environment.queue_max_wait_s} s",
                field="queue_max_wait_s",
            )
        payment = None
        if price is not None:
            assert wish.payment is not None
            payment = Payment(
                chain=self._chain,
                token=price.token,
                token_decimals=token_decimals,
                payer=wish.payment.payer or wish.owner,
                payee=self.payee,
                resources=tuple(
                    _resource(environment, name, amount, decimal_text(price.of[name]) if name in price.of else "0")
                    for name, amount in wish.payment.resources.items()
                ),
                minimum_duration_s=environment.min_duration_s,
            )
        return _request(wish, id, max_duration_s=max_duration_s, payment=payment)

    def _environment(self, wish: JobWish) -> Environment:
        found = self._environments.get(wish.environment)
        if found is None:
            there = ", ".join(self._environments) or "none"
            raise FixTheRequest(
                f"environment: {wish.environment[:200]!r} is not offered; there is: {there}", field="environment"
            )
        return found


def as_before(wish: JobWish, job: Job) -> StartRequest:
    """The request that `wish` would have been when `job` was made, by that job's own terms."""
    max_duration_s = job.max_duration_s if wish.max_duration_s is None else wish.max_duration_s
    payment, terms = wish.payment, job.terms
    if payment is None or terms is None:
        # One of them is free. If only one is, the two requests differ, whatever the payment would have been.
        plain = _request(wish, job.id, max_duration_s=max_duration_s, payment=None)
        return plain if payment is None else replace(plain, payment=_unlike(payment, wish))
    prices = {rate.resource: decimal_text(rate.price) for rate in terms.rates}
    return _request(
        wish,
        job.id,
        max_duration_s=max_duration_s,
        payment=Payment(
            chain=payment.chain,
            token=payment.token,
            token_decimals=terms.token_decimals,
            payer=payment.payer or wish.owner,
            payee=terms.payee,
            resources=tuple(
                ResourceWish(resource=name, amount=amount, price=prices.get(name, "0"))
                for name, amount in payment.resources.items()
            ),
            minimum_duration_s=terms.minimum_duration_s,
        ),
    )


def _request(wish: JobWish, id: JobId, *, max_duration_s: int, payment: Payment | None) -> StartRequest:
    return StartRequest(
        id=id,
        owner=wish.owner,
        environment=wish.environment,
        algorithm=wish.algorithm,
        max_duration_s=max_duration_s,
        queue_max_wait_s=wish.queue_max_wait_s,
        metadata=wish.metadata,
        payment=payment,
    )


def _unlike(payment: PaymentWish, wish: JobWish) -> Payment:
    return Payment(
        chain=payment.chain,
        token=payment.token,
        token_decimals=0,
        payer=payment.payer or wish.owner,
        payee=payment.token,
        resources=(),
        minimum_duration_s=0,
    )


def _resource(environment: Environment, name: str, amount: str, price: str) -> ResourceWish:
    field = f"payment.resources.{name}"
    most = environment.most.get(name)
    if most is None:
        raise FixTheRequest(
            f"{field[:200]}: environment {environment.id} has no such resource; it has: "
            f"{', '.join(environment.most) or 'none'}",
            field="payment.resources",
        )
    if not 0 < exact(amount, field=field) <= most:
        raise FixTheRequest(
            f"{field}: {amount}; more than 0 and at most {decimal_text(most)} are possible", field=field
        )
    return ResourceWish(resource=name, amount=amount, price=price)
