"""The diagrams of docs/architecture.md show the maps that the code goes by."""

import re
from collections.abc import Mapping
from pathlib import Path

from headrace.core import job, operation, settlement, transaction

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"
DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n(.*?)```", re.DOTALL)
ARROW = re.compile(r"\s*(\S+) --> (\S+?)(?:: \S.*)?")
OUTSIDE = "[*]"

Arrows = set[tuple[str, str]]


def drawn_after(heading: str) -> Arrows:
    """The arrows of the first diagram after this heading. Each is drawn once."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (diagram,) = DIAGRAM.findall(section)
    arrows = []
    for line in diagram.splitlines():
        arrow = ARROW.fullmatch(line)
        assert arrow is not None, f"{line!r} is no arrow"
        arrows.append((arrow[1], arrow[2]))
    assert len(set(arrows)) == len(arrows), arrows
    return set(arrows)


def moves(map_: Mapping[str, set[str]]) -> Arrows:
    """From one to another, and out of where nothing leads on."""
    arrows = {(here, there) for here, following in map_.items() for there in following if there != here}
    return arrows | {(here, OUTSIDE) for here, following in map_.items() if not following - {here}}


def begins(arrows: Arrows) -> Arrows:
    return {arrow for arrow in arrows if arrow[0] == OUTSIDE}


def test_the_life_of_an_operation_is_drawn_as_it_is() -> None:
    drawn = drawn_after("The life of an operation")
    map_ = {stage.value: {next_.value for next_ in following} for stage, following in operation.NEXT.items()}
    assert drawn - begins(drawn) == moves(map_)
    assert begins(drawn) == {(OUTSIDE, "waiting"), (OUTSIDE, "queued")}


def test_the_life_of_a_transaction_is_drawn_as_it_is() -> None:
    drawn = drawn_after("The life of a transaction")
    map_ = {
        state.__name__: {next_.__name__ for next_ in following} for state, following in transaction.NEXT.items()
    }
    assert drawn - begins(drawn) == moves(map_)
    assert begins(drawn) == {(OUTSIDE, "InFlight")}


def test_the_life_of_a_job_is_drawn_as_it_is() -> None:
    drawn = drawn_after("The life of a compute job")
    map_ = {s.name.lower(): {next_.name.lower() for next_ in following} for s, following in job.NEXT.items()}
    assert drawn - begins(drawn) == moves(map_)
    assert begins(drawn) == {(OUTSIDE, "job_started")}


def test_the_life_of_a_payment_is_drawn_as_it_is() -> None:
    drawn = drawn_after("The life of a job's payment")
    map_ = {s.value: {next_.value for next_ in following} for s, following in settlement.NEXT.items()}
    assert drawn - begins(drawn) == moves(map_)
    assert begins(drawn) == {(OUTSIDE, "free"), (OUTSIDE, "awaiting_lock")}
