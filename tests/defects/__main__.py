"""`make defects`: puts each defect back, one at a time, and requires that its tests notice.

Promises  exit status 0 only if every chosen test passes on the code as it is and fails on it with its defect back.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from defects.copies import NoCheckout, PatchDoesNotApply, apply, copy_of, files_of
from defects.manifest import PROJECT, BadManifest, Defect, chosen, read_manifest
from defects.running import How, Run, Runs, run

AT_ONCE = 2
Job = Future[tuple[Runs, float]]


class Verdict(Enum):
    NOTICED = "[green]noticed[/green]"
    NOT_NOTICED = "[red]NOT NOTICED[/red]"
    UNKNOWN = "[red]CANNOT TELL[/red]"  # the patch does not apply, or its tests do not even run


@dataclass(frozen=True, slots=True)
class Found:
    """Of one defect. `faults` tell why it is not noticed, or cannot be told."""

    defect: Defect
    verdict: Verdict
    faults: tuple[str, ...] = ()


def judge(defect: Defect, sound: Runs, broken: Runs) -> Found:
    """`sound`: its tests on the code as it is; `broken`: on the code with the defect. Each of them must notice."""
    untold, missed = [], []
    for guard in defect.guards:
        before, after = sound[guard], broken[guard]
        if before.how is not How.PASSED:
            untold.append(f"{guard} does not pass without the patch: {_line(before)}")
        elif after.how is How.BROKEN:
            untold.append(f"{guard} breaks with the patch, and no assertion of it fails: {_line(after)}")
        elif after.how is How.PASSED:
            missed.append(f"{guard} passes though the defect is back")
    if missed:
        return Found(defect, Verdict.NOT_NOTICED, (*missed, *untold))
    return Found(defect, Verdict.UNKNOWN if untold else Verdict.NOTICED, tuple(untold))


def _line(run: Run) -> str:
    return " ".join(run.why.split())[-300:]


def main(arguments: Sequence[str]) -> int:
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    try:
        defects = chosen(read_manifest(), arguments[0] if arguments else None)
        files = files_of(PROJECT)
    except (BadManifest, NoCheckout) as error:
        console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        return 2
    found = _run_all(defects, files, console)
    console.print(_table(found))
    for one in found:
        for fault in one.faults:
            console.print(f"[red]{one.defect.id}[/red]: {escape(fault)}", soft_wrap=True)
    return 0 if all(one.verdict is Verdict.NOTICED for one in found) else 1


def _run_all(defects: Sequence[Defect], files: Sequence[str], console: Console) -> list[Found]:
    started = time.monotonic()
    guards = tuple(dict.fromkeys(guard for defect in defects for guard in defect.guards))

    # One copy for all to be copied from: whoever goes on working meanwhile changes nothing under us.
    with copy_of(PROJECT, files) as now, ThreadPoolExecutor(AT_ONCE) as workers:

        def on_code_as_it_is() -> Runs:
            with copy_of(now, files, linked_from=PROJECT) as tree:
                return run(guards, tree)

        def on_code_with(defect: Defect) -> Runs:
            with copy_of(now, files, linked_from=PROJECT) as tree:
                try:
                    apply(defect.patch, tree)
                except PatchDoesNotApply as error:
                    return dict.fromkeys(defect.guards, Run(How.BROKEN, str(error)))
                return run(defect.guards, tree)

        sound = workers.submit(_timed(on_code_as_it_is))
        names = {sound: "all their tests, on the code as it is"}
        # The contracts' take longest, and begin first.
        broken: dict[Defect, Job] = {}
        for defect in sorted(defects, key=lambda d: not any(g.is_contracts for g in d.guards)):
            broken[defect] = workers.submit(_timed(partial(on_code_with, defect)))
            names[broken[defect]] = defect.patch.stem
        for done, job in enumerate(as_completed(names), start=1):
            runs, took_s = job.result()
            hows = Counter(run.how.value for run in runs.values())
            counted = ", ".join(f"{count} {how}" for how, count in hows.items())
            console.print(f"[dim]{done:3}/{len(names)}[/dim]  {names[job]}: {counted} ({took_s:.0f} s)")
        console.print(f"[dim]{time.monotonic() - started:.0f} s in all[/dim]\n")
        return [judge(defect, sound.result()[0], broken[defect].result()[0]) for defect in defects]


def _timed(work: Callable[[], Runs]) -> Callable[[], tuple[Runs, float]]:
    def timed() -> tuple[Runs, float]:
        started = time.monotonic()
        return work(), time.monotonic() - started

    return timed


def _table(found: Sequence[Found]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("defect")
    table.add_column("what the code promises instead", ratio=1)
    table.add_column("with the defect back", no_wrap=True)
    for one in found:
        promises = dict.fromkeys(guard.promise for guard in one.defect.guards)
        table.add_row(f"{one.defect.id}  {_words(one.defect)}", "\n".join(promises), one.verdict.value)
    return table


def _words(defect: Defect) -> str:
    return defect.patch.stem.removeprefix(f"{defect.id}-").replace("-", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
