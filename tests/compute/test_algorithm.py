"""What may be asked for, and with which words the rest is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.compute.algorithm import ALGORITHM_BYTES_MAX, Algorithm, Ceiling, Limits, read_algorithm
from headrace.core.errors import FixTheRequest


def read(asked: Any, *, max_duration_s: int = 60, ceiling: Ceiling | None = None) -> Algorithm:
    content = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return read_algorithm(content, max_duration_s=max_duration_s, ceiling=ceiling or Ceiling())


def test_a_command_with_files_and_limits_is_read() -> None:
    algorithm = read(
        {
            "command": ["wc", "-l"],
            "files": {"a/b.txt": "ä", "c": {"base64": base64.b64encode(b"\x00\xff").decode()}},
            "limits": {"cpu_s": 5, "memory_mb": 100, "disk_mb": 1, "output_mb": 2, "processes": 3},
        }
    )
    assert algorithm.command == ("wc", "-l")
    assert algorithm.files == {"a/b.txt": "ä".encode(), "c": b"\x00\xff"}
    assert algorithm.limits == Limits(cpu_s=5, memory_mb=100, disk_mb=1, output_mb=2, processes=3)


def test_python_is_a_file_among_the_others() -> None:
    algorithm = read({"python": "print(1)"})
    assert algorithm.command is None
    assert algorithm.files == {"algorithm.py": b"print(1)"}


def test_what_is_not_declared_is_the_default_but_never_above_what_the_service_allows() -> None:
    assert read({"command": ["x"]}, max_duration_s=7).limits == Limits(cpu_s=7)
    ceiling = Ceiling(memory_mb=64, disk_mb=8, output_mb=1, processes=2)
    assert read({"command": ["x"]}, ceiling=ceiling).limits == Limits(
        cpu_s=60, memory_mb=64, disk_mb=8, output_mb=1, processes=2
    )


C = {"command": ["x"]}
REFUSED: list[tuple[Any, str]] = [
    (b"{", "algorithm: is no JSON"),
    (b"\xff", "algorithm: is no UTF-8 text"),
    (b"[]", "algorithm: is a list; a JSON object is needed"),
    (b'{"command": ["a"], "command": ["b"]}', "algorithm: 'command' is there twice"),
    (b" " * (ALGORITHM_BYTES_MAX + 1), f"algorithm: {ALGORITHM_BYTES_MAX + 1} bytes"),
    ({}, 'algorithm: needs exactly one of "command" and "python"'),
    (C | {"python": "1"}, 'algorithm: needs exactly one of "command" and "python"'),
    (C | {"image": "x"}, "algorithm: 'image' is unknown here; known are command, python, files, limits"),
    ({"command": "ls"}, "algorithm.command: 'ls'; a list of texts is needed"),
    ({"command": []}, "algorithm.command: []; a list of texts"),
    ({"command": ["a", 1]}, "algorithm.command: ['a', 1]; a list of texts"),
    ({"command": [""]}, "algorithm.command: its program is an empty text"),
    ({"command": ["a\0b"]}, "algorithm.command: has a NUL in it"),
    ({"command": ["a"] * 65}, "algorithm.command: 65 parts; 64 are possible"),
    ({"command": ["a" * 16385]}, "algorithm.command: 16385 bytes; 16384 are possible"),
    ({"command": ["\ud800"]}, "algorithm.command: has a lone surrogate in it"),
    ({"python": " "}, "algorithm.python: ' '; the text of a Python program is needed"),
    ({"python": 1}, "algorithm.python: 1; the text"),
    ({"python": "1", "files": {"algorithm.py": ""}}, "algorithm.files: 'algorithm.py' is the name of the Python"),
    (C | {"files": []}, "algorithm.files: is a list; an object of names"),
    (C | {"files": {str(n): "" for n in range(65)}}, "algorithm.files: 65 files; 64 are possible"),
    *((C | {"files": {name: ""}}, f"algorithm.files: {name!r} is no file name") for name in (
        "", ".", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a/", ".hidden", "a b", "-rf", "a\0", "a\n", "é",
    )),
    (C | {"files": {"a" * 201: ""}}, "algorithm.files: 'aaaa"),
    (C | {"files": {"a": "", "a/b": ""}}, "algorithm.files: 'a' is a file, and the folder of 'a/b'"),
    (C | {"files": {"a": 1}}, "algorithm.files.a: 1; a text or"),
    (C | {"files": {"a": {"base64": "?"}}}, "algorithm.files.a: is no base64"),
    (C | {"files": {"a": {"base64": "", "mode": 1}}}, "algorithm.files.a: {'base64': '', 'mode': 1}; a text or"),
    (C | {"limits": None}, "algorithm.limits: is null; an object is needed"),
    (C | {"limits": {"gpu": 1}}, "algorithm.limits: 'gpu' is unknown here; known are cpu_s, memory_mb"),
    (C | {"limits": {"cpu_s": 61}}, "algorithm.limits.cpu_s: 61; a whole number from 1 to 60 is needed (the"),
    (C | {"limits": {"memory_mb": 31}}, "algorithm.limits.memory_mb: 31; a whole number from 32 to 1024"),
    (C | {"limits": {"memory_mb": 10**30}}, "algorithm.limits.memory_mb: 1000000000"),
    (C | {"limits": {"disk_mb": 0}}, "algorithm.limits.disk_mb: 0; a whole number from 1 to 256"),
    (C | {"limits": {"disk_mb": True}}, "algorithm.limits.disk_mb: True; a whole number"),
    (C | {"limits": {"output_mb": 1.5}}, "algorithm.limits.output_mb: 1.5; a whole number"),
    (C | {"limits": {"processes": "4"}}, "algorithm.limits.processes: '4'; a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "words"), REFUSED, ids=[words[:60] for _, words in REFUSED])
def test_what_cannot_be_run_is_refused_with_its_place_and_value(asked: Any, words: str) -> None:
    with pytest.raises(FixTheRequest) as refused:
        read(asked)
    assert refused.value.message.startswith(words)
    assert len(refused.value.message) < 400


def test_what_is_nested_without_end_is_refused() -> None:
    # Which of the two words it is depends on how deep Python may go, and other tests may have changed that.
    with pytest.raises(FixTheRequest, match=r"^algorithm: is (nested too deeply|no JSON)"):
        read(b"[" * 3_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMED = st.fixed_dictionaries({}, optional=dict.fromkeys(("command", "python", "files", "limits"), JSON))


@given(NAMED | JSON)
def test_whatever_is_asked_is_read_or_refused_in_words(asked: Any) -> None:
    try:
        algorithm = read(asked)
    except FixTheRequest as refused:
        assert refused.message.startswith("algorithm")
    else:
        assert all(".." not in name.split("/") and not name.startswith("/") for name in algorithm.files)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    with pytest.raises(FixTheRequest, match=r"^algorithm"):
        read(content)
