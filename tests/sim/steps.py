"""The steps by name: one thing each that the world outside does to the gateway.

A step is a name and a number; whatever it leaves to chance follows from the number. So a run is a list of steps
that can be written down, shortened and repeated.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from sim.world import World

Does = Callable[[World, Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`always`: no run leaves it out."""

    name: str
    weight: float
    does: Does
    always: bool


KINDS: Final[dict[str, Kind]] = {}


def step(weight: float, *, always: bool = False) -> Callable[[Does], Does]:
    def register(does: Does) -> Does:
        assert does.__name__ not in KINDS
        KINDS[does.__name__] = Kind(does.__name__, weight, does, always)
        return does

    return register


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    chance: int

    def __str__(self) -> str:
        return f"{self.name}:{self.chance}"


async def take(world: World, step: Step) -> None:
    """Does it, lets the engine come to rest, and looks whether everything holds. Raises Violation."""
    await KINDS[step.name].does(world, Random(step.chance))
    await world.look()


def draw_all(chance: Random) -> Iterator[Step]:
    """Steps without end. Each run likes some kinds and leaves out others: many faults at once hide each other."""
    kinds = [KINDS[name] for name in sorted(KINDS)]
    weights = [kind.weight * (1 if kind.always else chance.choice([0, 0.5, 1, 2, 5])) for kind in kinds]
    while True:
        (kind,) = chance.choices(kinds, weights)
        yield Step(kind.name, chance.randrange(10**6))


def plan_of(text: str) -> list[Step]:
    """Steps as `str` writes them, with blanks between."""
    steps = []
    for word in text.split():
        name, _, chance = word.partition(":")
        if name not in KINDS:
            raise ValueError(f"{word}: there is no step {name!r}; there are {', '.join(KINDS)}")
        steps.append(Step(name, int(chance or 0)))
    return steps
