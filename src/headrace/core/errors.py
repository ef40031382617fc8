"""Errors a caller can act on, by who must act. A bug is an assertion, and nobody catches it."""

from collections.abc import Mapping
from typing import ClassVar


class HeadraceError(Exception):
    """Base of every error that reaches a caller. `data` travels with it as JSON (never a secret)."""

    rpc_code: ClassVar[int]

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data: Mapping[str, object] = data


class FixTheRequest(HeadraceError):
    """The client must change something. The same request will fail again."""

    rpc_code = -32602


class OtherContent(HeadraceError):
    """This id is already used for something else. Nothing was changed."""

    rpc_code = -32009


class TryLater(HeadraceError):
    """Nothing is wrong with the request. Send it again with the same id."""

    rpc_code = -32005

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **data: object) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **data)


class NeedsOperator(HeadraceError):
    """We cannot go on without a person: an empty lane account, a lost key, a full disk."""

    rpc_code = -32010


class PolicyRefused(HeadraceError):
    """The operators looked at the task and its client's policy says no."""

    rpc_code = -32615


class ContractRefused(HeadraceError):
    """The chain said no. `data` carries selector, name and args of the revert."""

    rpc_code = -32616
