from headrace.app.throughput.shares import shares_of


def shares(**cpu_s: float) -> dict[str, float]:
    found = shares_of(cpu_s, seconds=10, cores=2, gas_per_block=60.0, gas_limit=300)
    assert [share.percent for share in found] == sorted((share.percent for share in found), reverse=True)
    return {share.resource: share.percent for share in found}


def test_all_processes_together_use_the_cores() -> None:
    assert shares(gateway=5, chain=4, operators=6, proxy=1)["CPU of all 2 cores"] == 80


def test_a_process_that_runs_one_thread_at_a_time_ends_at_one_core() -> None:
    found = shares(gateway=9, chain=1)
    assert next(iter(found)) == "the one core of the gateway"
    assert found["the one core of the gateway"] == 90


def test_operators_are_several_processes_and_bound_by_all_cores_only() -> None:
    assert "the one core of the operators" not in shares(operators=15)


def test_gas_is_of_what_a_block_may_hold() -> None:
    assert shares(gateway=0.1)["gas of a block"] == 20
