"""The command line: `headrace COMMAND`.

Exit 0: done. 1: it ran, and what it checks does not hold, or it could not write what it found. 2: bad usage or
configuration, every problem listed. 130: Ctrl-C.
"""

import sys


def main() -> None:
    try:
        # Not above: most of a short command's time goes into imports, and Ctrl-C ends them silently too.
        from headrace.app.cli.commands import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
