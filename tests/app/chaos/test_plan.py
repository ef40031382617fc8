import random

import pytest

from headrace.app.chaos.attempts import NONCES_MAX, AttemptsSeen
from headrace.app.chaos.kills import kill_moments
from headrace.testing.faults import NoFaults, RpcRequest
from headrace.testing.keys import keys_from_seed
from testing.signing import GWEI, hexed, signed

(KEY,) = keys_from_seed(1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_there_is_one_kill_in_each_part_of_the_time_and_the_same_seed_kills_at_the_same_moments(seed: int) -> None:
    moments = kill_moments(10, 120, seed=seed)
    assert moments == kill_moments(10, 120, seed=seed) == sorted(moments)
    assert len(moments) == 10
    assert moments[0] >= 120 * 0.06 and moments[-1] <= 120 * 0.97
    part_s = 120 * 0.91 / 10
    assert [int((m - 120 * 0.06) // part_s) for m in moments] == list(range(10))


def test_attempts_at_one_nonce_are_told_apart() -> None:
    seen = AttemptsSeen()
    first, dearer, other = signed(KEY, 0), signed(KEY, 0, maxFeePerGas=9 * GWEI), signed(KEY, 1)
    faults = seen.noting(NoFaults())
    for raw in (first, dearer, other, dearer):
        faults.choose(RpcRequest("eth_sendRawTransaction", f'["{hexed(raw)}"]'.encode()))
    assert seen.others(first) == [dearer]
    assert seen.others(dearer) == [first]
    assert seen.others(other) == []


def test_what_is_no_transaction_is_not_noted_and_goes_on() -> None:
    faults = AttemptsSeen().noting(NoFaults())
    for params in (b'["0x00"]', b"[]", b"{}", b'["hello"]', b'["0xzz"]'):
        assert faults.choose(RpcRequest("eth_sendRawTransaction", params)) == NoFaults().choose(
            RpcRequest("", b"")
        )


def test_of_many_nonces_the_oldest_are_forgotten() -> None:
    seen = AttemptsSeen()
    nonces = list(range(NONCES_MAX + 3))
    random.Random(1).shuffle(nonces)
    for nonce in nonces:
        seen.note(signed(KEY, nonce))
    assert seen.others(signed(KEY, nonces[0], maxFeePerGas=9 * GWEI)) == []
    assert seen.others(signed(KEY, nonces[-1], maxFeePerGas=9 * GWEI)) == [signed(KEY, nonces[-1])]
