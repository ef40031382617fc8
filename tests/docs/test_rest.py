"""docs/rest.md says what there is, and no more."""

import re
from pathlib import Path

from api.rest.house import open_house
from headrace.api.rest.problems import Kind

TEXT = (Path(__file__).parents[2] / "docs" / "rest.md").read_text()


async def test_the_table_has_every_operation(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        paths = (await house.get("/openapi.json"))["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `((?:GET|POST) /v1[^`]*)` \|", TEXT, re.MULTILINE)) == there


def test_the_table_has_every_problem_with_its_status() -> None:
    rows = set(re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", TEXT, re.MULTILINE))
    assert rows == {(str(kind.status), kind.value) for kind in Kind}
