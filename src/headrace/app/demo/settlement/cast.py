"""Which jobs there are, what each of them does, and how each must end.

Owns      the parts, their shares, and the jobs as a client would ask for them.
Promises  the same sizes and seed give the same jobs; every part is played at least once.
Leaves    making it happen to `acts` and `outside`, checking it to `judging`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, Final

from headrace.chain.hexes import address_text
from headrace.core.words import Address, ChainId

SANDBOX: Final = "sandbox"  # run by the gateway's own compute engine
OUTSIDE: Final = "outside"  # run by an engine elsewhere, which reports over REST
PRICES: Final = {"cpu": "0.5", "memory_gb": "0.125"}  # whole tokens for one unit and one minute
MIN_DURATION_S: Final = 60
LATE_DURATION_S: Final = 5

_ENDED, _DISK, _NOT_PROVISIONED, _NOT_CREATED, _NEVER_BEGUN = 70, 42, 32, 22, 2


class Part(Enum):
    """What a paid job does, or what is done to it."""

    GOOD = "runs to its end"
    FAILING = "ends with an exit code"
    OVER_TIME = "is stopped at its limit"
    STOPPED = "is stopped by its owner"
    OVER_DISK = "writes more than it may"
    NO_PROGRAM = "asks for a program that is not there"
    ELSEWHERE = "runs on an engine elsewhere"
    NOT_CREATED = "is given up by the engine elsewhere"
    LATE = "is reported after its lock expired"
    LATE_AND_CANCELED = "the same, and a stranger cancels the lock"
    BY_HAND = "its lock is claimed by hand beneath the claim run"
    WITHDRAWN = "its payer takes the money back before the lock"
    FREE = "is free"
    FREE_FAILING = "is free, and ends with an exit code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a part must end: the settlement's state, the job's status, and the exit code where it matters."""

    state: str
    status: int
    exit_code: int | None = None


ENDINGS: Final[Mapping[Part, Ending]] = {
    Part.GOOD: Ending(state="claimed", status=_ENDED, exit_code=0),
    Part.FAILING: Ending(state="claimed", status=_ENDED, exit_code=3),
    Part.OVER_TIME: Ending(state="claimed", status=_ENDED),
    Part.STOPPED: Ending(state="claimed", status=_ENDED),
    Part.OVER_DISK: Ending(state="claimed", status=_DISK),
    Part.NO_PROGRAM: Ending(state="released", status=_NOT_PROVISIONED),
    Part.ELSEWHERE: Ending(state="claimed", status=_ENDED, exit_code=0),
    Part.NOT_CREATED: Ending(state="released", status=_NOT_CREATED),
    Part.LATE: Ending(state="canceled", status=_ENDED),
    Part.LATE_AND_CANCELED: Ending(state="canceled", status=_ENDED),
    Part.BY_HAND: Ending(state="claimed", status=_ENDED, exit_code=0),
    Part.WITHDRAWN: Ending(state="no_lock", status=_NEVER_BEGUN),
    Part.FREE: Ending(state="free", status=_ENDED, exit_code=0),
    Part.FREE_FAILING: Ending(state="free", status=_ENDED, exit_code=3),
}
OUTSIDE_PARTS: Final = frozenset({Part.ELSEWHERE, Part.NOT_CREATED, Part.LATE, Part.LATE_AND_CANCELED})
LATE_PARTS: Final = frozenset({Part.LATE, Part.LATE_AND_CANCELED})
# Meant to spoil the batch that they travel in.
POISONED: Final = frozenset({Part.BY_HAND, Part.WITHDRAWN})

# Of 200 paid and 20 free jobs. Those of one are one however many there are; the rest is scaled.
_SHARES: Final = {
    Part.FAILING: 14,
    Part.OVER_TIME: 6,
    Part.STOPPED: 6,
    Part.OVER_DISK: 4,
    Part.NO_PROGRAM: 6,
    Part.ELSEWHERE: 8,
    Part.NOT_CREATED: 5,
    Part.LATE: 9,
}
_OF: Final = 200
_ONCE: Final = (Part.LATE_AND_CANCELED, Part.BY_HAND, Part.WITHDRAWN)
LEAST_PAID: Final = len(_SHARES) + len(_ONCE) + 1
LEAST_FREE: Final = 2

_PRINT: Final = {"python": "open('answer.txt', 'w').write(str(sum(i * i for i in range(20_000))))"}
_FAIL: Final = {"python": "print('no such column')\nraise SystemExit(3)"}
_SLEEP: Final = {"python": "import time\ntime.sleep(600)"}
_FILL: Final = {
    "python": "import time\nwith open('big', 'wb') as f:\n    f.write(bytes(6 << 20))\ntime.sleep(600)",
    "limits": {"disk_mb": 4},
}
_NOTHING: Final = {"command": ["a-program-that-is-not-there"]}
_OWN: Final = {"image": "example.org/algorithms/mean:3"}  # the engine elsewhere reads it, we do not
_ALGORITHMS: Final[Mapping[Part, Mapping[str, Any]]] = {
    Part.FAILING: _FAIL,
    Part.FREE_FAILING: _FAIL,
    Part.OVER_TIME: _SLEEP,
    Part.STOPPED: _SLEEP,
    Part.OVER_DISK: _FILL,
    Part.NO_PROGRAM: _NOTHING,
    **dict.fromkeys(OUTSIDE_PARTS, _OWN),
}
_DURATIONS_S: Final = {Part.OVER_TIME: 2, Part.LATE: LATE_DURATION_S, Part.LATE_AND_CANCELED: LATE_DURATION_S}
_FREE_DURATION_S: Final = 30
QUEUE_MAX_WAIT_S: Final = 600  # for a place in the sandbox: there are more jobs than places
_LONGEST_S: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """One job. `payer` None: it is free. `body` is what a client posts; `per_minute` is what it costs, in whole
    tokens."""

    id: str
    part: Part
    payer: Address | None
    body: Mapping[str, Any]
    per_minute: Fraction

    @property
    def ending(self) -> Ending:
        return ENDINGS[self.part]


def cast(
    *,
    paid: int,
    free: int,
    payers: Sequence[Address],
    trickster: Address,
    chain: ChainId,
    token: Address,
    run: str,
    seed: int,
) -> list[Casting]:
    """`trickster` pays for the one that is withdrawn. `run` makes the ids this run's own."""
    assert paid >= LEAST_PAID and free >= LEAST_FREE, (paid, free)
    # Not for secrets: the same seed is the same play.
    chance = random.Random(seed)  # noqa: S311
    parts = [*_paid_parts(paid), *_free_parts(free)]
    castings = []
    for index, part in enumerate(parts):
        payer: Address | None = payers[index % len(payers)]
        if part is Part.WITHDRAWN:
            payer = trickster
        elif part in (Part.FREE, Part.FREE_FAILING):
            payer = None
        resources = {"cpu": str(chance.randint(1, 4)), "memory_gb": chance.choice(["0.5", "1", "2", "4.25"])}
        castings.append(_casting(f"{run}-{index:04d}", part, payer, payers[0], resources, chain, token))
    return castings


def _casting(
    id: str,
    part: Part,
    payer: Address | None,
    owner: Address,
    resources: Mapping[str, str],
    chain: ChainId,
    token: Address,
) -> Casting:
    longest = _FREE_DURATION_S if payer is None else _LONGEST_S
    body: dict[str, Any] = {
        "id": id,
        "owner": address_text(payer or owner),
        "environment": OUTSIDE if part in OUTSIDE_PARTS else SANDBOX,
        "algorithm": _ALGORITHMS.get(part, _PRINT),
        "max_duration_s": _DURATIONS_S.get(part, longest),
        "metadata": {"part": part.name.lower()},
    }
    per_minute = Fraction()
    if part not in OUTSIDE_PARTS:
        body["queue_max_wait_s"] = QUEUE_MAX_WAIT_S
    if payer is not None:
        body["payment"] = {"chain_id": chain, "token": address_text(token), "resources": dict(resources)}
        per_minute = sum((Fraction(PRICES[name]) * Fraction(much) for name, much in resources.items()), Fraction())
    return Casting(id=id, part=part, payer=payer, body=body, per_minute=per_minute)


def _paid_parts(paid: int) -> list[Part]:
    parts = [part for part, share in _SHARES.items() for _ in range(max(share * paid // _OF, 1))]
    parts += _ONCE
    return parts + [Part.GOOD] * (paid - len(parts))


def _free_parts(free: int) -> list[Part]:
    failing = max(free // 5, 1)
    return [Part.FREE_FAILING] * failing + [Part.FREE] * (free - failing)
