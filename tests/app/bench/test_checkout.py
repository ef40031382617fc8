import subprocess
from pathlib import Path

import click
import pytest

from headrace.app.bench.checkout import bench_names, commit_of, find_checkout, load_bench

MODULE = """
from headrace.app.bench.declaring import Bench

async def run(bench): ...

BENCH = Bench(name={name!r}, says="One line.", run=run)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "headrace"\n')
    (tmp_path / "bench").mkdir()
    return tmp_path


def test_a_checkout_is_found_from_any_folder_in_it(checkout: Path) -> None:
    inside = checkout / "docs" / "decisions"
    inside.mkdir(parents=True)
    assert find_checkout(near=[inside]) == checkout


def test_another_project_with_a_bench_folder_is_none_of_ours(checkout: Path) -> None:
    other = checkout / "other"
    (other / "bench").mkdir(parents=True)
    (other / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert find_checkout(near=[other]) == checkout


def test_outside_of_a_checkout_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="run this in a checkout"):
        find_checkout(near=[tmp_path])


def test_a_bench_is_named_as_its_file(checkout: Path) -> None:
    (checkout / "bench" / "source_load.py").write_text(MODULE.format(name="source-load"))
    assert bench_names(checkout) == ["source-load"]
    assert load_bench(checkout, "source-load").says == "One line."


def test_a_module_that_is_no_bench_is_named_and_hurts_no_other(checkout: Path) -> None:
    (checkout / "bench" / "good.py").write_text(MODULE.format(name="good"))
    (checkout / "bench" / "empty.py").write_text("")
    (checkout / "bench" / "other.py").write_text(MODULE.format(name="another"))
    (checkout / "bench" / "broken.py").write_text("import headrace.no_such_module\n")
    assert load_bench(checkout, "good").name == "good"
    for name, says in (
        ("empty", "empty.py: has no BENCH"),
        ("other", "other.py: its bench is named another"),
        ("broken", "broken.py: cannot be imported: No module named 'headrace.no_such_module'"),
    ):
        with pytest.raises(click.ClickException, match=says):
            load_bench(checkout, name)


def test_the_commit_is_marked_where_files_differ_from_it(checkout: Path) -> None:
    assert commit_of(checkout) == "unknown"

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=checkout, check=True, capture_output=True)

    results = checkout / "bench" / "results"
    results.mkdir()
    (results / "sim.json").write_text("{}")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    clean = commit_of(checkout)
    assert len(clean) == 12
    (results / "sim.json").write_text('{"steps": 1}')
    assert commit_of(checkout) == clean, "what a bench of the same run wrote before"
    (checkout / "pyproject.toml").write_text('[project]\nname = "headrace"\nversion = "2"\n')
    assert commit_of(checkout) == f"{clean}-dirty"
