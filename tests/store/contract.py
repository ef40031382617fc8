"""What every store promises. A new store is finished when this passes: its test file makes a `store` fixture.

class TestMine(StoreContract):
    @pytest.fixture
    async def store(self, ...): ...
"""

from store.contract_claim_runs import ClaimRunsContract
from store.contract_evaluations import EvaluationsContract
from store.contract_followers import FollowersContract
from store.contract_jobs import JobsContract
from store.contract_lanes import LanesContract
from store.contract_life import LifeContract
from store.contract_operations import OperationsContract
from store.contract_reading import ReadingContract
from store.contract_roundtrip import RoundtripContract
from store.contract_settling import SettlingContract
from store.contract_transactions import TransactionsContract


class StoreContract(
    OperationsContract,
    FollowersContract,
    TransactionsContract,
    LanesContract,
    EvaluationsContract,
    ReadingContract,
    RoundtripContract,
    LifeContract,
    JobsContract,
    SettlingContract,
    ClaimRunsContract,
):
    """All of it."""
