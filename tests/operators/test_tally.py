from hypothesis import given
from hypothesis import strategies as st

from headrace.operators.answers import Answer, Failed, Refused, Signed
from headrace.operators.tally import EQUIVOCATION, Hopeless, Open, PolicySaysNo, Ready, Tally

NO = Refused(code="policy_refused", text="no")
ERROR = Failed(code="timeout", text="no answer", retryable=True)


def yes(response: bytes = b"r") -> Signed:
    return Signed(response=response, signature=b"s")


def tally(*stakes: int, threshold: int = 67) -> Tally:
    return Tally(dict(enumerate(stakes)), threshold)


def test_quorum_is_reached_exactly_at_the_threshold() -> None:
    exact = tally(67, 33)
    exact.add(0, yes())
    assert exact.standing() == Ready(b"r", {0: b"s"})
    below = tally(669_999, 330_001)
    below.add(0, yes())
    assert below.standing() == Open()


def test_a_threshold_of_a_hundred_needs_everybody() -> None:
    everyone = tally(1, 1, 1, threshold=100)
    everyone.add(0, yes())
    everyone.add(1, yes())
    assert everyone.standing() == Open()
    everyone.add(2, yes())
    assert isinstance(everyone.standing(), Ready)


def test_stake_beyond_floating_point_is_counted_to_the_wei() -> None:
    total = 3 * 10**27
    enough = tally(2 * 10**27 + 10**25, total - 2 * 10**27 - 10**25)
    enough.add(0, yes())
    assert isinstance(enough.standing(), Ready)
    short = tally(2 * 10**27 + 10**25 - 1, total - 2 * 10**27 - 10**25 + 1)
    short.add(0, yes())
    assert short.standing() == Open()


def test_different_responses_do_not_add_up() -> None:
    split = tally(1, 1, 1, 1)
    for index, response in enumerate((b"a", b"a", b"b")):
        split.add(index, yes(response))
    assert split.standing() == Open()
    split.add(3, yes(b"b"))
    assert split.standing() == Hopeless()


def test_a_repeated_answer_counts_once() -> None:
    repeated = tally(1, 1, 1)
    for _ in range(3):
        repeated.add(0, yes())
    assert repeated.standing() == Open()
    repeated.add(1, NO)
    repeated.add(1, yes())  # it has spoken
    assert repeated.signed.keys() == {0}


def test_who_signs_two_responses_counts_for_neither() -> None:
    two = tally(1, 1, 1)
    two.add(0, yes(b"a"))
    two.add(0, yes(b"b"))
    two.add(0, yes(b"a"))
    assert two.signed == {}
    assert two.noes[0] == Failed(
        code=EQUIVOCATION, text="signed two different responses to this task", retryable=False
    )


def test_enough_refusals_are_a_no_before_the_rest_is_heard() -> None:
    refused = tally(1, 1, 1, 1)
    refused.add(0, NO)
    assert refused.standing() == Open()
    refused.add(1, NO)
    assert refused.standing() == PolicySaysNo()


def test_enough_failures_are_hopeless_before_the_rest_is_heard() -> None:
    failed = tally(1, 1, 1, 1)
    failed.add(0, ERROR)
    assert failed.standing() == Open()
    failed.add(1, ERROR)
    assert failed.standing() == Hopeless()


def test_a_refusal_and_a_failure_wait_for_the_refusal_that_would_decide_it() -> None:
    mixed = tally(1, 1, 1, 1)
    mixed.add(0, ERROR)
    mixed.add(1, NO)
    assert mixed.standing() == Open()  # no quorum any more, but one more no would be the policy's
    mixed.add(2, NO)
    assert mixed.standing() == PolicySaysNo()


def test_a_refusal_and_a_failure_are_hopeless_when_the_rest_signs() -> None:
    mixed = tally(1, 1, 1, 1)
    mixed.add(0, ERROR)
    mixed.add(1, NO)
    mixed.add(2, yes())
    assert mixed.standing() == Open()
    mixed.add(3, yes())
    assert mixed.standing() == Hopeless()


def test_a_convicted_signature_never_counts_again() -> None:
    convicted = tally(1, 1, threshold=50)
    convicted.add(0, yes())
    convicted.convict(0, "bad_signature", "bad")
    convicted.add(0, yes())
    assert convicted.standing() == Open()
    convicted.add(1, yes())
    assert convicted.standing() == Ready(b"r", {1: b"s"})


answers: st.SearchStrategy[Answer] = st.sampled_from([yes(b"a"), yes(b"b"), NO, ERROR])


@given(
    stakes=st.lists(st.integers(1, 2**96 - 1), min_size=1, max_size=8),
    threshold=st.integers(1, 100),
    heard=st.lists(st.tuples(st.integers(0, 7), answers), max_size=20),
)
def test_whatever_comes_in_the_standing_is_true(
    stakes: list[int], threshold: int, heard: list[tuple[int, Answer]]
) -> None:
    counted = Tally(dict(enumerate(stakes)), threshold)
    total = sum(stakes)
    for index, answer in heard:
        if index >= len(stakes):
            continue
        counted.add(index, answer)
        standing = counted.standing()
        both = counted.signed.keys() & counted.noes.keys()
        assert not both
        unheard = set(range(len(stakes))) - counted.signed.keys() - counted.noes.keys()
        match standing:
            case Ready(response, signatures):
                assert sum(stakes[i] for i in signatures) * 100 >= total * threshold
                assert all(counted.signed[i].response == response for i in signatures)
            case PolicySaysNo():
                refused = sum(stakes[i] for i, no in counted.noes.items() if isinstance(no, Refused))
                assert (total - refused) * 100 < total * threshold
            case Hopeless():
                for group in (b"a", b"b"):
                    possible = {i for i, s in counted.signed.items() if s.response == group} | unheard
                    assert sum(stakes[i] for i in possible) * 100 < total * threshold
            case Open():
                assert unheard, "with everybody heard there is an end"
