import pytest

# The contract lives in plain modules, and its assertions should explain themselves like any test's.
pytest.register_assert_rewrite(
    "store.contract",
    "store.contract_operations",
    "store.contract_followers",
    "store.contract_transactions",
    "store.contract_roundtrip",
    "store.contract_evaluations",
    "store.contract_reading",
    "store.contract_life",
    "store.contract_jobs",
    "store.contract_settling",
    "store.contract_claim_runs",
    "store.contract_lanes",
)
