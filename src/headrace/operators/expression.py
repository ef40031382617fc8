"""A policy's expression: CEL over the intent and its task, checked when it is loaded.

Owns      what an expression may name (VARIABLES, FUNCTIONS), and the mistakes found before the first task.
Promises  the same text and the same task give the same answer on every operator: no clock, no I/O, no chance; a
          result that is not true or false is an error, never a yes.
Leaves    the language itself to the CEL library, what follows from an answer to `operators.evaluate`.

What an expression sees (all text that stands for bytes is 0x… in lower case):
  intent.from, intent.to, intent.data, intent.selector (first 4 bytes of data, or 0x), intent.function_signature
  intent.value        wei, as decimal text; compare it with wei_at_most and wei_at_least
  intent.value_gwei   the same rounded up to whole gwei, as a number
  intent.chain_id, task.created_block, task.timestamp (unix seconds), task.policy_client
  args                the task's wasm_args: JSON if they parse, else text, else bytes
CEL numbers have 64 bits: larger ones stop at 2^63 - 1, and in `args` they become decimal text.
  wei_at_most(a, b), wei_at_least(a, b)   exact at any size; decimal text or numbers
  uint_argument(intent.data, i)           i-th 32-byte argument of the call, as decimal text
  address_argument(intent.data, i)        the same as an address
  lower(text)
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

import cel

from headrace.operators.functions import FUNCTIONS
from headrace.operators.view import SAMPLE

TEXT_LENGTH_MAX: Final = 16_384

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "intent": frozenset(
        {"from", "to", "value", "value_gwei", "data", "selector", "chain_id", "function_signature"}
    ),
    "task": frozenset({"created_block", "timestamp", "policy_client"}),
}
VARIABLES: Final = frozenset({"intent", "task", "args"})
_OF_CEL: Final = frozenset(
    {"size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes", "dyn"}
    | {"type", "has", "all", "exists", "exists_one", "map", "filter"}
)
_TYPES: Final = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"})

# The library writes a warning for each failing function; here a failure is an answer, and its text travels in it.
logging.getLogger("cel").setLevel(logging.CRITICAL)


class BadExpression(ValueError):
    """It cannot serve as a policy. `problems` names everything that was found."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NoAnswer(Exception):
    """The expression failed on this task, or answered something else than true or false."""


class Expression:
    """A compiled expression. Immutable; may be used by several threads."""

    __slots__ = ("_functions", "_program", "_variables", "text")

    def __init__(self, text: str) -> None:
        """Raises BadExpression."""
        if len(text) > TEXT_LENGTH_MAX:
            raise BadExpression(f"longer than {TEXT_LENGTH_MAX} characters")
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise BadExpression(f"not CEL: {_first_line(error)}") from None
        self.text = text
        if problems := _find_problems(text, self._program):
            raise BadExpression(*problems)
        # What it does not name is not handed to it: making CEL values of a whole task takes most of the time.
        named = self._program.references()
        self._variables = {name: _fields_used(name, text) for name in VARIABLES if name in named["variables"]}
        self._functions = {name: FUNCTIONS[name] for name in FUNCTIONS if name in named["functions"]}

    def decide(self, view: Mapping[str, Any]) -> bool:
        """Raises NoAnswer. `view` as `view_of` makes it. About 10 us."""
        try:
            variables = {
                name: view[name] if fields is None else {field: view[name][field] for field in fields}
                for name, fields in self._variables.items()
            }
            result = self._program.execute(cel.Context(variables, self._functions))
        except Exception as error:  # whatever goes wrong in a policy is a no with this reason, never a crash
            raise NoAnswer(_first_line(error)) from None
        if not isinstance(result, bool):
            raise NoAnswer(f"the result is {type(result).__name__}, not true or false")
        return result

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


# ---- Mistakes that are found before the first task

_LITERAL: Final = re.compile(
    r"""(?s)[rRbB]*('''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|//[^\n]*"""
)
_FIELD: Final = re.compile(r"\b(intent|task)\s*\.\s*(\w+)")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
_ORDERED_VALUE: Final = re.compile(r"\bintent\s*\.\s*value\b\s*[<>]|[<>]=?\s*intent\s*\.\s*value\b")
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}\b")
_DATA_DEPENDENT: Final = frozenset({"uint_argument", "address_argument"})


def _find_problems(text: str, program: "cel.Program") -> list[str]:
    code = _LITERAL.sub('""', text)
    references = program.references()
    variables, functions = set(references["variables"]), set(references["functions"])
    unknown = variables - VARIABLES - _TYPES - set(_BOUND.findall(code))
    problems = [f"unknown variable {name} (known: {', '.join(sorted(VARIABLES))})" for name in sorted(unknown)]
    problems += [
        f"unknown function {name} (ours: {', '.join(sorted(FUNCTIONS))})"
        for name in sorted(functions)
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS and name not in _OF_CEL
    ]
    problems += [
        f"unknown field {owner}.{field} (known: {', '.join(sorted(FIELDS[owner]))})"
        for owner, field in dict.fromkeys(_FIELD.findall(code))
        if field not in FIELDS[owner]
    ]
    if _ORDERED_VALUE.search(code):
        # It would compare letter by letter: "9" > "10".
        problems.append("intent.value is text: compare it with wei_at_most or wei_at_least, not with < or >")
    problems += [
        f"address {literal} would never match: write it in lower case"
        for literal in dict.fromkeys(_ADDRESS.findall(text))
        if literal != literal.lower()
    ]
    if not problems and "args" not in variables and functions.isdisjoint(_DATA_DEPENDENT):
        problems += _try_on_sample(program)
    return problems


def _fields_used(variable: str, text: str) -> list[str] | None:
    """Of `intent` or `task`; None: all of it, because it is also used in other ways than `variable.field`."""
    if variable not in FIELDS:
        return None
    code = _LITERAL.sub('""', text)
    fields = [field for owner, field in _FIELD.findall(code) if owner == variable]
    return list(dict.fromkeys(fields)) if len(fields) == len(re.findall(rf"\b{variable}\b", code)) else None


def _try_on_sample(program: "cel.Program") -> list[str]:
    """An expression that asks only for what every task has must have an answer for an ordinary one."""
    try:
        result = program.execute(cel.Context(dict(SAMPLE), FUNCTIONS))
    except Exception as error:  # the library has no base class of its own; any failure is this problem
        return [f"fails on an ordinary task: {_first_line(error)}"]
    return [] if isinstance(result, bool) else [f"gives {type(result).__name__}, not true or false"]


def _first_line(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no such field: {error.args[0]}"
    return str(error).partition("\n")[0][:300]
