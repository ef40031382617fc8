"""What a module of `bench/` declares: `BENCH = Bench(...)`.

    async def run(bench: BenchRun, *, seconds: float) -> Findings: ...

    BENCH = Bench(
        name="intake",
        says="One core acknowledges 8,000 operations a second, each of them durably.",
        options=(click.Option(["--seconds"], type=LOAD_RANGE, default=30.0, show_default=True),),
        run=run,
    )

Leaves    imports that take long to the body of `run`: `headrace bench` imports every module to list them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from headrace.app.bench.findings import Findings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """What a run is given. `seed`: everything that is left to chance follows from it. `base`: the run's files go
    into its `.headrace`. `say` tells people on stderr what happens now."""

    seed: int
    base: Path
    say: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`says`: the claim in one line. `run` gets the options by name. `only_by_name`: too long for `make bench`.
    `draws`: its findings have runs to draw (`Findings.drawn`), so it takes --html."""

    name: str
    says: str
    run: Callable[..., Awaitable[Findings]]
    options: Sequence[click.Option] = ()
    only_by_name: bool = False
    draws: bool = False

    def __post_init__(self) -> None:
        assert self.name == self.name.lower().strip() and " " not in self.name, self.name
        assert "\n" not in self.says, "one line"
