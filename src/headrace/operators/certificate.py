"""What comes of asking the operators about a task.

Owns      the three ends: Certificate, Refusal, NoQuorum; and the words for what single operators did not do.
Promises  values only; bytes and integers, but for `as_json`, which leaves the house as it is.
Leaves    how an end is reached to `operators.aggregator`.
"""

from dataclasses import dataclass

from headrace.core.errors import TryLater
from headrace.core.words import Address, BlockNumber
from headrace.workloads.tasks.structs import TaskResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorError:
    """Why one operator's signature is not there. `at` in unix seconds."""

    operator: Address
    operator_id: bytes  # keccak256 of its public key
    code: str
    message: str
    at: float
    retryable: bool

    def as_json(self) -> dict[str, object]:
        """As `newt_createTask` reports it."""
        return {
            "operator_address": f"0x{self.operator.hex()}",
            "operator_id": f"0x{self.operator_id.hex()}",
            "error_code": self.code,
            "message": self.message,
            "timestamp": self.at,
            "retryable": self.retryable,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A quorum signed this response. `signature_data`: aggregate signature (96) and bitmap of non-signers (32)."""

    task_hash: bytes
    response: TaskResponse
    response_hash: bytes
    signature_data: bytes
    signers: tuple[Address, ...]
    non_signers: tuple[Address, ...]
    reference_block: BlockNumber
    operator_errors: tuple[OperatorError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The policy says no, by so much stake that no quorum can say yes."""

    task_hash: bytes
    message: str
    operator_errors: tuple[OperatorError, ...]


class NoQuorum(TryLater):
    """Too few answers, or too few that agree. Asking again with the same id asks about the same task."""

    def __init__(self, message: str, operator_errors: tuple[OperatorError, ...]) -> None:
        super().__init__(message, operator_errors=[error.as_json() for error in operator_errors])
        self.operator_errors = operator_errors
