"""In which order locks are taken from a contract that keeps them in one array per payee.

Owns      the order, derived for the escrow that is deployed today: to find a lock it looks through the array from
          the front; to remove it, it moves the last lock into its place.
Promises  the fewest looks that any order can have (a test tries them all for small arrays); of no harm to an
          escrow that finds a lock at once.

Why it is the fewest. Taking `k` of `n` locks eats the last `k` places of the array, from the back. Whoever stands
there and stays (not wanted) ends up in a place that was wanted, further in front; so each of those places is
looked up at least once, at its own cost. Whoever stands there and is wanted can be cheaper: taking the front-most
wanted lock pulls the last one into its place, and no wanted place is cheaper than the front-most. So:

- The last lock is wanted: take the front-most wanted one. The last comes to its place, the cheapest of all.
- The last lock stays: it fills a place for good. Not the front-most one, which would end the pulling: the second.
  Only when no other is left, the front-most.

Front to back, the obvious order, costs more where locks that stay are at the end: the first claim buries the
cheapest place under one of them.
"""

from collections import deque
from collections.abc import Collection, Hashable, Sequence
from typing import TypeVar

Lock = TypeVar("Lock", bound=Hashable)


def least_scanning(locks: Sequence[Lock], wanted: Collection[Lock]) -> tuple[list[Lock], list[Lock]]:
    """The order in which to take `wanted`, and the array that is left. `locks` in the contract's order, each of
    them once; all of `wanted` are among them. Linear in the number of locks."""
    array, wants = list(locks), frozenset(wanted)
    places = deque(place for place, lock in enumerate(array) if lock in wants)
    assert len(places) == len(wants), "a wanted lock is not in the array, or twice"
    order: list[Lock] = []
    front = places.popleft() if places else 0
    while len(order) < len(wants):
        if not places:
            place = front
        elif array[-1] in wants:
            place = front
            places.pop()  # the last one's own place: it stands in front from now on
        else:
            place = places.popleft()
        order.append(array[place])
        last = array.pop()
        if place < len(array):
            array[place] = last
    return order, array
