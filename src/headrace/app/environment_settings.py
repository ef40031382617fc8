"""What is offered to those who start jobs, as the settings say it: [[settlement.environments]].

Promises  every amount and price is an exact decimal; what contradicts itself is refused with the key.
Leaves    what a job costs to `core.terms`.
"""

import re
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from headrace.core.errors import FixTheRequest
from headrace.core.ports.settling import Environment, Price
from headrace.core.terms import DURATION_S_MAX, exact
from headrace.core.words import Address

_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,200}")

Duration = Annotated[int, Field(ge=1, le=DURATION_S_MAX)]


class PriceSettings(BaseModel):
    """In whole tokens for one unit of a resource and one minute. A resource that is not named is free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
    per_minute: Annotated[dict[str, str], Field(min_length=1)]

    @field_validator("per_minute")
    @classmethod
    def _are_decimals(cls, value: dict[str, str]) -> dict[str, str]:
        return _decimals(value)

    def price(self) -> Price:
        of = {name: exact(text, field=name) for name, text in self.per_minute.items()}
        return Price(token=Address(bytes.fromhex(self.token[2:])), of=of)


class EnvironmentSettings(BaseModel):
    """`resources`: the most of each that one job may have. No `free_max_duration_s`: no free jobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    description: str = ""
    min_duration_s: Annotated[int, Field(ge=0, le=DURATION_S_MAX)] = 60
    max_duration_s: Duration = 3600
    queue_max_wait_s: Annotated[int, Field(ge=0, le=DURATION_S_MAX)] = 0
    free_max_duration_s: Duration | None = None
    resources: dict[str, str] = {}
    prices: list[PriceSettings] = []

    @field_validator("id")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("is no name: 1 to 200 letters, digits and any of . _ : -")
        return value

    @field_validator("resources")
    @classmethod
    def _are_decimals(cls, value: dict[str, str]) -> dict[str, str]:
        return _decimals(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = []
        if self.min_duration_s > self.max_duration_s:
            problems.append(f"min_duration_s: {self.min_duration_s} is above max_duration_s {self.max_duration_s}")
        tokens = [price.token.lower() for price in self.prices]
        problems += [f"prices: token {token} has two" for token in sorted(set(tokens)) if tokens.count(token) > 1]
        for price in self.prices:
            unknown = sorted(set(price.per_minute) - set(self.resources))
            if unknown:
                problems.append(f"prices: {', '.join(unknown)} is none of its resources")
        if not self.prices and self.free_max_duration_s is None:
            problems.append("has neither prices nor free_max_duration_s: nobody can start a job in it")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def environment(self) -> Environment:
        return Environment(
            id=self.id,
            description=self.description,
            min_duration_s=self.min_duration_s,
            max_duration_s=self.max_duration_s,
            queue_max_wait_s=self.queue_max_wait_s,
            free_max_duration_s=self.free_max_duration_s,
            most={name: exact(text, field=name) for name, text in self.resources.items()},
            prices=tuple(price.price() for price in self.prices),
        )


def _decimals(values: dict[str, str]) -> dict[str, str]:
    problems = []
    for name, text in values.items():
        if not _NAME.fullmatch(name):
            problems.append(f"{name[:200]!r} is no name of a resource")
        try:
            exact(text, field=name)
        except FixTheRequest as error:
            problems.append(error.message)
    if problems:
        raise ValueError("; ".join(problems))
    return values
