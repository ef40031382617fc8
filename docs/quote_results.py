"""Writes what README.md quotes of bench/results/. `--check`: writes nothing, fails where they differ."""

import json
import sys
from pathlib import Path

import click

from headrace.app.bench.checkout import bench_names, load_bench
from headrace.app.bench.quoted import CannotQuote, figures_outside, quoted

ROOT = Path(__file__).resolve().parent.parent
SECTION = "Measured"


def main(arguments: list[str]) -> int:
    readme = ROOT / "README.md"
    benches = [load_bench(ROOT, name) for name in bench_names(ROOT)]
    files = {bench.name: ROOT / "bench" / "results" / f"{bench.name}.json" for bench in benches}
    results = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    before = readme.read_text()
    after = quoted(before, benches, results)
    missing = [name for name in files if name not in results]
    sys.stdout.write(
        f"README.md quotes {len(results)} results" + f"; none of {', '.join(missing)}" * bool(missing) + "\n"
    )
    if "--check" in arguments:
        problems = [f"a figure outside the quoted parts: {line}" for line in figures_outside(after, SECTION)]
        if after != before:
            problems.append("it does not say what bench/results/ says: make readme")
        for problem in problems:
            sys.stderr.write(f"README.md: {problem}\n")
        return 1 if problems else 0
    readme.write_text(after)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CannotQuote, click.ClickException) as error:
        sys.exit(f"README.md cannot be written: {error}")
