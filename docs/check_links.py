"""Every link from one of our documents to a file, or to a heading of one, must lead somewhere."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.M)
CODE = re.compile(r"```.*?```", re.S)


def anchor(heading: str) -> str:
    """As code hosts make them: lower case, punctuation dropped, spaces to hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def problems_of(document: Path) -> list[str]:
    found = []
    for target in LINK.findall(CODE.sub("", document.read_text())):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        where = f"{document.relative_to(ROOT)}: {target}"
        if not file.exists():
            found.append(f"{where}: there is no such file")
        elif fragment and fragment not in {anchor(h) for h in HEADING.findall(file.read_text())}:
            found.append(f"{where}: has no such heading")
    return found


def main() -> int:
    documents = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
    problems = [problem for document in documents for problem in problems_of(document)]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    sys.stdout.write(f"{len(documents)} documents, {len(problems)} broken links\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
