from collections import Counter
from dataclasses import replace

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from headrace.app.load.task_source import Kind, PolicyClient, TaskSource

GOOD = PolicyClient(address=b"\x01" * 20, weight=98)
POISON = PolicyClient(address=b"\x02" * 20, kind=Kind.POISON, weight=2)


def test_the_same_seed_makes_the_same_tasks() -> None:
    one, two, other = (TaskSource([GOOD, POISON], chain_id=31337, seed=seed) for seed in (5, 5, 6))
    tasks = [one.next() for _ in range(50)]
    assert tasks == [two.next() for _ in range(50)]
    assert tasks != [other.next() for _ in range(50)]


def test_clients_are_chosen_by_weight_and_bring_their_kind() -> None:
    source = TaskSource([GOOD, POISON], chain_id=1)
    kinds = Counter((task.kind, task.policy_client) for task in (source.next() for _ in range(5_000)))
    assert set(kinds) == {(Kind.GOOD, GOOD.address), (Kind.POISON, POISON.address)}
    assert 60 < kinds[Kind.POISON, POISON.address] < 140


def test_intents_vary_and_calldata_matches_its_function() -> None:
    source = TaskSource([GOOD], chain_id=7)
    intents = [source.next().intent for _ in range(500)]
    assert len({intent.to for intent in intents}) == 500
    assert len({intent.function_signature for intent in intents}) >= 4
    for intent in intents:
        assert intent.chain_id == 7 and len(intent.from_) == len(intent.to) == 20
        assert len(intent.data) <= 1_024
        if intent.function_signature:
            assert intent.data[:4] == keccak(intent.function_signature)[:4]
        else:
            assert intent.data == b""


def test_calldata_is_what_an_abi_library_makes_of_its_arguments() -> None:
    source = TaskSource([GOOD], chain_id=7)
    for intent in (source.next().intent for _ in range(200)):
        if not intent.function_signature:
            continue
        types = intent.function_signature.decode().partition("(")[2].removesuffix(")").split(",")
        arguments = decode(types, intent.data[4:])
        assert encode(types, arguments) == intent.data[4:]


def test_values_stay_within_what_the_client_is_meant_to_get() -> None:
    rich = PolicyClient(address=b"\x03" * 20, kind=Kind.REFUSED, value_wei=(10**21, 2 * 10**21))
    source = TaskSource([rich], chain_id=1)
    assert all(10**21 <= source.next().intent.value_wei <= 2 * 10**21 for _ in range(200))


def test_any_so_many_tasks_in_a_row_have_exactly_one_of_a_spread_client() -> None:
    source = TaskSource([GOOD, replace(POISON, every=25)], chain_id=1, seed=3)
    poisoned = [source.next().kind is Kind.POISON for _ in range(1_000)]
    assert {sum(poisoned[start : start + 25]) for start in range(976)} == {1}


def test_a_source_whose_every_client_is_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="policy clients"):
        TaskSource([replace(POISON, every=2)], chain_id=1)


def test_a_source_without_clients_is_refused() -> None:
    with pytest.raises(ValueError, match="policy clients"):
        TaskSource([], chain_id=1)
