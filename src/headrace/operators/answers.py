"""What operators are asked, and what they answer.

Owns      the words between an operator and those who ask it, in process or over HTTP.
Promises  an answer is one of three: a signature, a no of the policy, or a failure that says whether to ask again.
Leaves    their wire form to `operators.wire`, counting them to `operators.tally`.
"""

from dataclasses import dataclass

from headrace.workloads.tasks.structs import Task


@dataclass(frozen=True, slots=True)
class Question:
    """A task, and its ABI encoding, which is made once for all operators."""

    task: Task
    encoded: bytes

    @classmethod
    def about(cls, task: Task) -> "Question":
        return cls(task, task.abi())


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Yes. `response`: a TaskResponse, ABI-encoded; `signature` (96 bytes) covers chain, contract, task and it."""

    response: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The policy says no, or has no answer. It will say the same again."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No answer. `retryable`: the same question may be answered later."""

    code: str
    text: str
    retryable: bool


Answer = Signed | Refused | Failed
