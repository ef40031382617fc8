import random
from collections import Counter

from headrace.testing.dealt_faults import DealtFaults, Deck
from headrace.testing.faults import AnswerHttp, AnswerNull, Hang, LoseReply, PassOn, RpcRequest

SEND = RpcRequest("eth_sendRawTransaction", b'["0x"]')
CALL = RpcRequest("eth_call", b"[]")


def test_no_card_comes_again_before_all_have_come() -> None:
    deck = Deck(range(5), random.Random(1))
    for _ in range(20):
        assert sorted(deck.deal() for _ in range(5)) == [0, 1, 2, 3, 4]


def test_the_same_seed_deals_the_same_faults() -> None:
    first, second, other = (DealtFaults(seed, hang_s=1) for seed in (7, 7, 8))
    requests = [SEND, CALL] * 100
    dealt = [first.choose(request) for request in requests]
    assert dealt == [second.choose(request) for request in requests]
    assert dealt != [other.choose(request) for request in requests]


def test_each_kind_of_fault_comes_in_every_round_and_the_rest_goes_through() -> None:
    faults = DealtFaults(1, hang_s=3, undisturbed_sends=4, undisturbed_others=93)
    sends = Counter(faults.choose(SEND) for _ in range(12))
    assert sends == {
        LoseReply(): 2,
        Hang(3, reaches_node=True): 1,
        Hang(3): 1,
        AnswerHttp(429, retry_after_s=1): 1,
        AnswerHttp(502): 1,
        AnswerHttp(503): 1,
        AnswerNull(): 1,
        PassOn(): 4,
    }
    assert Counter(type(faults.choose(CALL)) for _ in range(100))[PassOn] == 93


def test_calm_is_no_fault_and_no_lost_notification_and_ends_as_it_began() -> None:
    faults = DealtFaults(1, hang_s=3, undisturbed_sends=0)
    faults.calm = True
    assert {type(faults.choose(SEND)) for _ in range(50)} == {PassOn}
    assert all(faults.keep_notification(b"") for _ in range(50))
    faults.calm = False
    assert PassOn not in {type(faults.choose(SEND)) for _ in range(8)}
    assert not all(faults.keep_notification(b"") for _ in range(4))
