"""SQL lives in .sql files, each statement under a name that tells its guarantee. This file only finds it."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_FOLDER: Final = Path(__file__).parent / "sql"
_STATEMENT: Final = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.DOTALL | re.MULTILINE)


def load_queries(file: str) -> Mapping[str, str]:
    """The statements of `sql/<file>.sql`, by name."""
    found = _STATEMENT.findall((_FOLDER / f"{file}.sql").read_text(encoding="utf-8"))
    queries = {name: body.strip() for name, body in found}
    assert len(queries) == len(found), f"{file}.sql has a name twice"
    return MappingProxyType(queries)
