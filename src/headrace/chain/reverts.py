"""From revert data to a named `Revert`, by selector and arguments.

Owns      which errors are known: those of the ABIs it was made from, and Solidity's own Error and Panic.
Promises  `decode` never raises, whatever the data: what is unknown or malformed stays raw, is counted, and told
          once per selector in the log.
Leaves    what a revert means for an operation to its workload.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from headrace.chain.abi import Abi, CustomError, args_as_json, decode
from headrace.chain.abi_codec import Undecodable
from headrace.core.words import Revert, Selector

log = logging.getLogger(__name__)

_UNKNOWN_SELECTORS_MAX: Final = 256
_REST: Final = Selector(b"")  # all that came after the count was full, and data shorter than a selector

_BUILT_IN: Final = Abi(
    [
        {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
        {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
    ],
    name="Solidity",
)

# Solidity documentation, "Panic via assert and Error via require".
PANICS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00: "inserted by the compiler",
        0x01: "assertion failed",
        0x11: "arithmetic overflow or underflow",
        0x12: "division or modulo by zero",
        0x21: "value outside the enum",
        0x22: "storage byte array badly encoded",
        0x31: "pop from an empty array",
        0x32: "array index out of bounds",
        0x41: "too much memory",
        0x51: "call of an uninitialised function",
    }
)


class Errors:
    """Knows errors by their selector. Make it with `Errors.of`."""

    def __init__(self, known: Mapping[Selector, CustomError]) -> None:
        self._known = dict(known)
        self._unknown: Counter[Selector] = Counter()

    @classmethod
    def of(cls, *abis: Abi) -> "Errors":
        """Solidity's own, and all errors of these ABIs. Raises ValueError where two share a selector."""
        errors = cls({error.selector: error for error in _BUILT_IN.errors})
        for abi in abis:
            for clash in errors.clashes(abi):
                raise ValueError(f"{abi.name}: {clash}")
            errors = errors.with_those_of(abi)
        return errors

    def clashes(self, abi: Abi) -> list[str]:
        """Errors of this ABI that cannot be told apart from others known, in words. The very same error may come
        in any number of ABIs."""
        first = dict(self._known)
        return [
            f"{error.signature} has the selector 0x{error.selector.hex()} of {known.signature}: the two cannot be "
            "told apart"
            for error in abi.errors
            if (known := first.setdefault(error.selector, error)).signature != error.signature
        ]

    def with_those_of(self, abi: Abi) -> "Errors":
        """These and those. What is known already stays as it is."""
        return Errors({error.selector: error for error in abi.errors} | self._known)

    @property
    def unknown(self) -> Mapping[Selector, int]:
        """How often each selector came that could not be decoded, since this was made. Under the empty one: data
        without a selector, and whatever came after 256 different ones."""
        return MappingProxyType(self._unknown)

    def decode(self, data: bytes) -> Revert:
        """Empty data is a revert without a reason (or running out of gas), and not counted as unknown."""
        if not data:
            return Revert(data)
        error = self._known.get(Selector(data[:4]))
        if error is None:
            return self._raw(data)
        try:
            args = args_as_json(error.inputs, decode(error.inputs, data[4:], error.signature))
        except Undecodable:
            return self._raw(data)
        if error.name == "Panic" and isinstance(code := args.get("code"), int):
            args["meaning"] = PANICS.get(code, "unknown panic code")
        return Revert(data, error.name, args)

    def _raw(self, data: bytes) -> Revert:
        revert = Revert(data)
        selector = revert.selector
        if selector not in self._unknown:
            if len(self._unknown) < _UNKNOWN_SELECTORS_MAX:
                # Once per selector: a thousand operations that meet the same one say no more than the first.
                log.warning("a revert that no known ABI has: %s", revert)
            else:
                selector = _REST
        self._unknown[selector] += 1
        return revert
