from collections import Counter

import pytest

from headrace.app.demo.settlement.cast import ENDINGS, LEAST_FREE, LEAST_PAID, Casting, Part, cast
from headrace.core.words import Address, ChainId

PAYERS = [Address(bytes([n]) * 20) for n in range(1, 6)]
TRICKSTER, TOKEN = Address(b"\x77" * 20), Address(b"\x88" * 20)


def play(paid: int, free: int, seed: int = 1) -> list[Casting]:
    return cast(
        paid=paid,
        free=free,
        payers=PAYERS,
        trickster=TRICKSTER,
        chain=ChainId(31337),
        token=TOKEN,
        run="job",
        seed=seed,
    )


@pytest.mark.parametrize(("paid", "free"), [(LEAST_PAID, LEAST_FREE), (24, 2), (200, 20), (1000, 100)])
def test_every_part_is_played_and_no_job_more_than_asked_for(paid: int, free: int) -> None:
    castings = play(paid, free)
    assert Counter(one.payer is None for one in castings) == {False: paid, True: free}
    assert {one.part for one in castings} == set(ENDINGS) == set(Part)
    assert len({one.id for one in castings}) == paid + free


def test_the_same_seed_is_the_same_play() -> None:
    assert play(200, 20) == play(200, 20)
    assert play(200, 20) != play(200, 20, seed=2)


def test_nobody_but_the_trickster_pays_for_what_it_takes_back() -> None:
    castings = play(200, 20)
    (tricked,) = [one for one in castings if one.part is Part.WITHDRAWN]
    assert tricked.payer == TRICKSTER
    assert [one for one in castings if one.payer == TRICKSTER] == [tricked]


def test_only_paid_jobs_name_a_payment() -> None:
    for one in play(24, 3):
        assert ("payment" in one.body) == (one.payer is not None)
        assert (one.per_minute > 0) == (one.payer is not None)
