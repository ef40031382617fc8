from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from api.rest.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """For tests of `loop_scope="module"` that store nothing."""
    async with open_house(tmp_path_factory.mktemp("shared")) as opened:
        yield opened
