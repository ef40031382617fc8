"""How often a process of ours looks for garbage.

Promises  what refers to itself is still found; only less often, and never among what the start made.

Python frees almost everything at once, by counting references. What its collector looks for besides are cycles,
and it looks after every 700 containers made: at 200 tasks a second that was a tenth of the gateway's CPU, with
pauses of 80 ms whenever it walked through all that was ever imported (docs/decisions/0025).
"""

import gc
from typing import Final

# Containers made and not freed between two looks at the young ones: some megabytes, if all of them were cycles.
YOUNG_MAX: Final = 20_000


def collect_rarely() -> None:
    """For a process with much to do for long, once what it needs is imported."""
    gc.collect()
    gc.freeze()
    _, older, oldest = gc.get_threshold()
    gc.set_threshold(YOUNG_MAX, older, oldest)
