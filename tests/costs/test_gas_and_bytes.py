"""Gas and bytes per operation, by kind, way and batch size: on a real chain, with real certificates.

Tasks have 200 random bytes of calldata in their intent, all four operators sign, and nothing but the seed is left
to chance: every machine measures the same to the byte. Whoever changes what an operation costs sees it here, and
writes the new figures, which the failure shows, into the table, and the reason into the changelog.
"""

from collections.abc import Iterable
from typing import Final

from headrace.app.gas.escrow import EscrowGas, open_escrow_stage
from headrace.app.gas.figures import OURS, PLAIN, SINGLE, STRICT, TRY, Figure
from headrace.app.gas.stage import open_task_stage
from headrace.app.gas.tasks import SINGLES, TaskGas
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND

MARGIN_PERCENT: Final = 2
SEED: Final = 20

# kind, way, operations: gas and bytes of calldata each, base cost of the transactions included.
Table = dict[tuple[str, str, int], tuple[int, int]]
TASKS: Final[Table] = {
    (CREATE, SINGLE, SINGLES): (68_576, 1092),
    (CREATE, TRY, 1): (81_945, 1156),
    (CREATE, TRY, 10): (45_895, 1095),
    (CREATE, TRY, 60): (42_682, 1090),
    (CREATE, STRICT, 60): (42_684, 1090),
    (RESPOND, SINGLE, SINGLES): (223_592, 1572),
    (RESPOND, TRY, 1): (240_030, 1764),
    (RESPOND, TRY, 10): (112_544, 1588),
    (RESPOND, TRY, 60): (96_650, 1572),
    (RESPOND, STRICT, 60): (96_651, 1572),
    (CREATE_AND_RESPOND, SINGLE, SINGLES): (292_165, 2664),
    (CREATE_AND_RESPOND, TRY, 1): (263_282, 1764),
    (CREATE_AND_RESPOND, TRY, 10): (135_940, 1588),
    (CREATE_AND_RESPOND, TRY, 60): (120_043, 1572),
    (CREATE_AND_RESPOND, STRICT, 60): (120_040, 1572),
}
LOCKS: Final[Table] = {
    (LOCK, SINGLE, 5): (119_584, 164),
    (LOCK, OURS, 1): (122_860, 484),
    (LOCK, OURS, 10): (94_091, 193),
    (LOCK, OURS, 100): (91_235, 164),
    (CLAIM, SINGLE, 5): (101_872, 228),
    (CLAIM, OURS, 1): (105_088, 548),
    (CLAIM, OURS, 10): (44_306, 257),
    (CLAIM, OURS, 100): (20_749, 228),
    (RELEASE, SINGLE, 5): (70_060, 228),
    (RELEASE, OURS, 1): (73_276, 548),
    (RELEASE, OURS, 10): (40_766, 257),
    (RELEASE, OURS, 100): (20_039, 228),
    (CANCEL, SINGLE, 5): (69_856, 132),
    (CANCEL, OURS, 1): (73_572, 388),
    (CANCEL, OURS, 10): (39_971, 154),
    (CANCEL, OURS, 100): (19_145, 131),
}


async def test_a_task_costs_what_is_written_here() -> None:
    async with open_task_stage() as stage:
        experiment = TaskGas(stage, seed=SEED)
        found = [await experiment.one(kind, way, size) for kind, way, size in TASKS]
    assert_as_written(found, TASKS)


async def test_a_lock_costs_what_is_written_here() -> None:
    async with open_escrow_stage(100) as stage:
        found = await EscrowGas(stage).measure([1, 10, 100])
    assert_as_written([figure for figure in found.all if figure.way != PLAIN], LOCKS)


def assert_as_written(found: Iterable[Figure], table: Table) -> None:
    measured = {(f.kind, f.way, f.size): (f.gas_each, f.bytes_each) for f in found}
    assert measured.keys() == table.keys()
    moved = {
        key: both
        for key, both in measured.items()
        if any(abs(now - was) * 100 > was * MARGIN_PERCENT for now, was in zip(both, table[key], strict=True))
    }
    assert not moved, f"more than {MARGIN_PERCENT} % off, less or more: the table would now read {moved}"
