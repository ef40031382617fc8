"""Keeps the garbage collector off what lives as long as the process: code, ABIs, the parts of a gateway.

Promises  cycles among what comes and goes are still found, only later: some thousands of objects may wait for it.
"""

import gc
from typing import Final

# As many new objects as a few dozen requests hold at once: at Python's own 700 the collector looks at everything
# under way several times for each request, and finds nothing.
NEW_OBJECTS: Final = 20_000


def spare_what_stays() -> None:
    """To be called once all of it is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
