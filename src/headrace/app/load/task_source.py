"""Makes up the tasks of a load: varied, realistic intents for a weighted choice of policy clients.

Promises  the same seed makes the same tasks in the same order.
Leaves    what a policy client's policy or contract makes of them; `kind` only says what whoever set it up expects.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

from eth_utils.crypto import keccak

ETHER_WEI: Final = 10**18
SENDERS: Final = 256  # distinct accounts that intents come from: people come back
SIGNATURE_BYTES: Final = 65


class Kind(Enum):
    """What is expected of a task."""

    GOOD = "good"  # passes off chain, lands on chain
    REFUSED = "refused"  # the policy says no: no certificate, nothing on chain
    POISON = "poison"  # passes off chain, reverts on chain


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyClient:
    """A contract under whose policy tasks are asked for. `value_wei`: least and most of its intents.

    `every`: its tasks are no matter of chance and weight; each so-many-th task is one of its, so that any so many
    in a row have exactly one.
    """

    address: bytes
    kind: Kind = Kind.GOOD
    weight: float = 1.0
    value_wei: tuple[int, int] = (0, 5 * ETHER_WEI)
    every: int | None = None

    def __post_init__(self) -> None:
        assert self.every is None or self.every >= 2, f"every {self.every}: at least 2, so that others get a turn"
        assert len(self.address) == 20, "an address is 20 bytes"
        assert 0 <= self.value_wei[0] <= self.value_wei[1], self.value_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a user wants to do. `function_signature` is the human-readable text, empty for a plain transfer."""

    from_: bytes
    to: bytes
    value_wei: int
    data: bytes
    chain_id: int
    function_signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWish:
    """One task to ask for. `intent_signature` has the shape of a signature and no key behind it."""

    kind: Kind
    policy_client: bytes
    intent: Intent
    intent_signature: bytes
    quorum_threshold_percentage: int | None


class TaskSource:
    """`chain_id` of the intents; `quorum_threshold_percentage` None leaves the choice to the gateway."""

    def __init__(
        self,
        clients: Sequence[PolicyClient],
        *,
        chain_id: int,
        seed: int = 0,
        quorum_threshold_percentage: int | None = None,
    ) -> None:
        by_chance = [client for client in clients if client.every is None]
        if not by_chance or sum(client.weight for client in by_chance) <= 0:
            raise ValueError("a task source needs policy clients with a weight above 0")
        self._spread = [(client.every, client) for client in clients if client.every is not None]
        self._clients = tuple(by_chance)
        self._weights = list(accumulate(client.weight for client in by_chance))
        self._chain_id = chain_id
        self._threshold = quorum_threshold_percentage
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose, nothing here is a secret
        self._senders = [self._chance.randbytes(20) for _ in range(SENDERS)]
        self._made = 0

    def next(self) -> TaskWish:
        client = self._next_client()
        signature, selector, arguments = self._chance.choice(_CALLS)
        return TaskWish(
            kind=client.kind,
            policy_client=client.address,
            intent=Intent(
                from_=self._chance.choice(self._senders),
                to=self._chance.randbytes(20),
                value_wei=self._chance.randint(*client.value_wei),
                data=selector + arguments(self._chance),
                chain_id=self._chain_id,
                function_signature=signature,
            ),
            intent_signature=self._chance.randbytes(SIGNATURE_BYTES),
            quorum_threshold_percentage=self._threshold,
        )

    def _next_client(self) -> PolicyClient:
        index = self._made
        self._made += 1
        for every, client in self._spread:
            # In the middle of each so many, so that a short batch at the end of a load is as likely to have one as
            # a short one at its start.
            if index % every == every // 2:
                return client
        return self._chance.choices(self._clients, cum_weights=self._weights)[0]


def _word(value: int | bytes) -> bytes:
    return value.to_bytes(32) if isinstance(value, int) else value.rjust(32, b"\0")


def _plain_transfer(chance: random.Random) -> bytes:
    return b""


def _address_and_amount(chance: random.Random) -> bytes:
    return _word(chance.randbytes(20)) + _word(chance.randint(1, MOST_TOKENS))


def _swap(chance: random.Random) -> bytes:
    """amountIn, amountOutMin, path (at byte 160), to, deadline; then the path: its length and its tokens."""
    path = [chance.randbytes(20) for _ in range(chance.randint(2, 4))]
    amounts = (chance.randint(1, MOST_TOKENS), chance.randint(1, MOST_TOKENS))
    words: tuple[int | bytes, ...] = (*amounts, 160, chance.randbytes(20), SWAP_DEADLINE, len(path), *path)
    return b"".join([_word(word) for word in words])


MOST_TOKENS: Final = 10**24
SWAP_DEADLINE: Final = 2_000_000_000  # unix seconds

# Function signature as text, its selector, its arguments. Arguments are joined by hand: the ABI library
# takes as long for them as all the rest of a request, and the client shares the machine with what it measures.
_CALLS: Final[Sequence[tuple[bytes, bytes, Callable[[random.Random], bytes]]]] = (
    (b"", b"", _plain_transfer),
    *(
        (signature.encode(), keccak(text=signature)[:4], arguments)
        for signature, arguments in (
            ("transfer(address,uint256)", _address_and_amount),
            ("approve(address,uint256)", _address_and_amount),
            ("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", _swap),
        )
    ),
)
