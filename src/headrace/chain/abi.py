"""The binary interface of contracts: calls, answers, events and errors, from their ABI's JSON.

Owns      parameters, signatures, selectors and topics, and their values as JSON.
Promises  arguments that do not fit are named; what cannot be read is `Undecodable`.
Leaves    bytes to `chain.abi_codec`, where ABIs come from to `chain.artifacts`, revert data to `chain.reverts`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace.chain.abi_codec import Undecodable, decode_values, encode_values, fits, is_type
from headrace.chain.hexes import address_text, keccak, shown
from headrace.core.words import Log, Selector


@dataclass(frozen=True, slots=True)
class Param:
    """One input or output. `type` is canonical, with tuples written out: (bytes32,address)[]."""

    name: str
    type: str
    components: tuple["Param", ...] = ()
    indexed: bool = False


def _params(values: object, what: str) -> tuple[Param, ...]:
    """Raises ValueError for what is not a list of ABI parameters."""
    if not isinstance(values, list):
        raise ValueError(f"{what}: {shown(values)} is not a list of parameters")
    return tuple(_param(value, f"{what}[{index}]") for index, value in enumerate(values))


def _param(value: object, what: str) -> Param:
    if not isinstance(value, Mapping) or not isinstance(kind := value.get("type"), str):
        raise ValueError(f"{what}: {shown(value)} is not a parameter with a type")
    components: tuple[Param, ...] = ()
    if kind.startswith("tuple"):
        components = _params(value.get("components"), f"{what}.components")
        kind = f"({','.join(c.type for c in components)})" + kind.removeprefix("tuple")
    return Param(str(value.get("name") or ""), kind, components, bool(value.get("indexed")))


def encode(params: Sequence[Param], args: Sequence[object], what: str) -> bytes:
    """Raises ValueError, naming `what` and the argument that does not fit."""
    if len(args) != len(params):
        raise ValueError(f"{what} takes {len(params)} arguments, not {len(args)}")
    try:
        return encode_values([param.type for param in params], args)
    except ValueError as error:
        raise ValueError(f"{what}: {_first_misfit(params, args) or error}") from error


def _first_misfit(params: Sequence[Param], args: Sequence[object]) -> str | None:
    for index, (param, arg) in enumerate(zip(params, args, strict=True)):
        if not fits(param.type, arg):
            return f"argument {index} ({param.name or 'unnamed'}): {shown(arg)} is not a {param.type}"
    return None


def decode(params: Sequence[Param], data: bytes, what: str) -> tuple[Any, ...]:
    """Not strict about padding, like Solidity. Raises Undecodable."""
    try:
        return decode_values([param.type for param in params], data)
    except Undecodable as error:
        raise Undecodable(f"{what}: {error}") from error


def to_json(param: Param, value: Any) -> object:
    """A decoded value as JSON: bytes as 0x text, addresses with checksum, structs by field name."""
    if param.type.endswith("]"):
        inner = Param("", param.type[: param.type.rindex("[")], param.components)
        return [to_json(inner, item) for item in value]
    if param.components:
        if all(component.name for component in param.components):
            return {c.name: to_json(c, item) for c, item in zip(param.components, value, strict=True)}
        return [to_json(c, item) for c, item in zip(param.components, value, strict=True)]
    if param.type == "address":
        return address_text(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, int | str | bool) else str(value)


def args_as_json(params: Sequence[Param], values: Sequence[Any]) -> dict[str, object]:
    """By name; unnamed ones as arg0, arg1, ..."""
    return {
        param.name or f"arg{index}": to_json(param, value)
        for index, (param, value) in enumerate(zip(params, values, strict=True))
    }


def _signature(name: str, params: Sequence[Param]) -> str:
    return f"{name}({','.join(param.type for param in params)})"


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    inputs: tuple[Param, ...]
    outputs: tuple[Param, ...]
    signature: str
    selector: Selector

    def encode(self, *args: object) -> bytes:
        """Calldata. Structs as tuples, addresses as 20 bytes (or text). Raises ValueError."""
        return self.selector + encode(self.inputs, args, self.signature)

    def decode_input(self, data: bytes) -> tuple[Any, ...]:
        """The arguments of calldata. Raises Undecodable."""
        if data[:4] != self.selector:
            raise Undecodable(f"{self.signature}: these {len(data)} bytes do not begin with its selector")
        return decode(self.inputs, data[4:], self.signature)

    def decode_output(self, data: bytes) -> tuple[Any, ...]:
        """What the call returned, always as a tuple. Raises Undecodable."""
        return decode(self.outputs, data, f"the answer of {self.signature}")


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    inputs: tuple[Param, ...]
    signature: str
    topic: bytes

    def matches(self, log: Log) -> bool:
        return bool(log.topics) and log.topics[0] == self.topic

    def decode(self, log: Log) -> Mapping[str, Any]:
        """By name (arg0, ... where unnamed). Indexed values that have no fixed size are their hash. Raises
        Undecodable."""
        indexed = [param for param in self.inputs if param.indexed]
        if not self.matches(log) or len(log.topics) != len(indexed) + 1:
            raise Undecodable(f"{self.signature}: not this event, or indexed in another way")
        plain = [param for param in self.inputs if not param.indexed]
        topics = iter(
            topic if _is_hashed(param) else decode([param], topic, self.signature)[0]
            for param, topic in zip(indexed, log.topics[1:], strict=True)
        )
        data = iter(decode(plain, log.data, self.signature))
        return {
            param.name or f"arg{index}": next(topics) if param.indexed else next(data)
            for index, param in enumerate(self.inputs)
        }


@dataclass(frozen=True, slots=True)
class CustomError:
    name: str
    inputs: tuple[Param, ...]
    signature: str
    selector: Selector


def _is_hashed(param: Param) -> bool:
    return param.type in ("string", "bytes") or param.type.endswith("]") or bool(param.components)


class Abi:
    """All of one contract's interface. Raises ValueError for JSON that is not an ABI."""

    def __init__(self, entries: Iterable[object], *, name: str = "ABI") -> None:
        self.name = name
        self.constructor: tuple[Param, ...] = ()
        self.errors: tuple[CustomError, ...] = ()
        self._functions: dict[str, Function] = {}
        self._events: dict[str, Event] = {}
        for index, entry in enumerate(entries):
            self._read(entry, f"{name}[{index}]")

    def _read(self, entry: object, what: str) -> None:
        if not isinstance(entry, Mapping):
            raise ValueError(f"{what}: {shown(entry)} is not an ABI entry")
        kind = entry.get("type")
        if kind in ("fallback", "receive"):
            return
        inputs = _params(entry.get("inputs", []), f"{what}.inputs")
        if kind == "constructor":
            self.constructor = inputs
            return
        if not isinstance(name := entry.get("name"), str) or not name:
            raise ValueError(f"{what}: a {kind} needs a name")
        signature = _signature(name, inputs)
        hashed = keccak(signature.encode())
        if kind == "function":
            outputs = _params(entry.get("outputs", []), f"{what}.outputs")
            self._functions[signature] = Function(name, inputs, outputs, signature, Selector(hashed[:4]))
        elif kind == "event":
            self._events[signature] = Event(name, inputs, signature, hashed)
        elif kind == "error":
            for index, param in enumerate(inputs):
                if not is_type(param.type):
                    raise ValueError(f"{what}.inputs[{index}]: {shown(param.type)} is no type of the ABI")
            self.errors += (CustomError(name, inputs, signature, Selector(hashed[:4])),)
        else:
            raise ValueError(f"{what}: {shown(kind)} is no kind of ABI entry")

    @property
    def functions(self) -> tuple[Function, ...]:
        return tuple(self._functions.values())

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._events.values())

    def function(self, name: str) -> Function:
        """By name, or by signature where the name is overloaded. Raises KeyError with what there is."""
        return _find(self._functions, name, f"{self.name} has no function")

    def event(self, name: str) -> Event:
        """By name, or by signature where the name is overloaded. Raises KeyError with what there is."""
        return _find(self._events, name, f"{self.name} has no event")

    def encode_constructor(self, *args: object) -> bytes:
        """Raises ValueError."""
        return encode(self.constructor, args, f"the constructor of {self.name}")


_Entry = TypeVar("_Entry", Function, Event)


def _find(entries: Mapping[str, _Entry], name: str, missing: str) -> _Entry:
    if name in entries:
        return entries[name]
    found = [entry for entry in entries.values() if entry.name == name]
    if len(found) != 1:
        there = ", ".join(sorted(entries)) or "none"
        raise KeyError(f"{missing} {name}, or more than one; there are: {there}")
    return found[0]
