"""What a client may ask to be run: a command or Python text, small files, and the limits it declares.

Owns      the form of `Job.algorithm` for this engine, and the bounds of it.
Promises  whatever is wrong is said with its place and value before anything runs; no file leaves its folder.
Leaves    how limits are enforced to `launcher`, `sandbox` and `gauge`.

The form, as JSON:

    {"command": ["sh", "-c", "wc -l /data/inputs/words.txt"]}   or   {"python": "print(6 * 7)"}
    "files":  {"words.txt": "as text", "image.png": {"base64": "iVBORw0..."}}
    "limits": {"cpu_s": 60, "memory_mb": 256, "disk_mb": 64, "output_mb": 4, "processes": 16}

Files are under /data/inputs (`INPUTS`), results are what is left under /data/outputs (`OUTPUTS`, where it starts).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from headrace.core.errors import FixTheRequest

ALGORITHM_BYTES_MAX: Final = 256 * 1024
ARGUMENTS_MAX: Final = 64
ARGUMENT_BYTES_MAX: Final = 16 * 1024  # all of them; a sandbox has its own on the same line
FILES_MAX: Final = 64
FILE_NAME_CHARACTERS_MAX: Final = 200
PYTHON_FILE: Final = "algorithm.py"
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`cpu_s`: of each process. `memory_mb`: of all together. `disk_mb`: of all that it writes to files, which is
    kept in memory. `output_mb`: of what it prints; the rest is dropped. MB are 2**20 bytes."""

    cpu_s: int
    memory_mb: int = 256
    disk_mb: int = 64
    output_mb: int = 4
    processes: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the service lets a job declare at most. Processor time is bounded by the job's duration."""

    memory_mb: int = 1024
    disk_mb: int = 256
    output_mb: int = 16
    processes: int = 64


_LEAST: Final[Mapping[str, int]] = {"memory_mb": 32}  # an interpreter alone takes about 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """`command` None: run the file `algorithm.py`, which is among `files` then."""

    command: tuple[str, ...] | None
    files: Mapping[str, bytes]
    limits: Limits


def read_algorithm(content: bytes, *, max_duration_s: int, ceiling: Ceiling) -> Algorithm:
    """Raises FixTheRequest."""
    asked = _object(content)
    _only(asked, ("command", "python", "files", "limits"), "algorithm")
    if ("command" in asked) == ("python" in asked):
        raise _wrong("algorithm", 'needs exactly one of "command" and "python"')
    files = _files(asked.get("files", {}))
    command = None
    if "command" in asked:
        command = _command(asked["command"])
    else:
        if PYTHON_FILE in files:
            raise _wrong("algorithm.files", f"{PYTHON_FILE!r} is the name of the Python text itself")
        files[PYTHON_FILE] = _python(asked["python"])
    _no_file_is_a_folder(files)
    limits = _limits(asked.get("limits", {}), max_duration_s=max_duration_s, ceiling=ceiling)
    return Algorithm(command=command, files=files, limits=limits)


def _object(content: bytes) -> dict[str, Any]:
    if len(content) > ALGORITHM_BYTES_MAX:
        raise _wrong("algorithm", f"{len(content)} bytes; {ALGORITHM_BYTES_MAX} are possible")
    try:
        asked = json.loads(content, object_pairs_hook=_named_once)
    except UnicodeDecodeError:
        raise _wrong("algorithm", "is no UTF-8 text") from None
    except RecursionError:
        raise _wrong("algorithm", "is nested too deeply") from None
    except ValueError as error:
        raise _wrong("algorithm", f"is no JSON ({error})") from None
    if not isinstance(asked, dict):
        raise _wrong("algorithm", f"is {_kind(asked)}; a JSON object is needed")
    return asked


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _wrong("algorithm", f"{_short(twice)} is there twice")
    return found


def _command(value: object) -> tuple[str, ...]:
    where = "algorithm.command"
    if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
        raise _wrong(where, f"{_short(value)}; a list of texts is needed: the program, then its arguments")
    if len(value) > ARGUMENTS_MAX:
        raise _wrong(where, f"{len(value)} parts; {ARGUMENTS_MAX} are possible")
    size = sum(len(_utf8(part, where)) for part in value)
    if size > ARGUMENT_BYTES_MAX:
        raise _wrong(where, f"{size} bytes; {ARGUMENT_BYTES_MAX} are possible (put more into a file)")
    if not value[0]:
        raise _wrong(where, "its program is an empty text")
    if any("\0" in part for part in value):
        raise _wrong(where, "has a NUL in it")
    return tuple(value)


def _python(value: object) -> bytes:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("algorithm.python", f"{_short(value)}; the text of a Python program is needed")
    return _utf8(value, "algorithm.python")


def _files(value: object) -> dict[str, bytes]:
    where = "algorithm.files"
    if not isinstance(value, dict):
        raise _wrong(where, f"is {_kind(value)}; an object of names and contents is needed")
    if len(value) > FILES_MAX:
        raise _wrong(where, f"{len(value)} files; {FILES_MAX} are possible")
    return {_file_name(name): _file_content(name, content) for name, content in value.items()}


def _file_name(name: str) -> str:
    if len(name) > FILE_NAME_CHARACTERS_MAX or not all(_PART.fullmatch(part) for part in name.split("/")):
        raise _wrong(
            "algorithm.files",
            f"{_short(name)} is no file name: parts of letters, digits and _ . - with / between, none of which "
            f"begins with a dot or a dash, {FILE_NAME_CHARACTERS_MAX} characters in all",
        )
    return name


def _file_content(name: str, value: object) -> bytes:
    where = f"algorithm.files.{name}"
    if isinstance(value, str):
        return _utf8(value, where)
    if not isinstance(value, dict) or set(value) != {"base64"} or not isinstance(value["base64"], str):
        raise _wrong(where, f'{_short(value)}; a text or {{"base64": "..."}} is needed')
    try:
        return base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(where, f"is no base64 ({error})") from None


def _no_file_is_a_folder(files: Mapping[str, bytes]) -> None:
    for name in files:
        parts = name.split("/")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end])
            if folder in files:
                raise _wrong("algorithm.files", f"{folder!r} is a file, and the folder of {name!r}")


def _limits(value: object, *, max_duration_s: int, ceiling: Ceiling) -> Limits:
    where = "algorithm.limits"
    if not isinstance(value, dict):
        raise _wrong(where, f"is {_kind(value)}; an object is needed")
    names = [field.name for field in fields(Limits)]
    _only(value, names, where)
    most = {field.name: getattr(ceiling, field.name) for field in fields(Ceiling)} | {"cpu_s": max_duration_s}
    for name, number in value.items():
        least = _LEAST.get(name, 1)
        if type(number) is not int or not least <= number <= most[name]:
            raise _wrong(
                f"{where}.{name}",
                f"{_short(number)}; a whole number from {least} to {most[name]} is needed"
                + (" (the job's max_duration_s)" if name == "cpu_s" else ""),
            )
    # What is not declared is the default, or the ceiling where that is lower.
    defaults = Limits(cpu_s=max_duration_s)
    return Limits(**{name: value.get(name, min(getattr(defaults, name), most[name])) for name in names})


def _only(value: Mapping[str, object], names: tuple[str, ...] | list[str], where: str) -> None:
    unknown = sorted(set(value) - set(names))
    if unknown:
        raise _wrong(where, f"{_short(unknown[0])} is unknown here; known are {', '.join(names)}")


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _wrong(where, "has a lone surrogate in it: no text") from None


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _wrong(field: str, what: str) -> FixTheRequest:
    return FixTheRequest(f"{field}: {what}", field=field)
