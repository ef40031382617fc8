"""A copy of the working tree, to be broken and thrown away.

Owns      what is in a copy, and how a patch gets into it.
Promises  the working tree itself is never touched; what is installed (.venv, node_modules) is linked, not copied.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_LINKED: Final = (".venv", "node_modules")


class PatchDoesNotApply(Exception):
    """The code it changes has changed: the patch must be made anew."""


class NoCheckout(Exception):
    """What belongs to the project is asked of git."""


def files_of(project: Path) -> tuple[str, ...]:
    """Of the working tree as it is now: tracked, and new ones that are not ignored."""
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode:
        raise NoCheckout(f"git ls-files in {project}: {listed.stdout.strip()}")
    names = dict.fromkeys(name for name in listed.stdout.split("\0") if name)
    return tuple(name for name in names if (project / name).is_file())


@contextmanager
def copy_of(tree: Path, files: Sequence[str], *, linked_from: Path | None = None) -> Iterator[Path]:
    """The root of a fresh copy of these files; gone when the block ends."""
    installed = tree if linked_from is None else linked_from
    with TemporaryDirectory(prefix="headrace-defects-") as folder:
        copy = Path(folder).resolve() / "tree"
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, copy / name)
        for name in _LINKED:
            if (installed / name).exists():
                (copy / name).symlink_to(installed / name)
        yield copy


def apply(patch: Path, tree: Path, *, only_check: bool = False) -> None:
    """Raises PatchDoesNotApply."""
    told = _git(tree, "apply", *(["--check"] if only_check else []), str(patch))
    if told.returncode:
        raise PatchDoesNotApply(
            f"{patch.name} no longer applies: make it anew against the code as it is now. git says: "
            f"{' '.join(told.stdout.split())}"
        )


def _git(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A temporary folder may lie inside somebody's repository, and then git would take its paths from there.
    ceiling = {"GIT_CEILING_DIRECTORIES": str(where.parent)}
    return subprocess.run(
        ["git", *arguments],
        cwd=where,
        env={**os.environ, **ceiling},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
