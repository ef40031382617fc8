"""Faults in a seeded order: dealt like cards, so that each kind comes as often as it stands in the deck.

Promises  the same seed deals the same cards in the same order; none comes again before all of its deck have come.
Leaves    doing them, and counting what was done, to the proxy.
"""

import random
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from headrace.testing.faults import AnswerHttp, AnswerNull, Fault, Hang, LoseReply, PassOn, RpcRequest

T = TypeVar("T")

SENDS: Final = frozenset({"eth_sendRawTransaction", "eth_sendRawTransactionSync"})


class Deck(Generic[T]):
    """Deals for ever: all cards in random order, then again in another."""

    def __init__(self, cards: Sequence[T], chance: random.Random) -> None:
        assert cards, "a deck has cards"
        self._cards, self._chance = tuple(cards), chance
        self._left: list[T] = []

    def deal(self) -> T:
        if not self._left:
            self._left = self._chance.sample(self._cards, len(self._cards))
        return self._left.pop()


class DealtFaults:
    """`hang_s`: longer than the client waits. In each round of faults so many sends, and so many other requests,
    go through undisturbed: sends are few, and it is their lost replies that duplicates are made of.

    `calm`, once set, ends all trouble."""

    def __init__(
        self, seed: int | str, *, hang_s: float, undisturbed_sends: int = 7, undisturbed_others: int = 40
    ) -> None:
        faults: list[Fault] = [
            LoseReply(),
            Hang(hang_s, reaches_node=True),
            Hang(hang_s),
            AnswerHttp(429, retry_after_s=1),
            AnswerHttp(502),
            AnswerHttp(503),
            AnswerNull(),
        ]
        self.calm = False
        self._chance = random.Random(seed)
        self._sends = Deck([*faults, LoseReply(), *[PassOn()] * undisturbed_sends], self._chance)
        self._others = Deck([*faults, *[PassOn()] * undisturbed_others], self._chance)
        self._notifications = Deck([True, True, True, False], self._chance)

    def choose(self, request: RpcRequest) -> Fault:
        if self.calm:
            return PassOn()
        return (self._sends if request.method in SENDS else self._others).deal()

    def keep_notification(self, notification: bytes) -> bool:
        return self.calm or self._notifications.deal()
