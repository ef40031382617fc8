from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.store import SqliteStore, open_store
from store.contract import StoreContract
from store.made import StillClock


class TestSqlite(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        async with open_store(tmp_path / "headrace.db", clock=StillClock()) as store:
            yield store
