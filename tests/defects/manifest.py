"""The defects that must not come back: each with the patch that puts it back, and the tests that notice.

Owns      what a manifest may say.
Promises  whatever is missing or misspelt in it is told by the entry's id.
Leaves    whether a patch applies and a test notices to `running`.
"""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
MANIFEST: Final = HERE / "manifest.toml"
_KEYS: Final = {"id", "was", "patch", "noticed_by"}


class BadManifest(Exception):
    """Says which entry must be mended, and how."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A test by its file (from the project's root) and its name, as pytest or forge knows it. A method's has its
    class before it, which may inherit it from a file beside its own: `TestSqlite::test_an_id_is_one_job`."""

    file: str
    name: str

    @property
    def is_contracts(self) -> bool:
        return self.file.endswith(".t.sol")

    @property
    def promise(self) -> str:
        """Its name in words. A forge test's is in capitals: `test_AStrangerCannotSend`."""
        name = self.name.rpartition("::")[2]
        words = name.removeprefix("testFuzz_").removeprefix("test_").replace("_", " ")
        return re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])", r" \g<0>", words).lower()

    def exists(self, tree: Path) -> bool:
        """Whether the file in this tree has such a test."""
        try:
            text = (tree / self.file).read_text()
        except FileNotFoundError:
            return False
        if self.is_contracts:
            return re.search(rf"\bfunction {re.escape(self.name)}\(", text) is not None
        class_, _, name = self.name.rpartition("::")
        if not class_:
            return name in _functions(ast.parse(text).body)
        beside = (ast.parse(file.read_text()).body for file in (tree / self.file).parent.glob("*.py"))
        classes = [node for body in beside for node in body if isinstance(node, ast.ClassDef)]
        return f"class {class_}(" in text and any(name in _functions(one.body) for one in classes)

    def __str__(self) -> str:
        return f"{self.file}::{self.name}"


@dataclass(frozen=True, slots=True)
class Defect:
    """`was` tells in one sentence what was wrong; `patch` puts it back; every one of `guards` must notice."""

    id: str
    was: str
    patch: Path
    guards: tuple[Guard, ...]


def read_manifest(path: Path = MANIFEST) -> tuple[Defect, ...]:
    """In the file's order. Raises BadManifest."""
    entries = tomllib.loads(path.read_text()).get("defect", [])
    defects = tuple(_defect(entry, path.parent) for entry in entries)
    ids = [defect.id for defect in defects]
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise BadManifest(f"{path.name}: more than one entry has the id {', '.join(sorted(twice))}")
    return defects


def chosen(defects: tuple[Defect, ...], one: str | None) -> tuple[Defect, ...]:
    """All, or those whose id begins with `one`. Raises BadManifest where none does."""
    if not one:
        return defects
    found = tuple(d for d in defects if d.id.lower().startswith(one.lower()))
    if not found:
        raise BadManifest(f"ONE={one}: no defect's id begins so; there are {', '.join(d.id for d in defects)}")
    return found


def _functions(body: list[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _defect(entry: dict[str, object], folder: Path) -> Defect:
    id = entry.get("id")
    if set(entry) != _KEYS or not isinstance(id, str):
        raise BadManifest(f"entry {id}: has {', '.join(sorted(entry))}; needs {', '.join(sorted(_KEYS))}")
    was, patch, names = entry["was"], entry["patch"], entry["noticed_by"]
    if not (isinstance(was, str) and isinstance(patch, str) and isinstance(names, list) and names):
        raise BadManifest(f"entry {id}: was and patch are texts, noticed_by is a list of tests")
    if not patch.startswith(f"{id}-") or not (folder / patch).is_file():
        raise BadManifest(
            f"entry {id}: {patch!r} must be a file beside the manifest, named {id}-what-it-does.patch"
        )
    return Defect(id, was, folder / patch, tuple(_guard(id, name) for name in names))


def _guard(id: str, name: object) -> Guard:
    file, colons, test = str(name).partition("::")
    if not colons or "[" in test:
        raise BadManifest(f"entry {id}: {name!r} is not file::test (without a parameter)")
    return Guard(file, test)
