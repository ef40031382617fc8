"""Finds the project checkout, and the benches in its folder `bench/`.

Promises  a module that cannot be imported, or declares nothing, is named with what is wrong with it.
"""

import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import click

from headrace.app.bench.declaring import Bench

FOLDER: Final = "bench"


def find_checkout(*, near: Sequence[Path] | None = None) -> Path:
    """The one around the working folder, else the one that this program runs from. Raises ClickException."""
    near = near if near is not None else (Path.cwd(), Path(__file__).resolve())
    for place in near:
        for folder in (place, *place.parents):
            if (folder / FOLDER).is_dir() and _is_ours(folder / "pyproject.toml"):
                return folder
    raise click.ClickException(
        "the measured claims are modules of the project's folder bench/, which an installed package does not "
        "have: run this in a checkout of the project"
    )


def bench_names(checkout: Path) -> list[str]:
    """A bench is named as its file, with dashes: bench/source_load.py is `source-load`."""
    return sorted(file.stem.replace("_", "-") for file in (checkout / FOLDER).glob("*.py"))


def load_bench(checkout: Path, name: str) -> Bench:
    """Imports this one only: another that is broken is no matter. Raises ClickException."""
    file = checkout / FOLDER / f"{name.replace('-', '_')}.py"
    bench = getattr(_imported(file), "BENCH", None)
    if not isinstance(bench, Bench):
        raise click.ClickException(f"{file}: has no BENCH = Bench(...), see headrace.app.bench.declaring")
    if bench.name != name:
        raise click.ClickException(f"{file}: its bench is named {bench.name}, the file wants {name}")
    return bench


def commit_of(checkout: Path) -> str:
    """The commit's hash, `-dirty` behind it where files other than results differ from it: one bench after the
    other writes those. "unknown" where git does not tell."""
    try:
        head = _git(checkout, "rev-parse", "--short=12", "HEAD")
        but_results = ("--", ".", f":(exclude){FOLDER}/results")
        differs = _git(checkout, "status", "--porcelain", "--untracked-files=no", *but_results)
        return head + ("-dirty" if differs else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _imported(file: Path) -> ModuleType:
    # Under a name of its own: a bench named `memory` must not stand in for somebody's module of that name.
    name = f"headrace_bench_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise click.ClickException(f"{file}: cannot be imported: {error}") from error
    return module


def _is_ours(file: Path) -> bool:
    try:
        return bool(tomllib.loads(file.read_text()).get("project", {}).get("name") == "headrace")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        ["git", *arguments],  # noqa: S607 - whichever git is the user's
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
