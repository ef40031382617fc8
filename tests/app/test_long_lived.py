import gc
import weakref
from collections.abc import Iterator

import pytest

from headrace.app.long_lived import NEW_OBJECTS, spare_what_stays


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
def test_what_the_start_made_is_not_looked_at_again_and_cycles_are_still_found() -> None:
    spare_what_stays()
    assert gc.get_freeze_count() > 0

    first = weakref.ref(Cycle())
    kept = [[] for _ in range(2 * NEW_OBJECTS)]  # enough containers for a look
    assert first() is None
    assert len(kept) == 2 * NEW_OBJECTS
