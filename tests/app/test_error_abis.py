"""The users' own ABIs: read at start, and what they make of a revert."""

import json
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from headrace.app.error_abis import read_task_reverts
from headrace.app.settings import BadSettings, load_settings
from headrace.core.words import Selector

CAP_EXCEEDED = {
    "type": "error",
    "name": "CapExceeded",
    "inputs": [{"name": "limit", "type": "uint256"}, {"name": "client", "type": "address"}],
}
DATA = keccak(text="CapExceeded(uint256,address)")[:4] + encode(["uint256", "address"], [5, "0x" + "12" * 20])


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def problems_of(*paths: Path) -> list[str]:
    with pytest.raises(BadSettings) as bad:
        read_task_reverts(paths)
    return bad.value.problems


@pytest.mark.parametrize(
    "content",
    [
        [CAP_EXCEEDED],
        {"abi": [CAP_EXCEEDED], "bytecode": {"object": "0x"}, "methodIdentifiers": {}},  # Foundry
        {"_format": "hh-sol-artifact-1", "contractName": "Policy", "abi": [CAP_EXCEEDED], "bytecode": "0x"},
    ],
)
def test_an_error_of_the_users_is_decoded_from_any_tools_output(tmp_path: Path, content: object) -> None:
    reverts = read_task_reverts([written(tmp_path, "Policy.json", content)])
    revert = reverts.read(DATA)
    assert revert.name == "CapExceeded"
    assert revert.args == {"limit": 5, "client": "0x1212121212121212121212121212121212121212"}
    assert reverts.read(bytes.fromhex("c2e5347d")).name == "EmptyBatch", "the contracts' own errors stay known"


def test_it_is_decoded_inside_a_failed_batch_too(tmp_path: Path) -> None:
    reverts = read_task_reverts([written(tmp_path, "Policy.json", [CAP_EXCEEDED])])
    items = [(3, b"\x07" * 32, DATA)]
    revert = reverts.read(bytes.fromhex("19ed9977") + encode(["(uint256,bytes32,bytes)[]"], [items]))
    (item,) = revert.args["failures"]  # type: ignore[misc]
    assert item == {
        "index": 3,
        "taskId": "0x" + "07" * 32,
        "reason": "0x" + DATA.hex(),
        "error": "CapExceeded(limit=5, client=0x1212121212121212121212121212121212121212)",
    }
    assert "CapExceeded(limit=5" in str(revert)
    assert DATA.hex() not in str(revert), "raw bytes are not repeated beside what they mean"


def test_the_paths_count_from_the_settings_file_and_may_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "headrace.toml"
    text = """
[chains.a]
chain_id = 1
http = ["http://127.0.0.1:1"]
deployment = "d.json"
[[lanes]]
chain = "a"
key_env = "KEY"
"""
    file.write_text(text + '[tasks]\nerror_abis = ["abis/Policy.json", "/elsewhere/Other.json"]\n')
    found = load_settings(file, {}).tasks.error_abis
    assert found == [tmp_path / "abis/Policy.json", Path("/elsewhere/Other.json")]
    found = load_settings(file, {"HEADRACE__TASKS__ERROR_ABIS": "a.json, b.json"}).tasks.error_abis
    assert found == [tmp_path / "a.json", tmp_path / "b.json"]


def test_every_problem_is_listed_at_once_with_its_file(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    known = {"type": "error", "name": "TaskAlreadyExists", "inputs": [{"name": "other", "type": "bytes32"}]}
    paths = [
        tmp_path / "missing.json",
        tmp_path,
        written(tmp_path, "text.json", "not json"),
        binary,
        written(tmp_path, "object.json", {"contracts": {}}),
        written(tmp_path, "abi.json", {"abi": "none"}),
        written(tmp_path, "entry.json", [7]),
        written(tmp_path, "kind.json", [{"type": "mistake", "name": "X"}]),
        written(
            tmp_path, "type.json", [{"type": "error", "name": "X", "inputs": [{"name": "a", "type": "uint7"}]}]
        ),
        written(tmp_path, "empty.json", [{"type": "function", "name": "f", "inputs": [], "outputs": []}]),
        written(tmp_path, "fine.json", [known]),  # the contracts have it too: the same error may come twice
    ]
    found = problems_of(*paths)
    assert [problem.split(": ")[1] for problem in found] == [str(path) for path in paths[:-1]]
    assert all(problem.startswith("tasks.error_abis: ") for problem in found)
    told = "\n".join(found)
    for words in (
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "not JSON",
        "it is no text",
        'neither an array nor an object with one under "abi"',
        "'none' is not an array",
        "7 is not an ABI entry",
        "'mistake' is no kind of ABI entry",
        "'uint7' is no type of the ABI",
        "has no errors",
    ):
        assert words in told


def test_two_different_errors_with_one_selector_are_refused_naming_both(tmp_path: Path) -> None:
    one, other = "many_msg_babbage(bytes1)", "transfer(address,uint256)"  # a pair that is well known
    assert keccak(text=one)[:4] == keccak(text=other)[:4]
    first = {"type": "error", "name": "many_msg_babbage", "inputs": [{"name": "a", "type": "bytes1"}]}
    second = {
        "type": "error",
        "name": "transfer",
        "inputs": [{"name": "to", "type": "address"}, {"name": "value", "type": "uint256"}],
    }
    within = problems_of(written(tmp_path, "both.json", [first, second]))
    between = problems_of(written(tmp_path, "1.json", [first]), written(tmp_path, "2.json", [second]))
    for problems in (within, between):
        (problem,) = problems
        assert f"{other} has the selector 0xa9059cbb of {one}: the two cannot be told apart" in problem


def test_what_nobody_can_read_is_kept_raw_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reverts = read_task_reverts([])
    for _ in range(1_000):
        revert = reverts.read(DATA)
    assert (revert.data, revert.name) == (DATA, None)
    assert dict(reverts.unknown) == {Selector(DATA[:4]): 1_000}
    (told,) = [record.message for record in caplog.records]
    assert f"0x{DATA[:4].hex()}" in told
