"""What every store promises. A new store is finished when this passes: its test file makes a `store` fixture.

class TestMine(StoreContract):
    @pytest.fixture
    async def store(self, ...): ...
"""

from store.contract_evaluations import EvaluationsContract
from store.contract_followers import FollowersContract
from store.contract_life import LifeContract
from store.contract_operations import OperationsContract
from store.contract_reading import ReadingContract
from store.contract_roundtrip import RoundtripContract
from store.contract_transactions import TransactionsContract


class StoreContract(
    OperationsContract,
    FollowersContract,
    TransactionsContract,
    EvaluationsContract,
    ReadingContract,
    RoundtripContract,
    LifeContract,
):
    """All of it."""
