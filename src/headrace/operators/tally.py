"""Counting the answers to one task, as plain functions of what has come in.

Owns      who said what, and what follows: a quorum to check, a no of the policy, waiting, or no hope.
Promises  stake is counted in integers, as the contract does: signed * 100 >= total * threshold; a repeated answer
          counts once; whoever signs two responses counts for neither; a bad signature never counts again.
Leaves    signatures to `operators.keyring`, waiting to `operators.aggregator`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from headrace.operators.answers import Answer, Failed, Refused, Signed

EQUIVOCATION: Final = "equivocation"
BAD_SIGNATURE: Final = "bad_signature"


@dataclass(frozen=True, slots=True)
class Ready:
    """Enough stake says that it signed this response. The signatures are still to be checked."""

    response: bytes
    signatures: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Open:
    """Answers that are still out can decide it."""


@dataclass(frozen=True, slots=True)
class PolicySaysNo:
    """So much stake refused that the rest cannot be a quorum."""


@dataclass(frozen=True, slots=True)
class Hopeless:
    """No quorum can come any more, and not because the policy said no."""


Standing = Ready | Open | PolicySaysNo | Hopeless


class Tally:
    """Of one task. `stakes` by operator index; every operator in it was asked."""

    def __init__(self, stakes: Mapping[int, int], threshold_percent: int) -> None:
        assert 1 <= threshold_percent <= 100, threshold_percent
        self._stakes = stakes
        self._total = sum(stakes.values())
        assert self._total > 0, "nobody has stake"
        self._threshold = threshold_percent
        self._signed: dict[int, Signed] = {}
        self._refused: dict[int, Refused] = {}
        self._failed: dict[int, Failed] = {}

    @property
    def signed(self) -> Mapping[int, Signed]:
        return self._signed

    @property
    def noes(self) -> Mapping[int, Refused | Failed]:
        """Everybody who was heard and did not sign, or whose signature does not count."""
        return {**self._refused, **self._failed}

    def add(self, index: int, answer: Answer) -> None:
        """A first answer counts; after it only a second, other response does, against the operator."""
        assert index in self._stakes, index
        match answer:
            case Signed():
                earlier = self._signed.get(index)
                if earlier is not None and earlier.response != answer.response:
                    self.convict(index, EQUIVOCATION, "signed two different responses to this task")
                elif earlier is None and index not in self._refused and index not in self._failed:
                    self._signed[index] = answer
            case Refused():
                if index not in self._signed and index not in self._failed:
                    self._refused.setdefault(index, answer)
            case Failed():
                if index not in self._signed and index not in self._refused:
                    self._failed.setdefault(index, answer)
            case _:
                assert_never(answer)

    def convict(self, index: int, code: str, text: str) -> None:
        """What this operator signed counts no more, whatever else it sends."""
        self._signed.pop(index, None)
        self._refused.pop(index, None)
        self._failed[index] = Failed(code=code, text=text, retryable=False)

    def standing(self) -> Standing:
        stakes: dict[bytes, int] = {}
        for index, answer in self._signed.items():
            stakes[answer.response] = stakes.get(answer.response, 0) + self._stakes[index]
        best = max(stakes, key=stakes.__getitem__, default=None)
        leading = stakes[best] if best is not None else 0
        if best is not None and self._reaches(leading):
            return Ready(best, {i: a.signature for i, a in self._signed.items() if a.response == best})
        refused, failed = self._stake_of(self._refused), self._stake_of(self._failed)
        if not self._reaches(self._total - refused):
            return PolicySaysNo()
        unheard = self._total - sum(stakes.values()) - refused - failed
        if self._reaches(leading + unheard):
            return Open()
        # A quorum is out of reach. Refusals and failures together may have done it; then those who are unheard
        # can still make it a plain no of the policy, which is worth more to the client than "try later".
        failures_alone = not self._reaches(self._total - failed)
        no_is_possible = refused > 0 and not self._reaches(self._total - refused - unheard)
        return Open() if unheard and no_is_possible and not failures_alone else Hopeless()

    def signed_percent(self) -> int:
        """Of all stake, signed for whichever response; for messages."""
        return self._stake_of(self._signed) * 100 // self._total

    def _reaches(self, stake: int) -> bool:
        return stake * 100 >= self._total * self._threshold

    def _stake_of(self, indexes: Mapping[int, object]) -> int:
        return sum(self._stakes[index] for index in indexes)
