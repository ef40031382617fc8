"""Packaged contracts, and ABI files of others."""

import json
from pathlib import Path

import pytest

from headrace.chain.artifacts import load, packaged, read_abi_file, read_artifact

ERROR = {"type": "error", "name": "Nope", "inputs": []}


def test_our_contracts_come_with_the_package() -> None:
    assert {"OperatorRegistry", "TaskManager", "BatchTaskManager", "PolicyClient"} <= set(packaged())
    manager = load("TaskManager")
    assert manager.name == "TaskManager"
    assert len(manager.bytecode) > 1_000
    assert manager is load("TaskManager")
    assert manager.bytecode.hex() not in repr(manager)


def test_every_packaged_artifact_can_be_read() -> None:
    assert all(load(name).abi.functions for name in packaged())


def test_a_name_that_is_not_there_says_what_is() -> None:
    with pytest.raises(KeyError, match=r"no packaged contract Unknown; there are: .*TaskManager"):
        load("Unknown")


def test_an_interface_cannot_be_created_and_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="IPolicyClient has no bytecode"):
        load("IPolicyClient").init_code()
    with pytest.raises(ValueError, match="the constructor of TaskManager takes"):
        load("TaskManager").init_code(*[b""] * 9)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "X.json: not JSON"),
        ("[]", "contractName is missing"),
        ('{"contractName": "X", "abi": [], "bytecode": "0x60__$abc$__"}', "unlinked libraries"),
        ('{"contractName": "X", "abi": 5, "bytecode": "0x"}', "abi: 5 is not an array"),
    ],
)
def test_what_is_no_artifact_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_artifact(text, "X.json")


def test_an_abi_file_is_an_array_or_an_artifact_of_any_tool(tmp_path: Path) -> None:
    path = tmp_path / "Theirs.json"
    for content in ([ERROR], {"abi": [ERROR], "metadata": "x"}):
        path.write_text(json.dumps(content))
        abi = read_abi_file(path)
        assert (abi.name, [error.name for error in abi.errors]) == ("Theirs", ["Nope"])
    path.write_text('{"no": "abi"}')
    with pytest.raises(ValueError, match="neither an array nor an object"):
        read_abi_file(path)
