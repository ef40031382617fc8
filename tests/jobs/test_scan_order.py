"""The order of claims against a small model of the escrow that scans."""

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import pytest

from headrace.jobs.scan_order import least_scanning


def looks(locks: Sequence[int], order: Sequence[int]) -> tuple[int, list[int]]:
    """How many locks the contract looks at when it takes them in this order, and what is left: it searches from
    the front, and moves the last lock to where one was removed."""
    array, count = list(locks), 0
    for wanted in order:
        place = array.index(wanted)
        count += place + 1
        last = array.pop()
        if place < len(array):
            array[place] = last
    return count, array


@cache
def fewest(array: tuple[int, ...], wanted: frozenset[int]) -> int:
    """Of all orders there are."""
    if not wanted:
        return 0
    best = []
    for place, lock in enumerate(array):
        if lock in wanted:
            rest = list(array)
            last = rest.pop()
            if place < len(rest):
                rest[place] = last
            best.append(place + 1 + fewest(tuple(rest), wanted - {lock}))
    return min(best)


@pytest.mark.parametrize("count", range(8))
def test_no_order_looks_at_fewer_locks(count: int) -> None:
    locks = tuple(range(count))
    for size in range(count + 1):
        for wanted in combinations(locks, size):
            order, left = least_scanning(locks, wanted)
            assert sorted(order) == list(wanted)
            assert looks(locks, order) == (fewest(locks, frozenset(wanted)), left), (locks, wanted)
    fewest.cache_clear()


def test_taking_all_of_them_looks_at_each_once() -> None:
    locks = range(1000)
    order, left = least_scanning(locks, locks)
    assert (looks(locks, order)[0], left) == (1000, [])
    assert looks(locks, list(reversed(locks)))[0] == 500_500, "from the back, for comparison"


def test_front_to_back_costs_more_where_locks_that_stay_are_at_the_end() -> None:
    locks, wanted = range(2000), [*range(0, 1990, 2)]
    order, _ = least_scanning(locks, wanted)
    assert looks(locks, order)[0] < looks(locks, wanted)[0]


def test_nothing_wanted_is_nothing_done() -> None:
    assert least_scanning([3, 1, 2], []) == ([], [3, 1, 2])


def test_what_is_not_there_cannot_be_taken() -> None:
    with pytest.raises(AssertionError):
        least_scanning([1, 2], [3])
