"""The command line as a shell sees it: processes, exit codes, what stands on which stream."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from headrace.app.cli.commands import headrace
from headrace.core.words import OperationId, Outcome, Revert
from headrace.store import open_store
from store.made import CHAIN, LANE, StillClock, an_operation, claim, ended, sealed

COMMANDS = sorted(headrace.commands)
SETTINGS = """
[chains.local]
chain_id = 31337
http = ["http://127.0.0.1:1"]
deployment = "deployments/31337-x.json"
[[lanes]]
chain = "local"
key_env = "LANE_KEY"
"""


def run(
    *arguments: str, cwd: Path, stdout: int | IO[str] = subprocess.PIPE, **environment: str
) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "BATCH_SUB"))}
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        cwd=cwd,
        env=kept | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "headrace.toml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
async def with_operation(settings: Path) -> Path:
    """Settings whose store knows one operation."""
    async with open_store(settings.with_name("headrace.db"), clock=StillClock()) as store:
        await store.add_operations([an_operation("a")])
        assert await store.account(OperationId("a")) is not None
    return settings


def test_there_are_the_commands_of_the_documentation() -> None:
    assert COMMANDS == [
        "bench",
        "demo",
        "deploy",
        "inspect",
        "jobs",
        "lanes",
        "loadtest",
        "operator",
        "serve",
        "status",
    ]


@pytest.mark.parametrize("command", [[], *([c] for c in COMMANDS)], ids=lambda c: " ".join(c) or "headrace")
def test_every_command_explains_itself(tmp_path: Path, command: list[str]) -> None:
    answer = run(*command, "--help", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage: ")
    assert answer.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_it_says_its_version(tmp_path: Path) -> None:
    answer = run("--version", cwd=tmp_path)
    assert answer.returncode == 0
    assert "version" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "No such command"),
        (["serve", "--nope"], "No such option"),
        (["serve"], "no settings: name the file with --config"),
        (["status"], "no settings"),
        (["inspect"], "Missing argument"),
        (["lanes", "nope"], "No such command"),
        (["lanes"], "no settings: name the file with --config"),
        (["lanes", "drain"], "Missing argument"),
        (["lanes", "drain", "0x12"], "address"),
        (["lanes", "drain", "0x" + "11" * 20, "--timeout", "0"], "'--timeout'"),
        (["lanes", "drain", "0x" + "11" * 20], "no settings"),
        (["lanes", "adopt", "0x" + "11" * 20], "Missing option '--nonce'"),
        (["lanes", "adopt", "0x" + "11" * 20, "--nonce", "-1"], "-1 is not in the range"),
        (["lanes", "cancel"], "Missing argument"),
        (["lanes", "cancel", "7"], "'7' is no transaction hash"),
        (["lanes", "cancel", "0x" + "11" * 20], "a nonce needs its lane before it"),
        (["lanes", "cancel", "0x" + "11" * 20, "x"], "'x' is not a valid integer"),
        (["lanes", "cancel", "x", "7"], "address"),
        (["lanes", "cancel", "x", "7", "8"], "give LANE and NONCE, or HASH"),
        (["operator", "--address", "0x12"], "address"),
        (["deploy"], "--env"),
        (["demo", "--rate", "0"], "--rate"),
        (["demo", "--poison", "91"], "--poison"),
        (["demo", "--seconds", "nan"], "'--seconds': nan is not a finite number"),
        (["demo", "--rate", "inf"], "'--rate': inf is not in the range"),
        (["demo", "--on-time", "inf"], "'--on-time': inf is not a finite number"),
        (["demo", "--rate", "1e308", "--seconds", "1e308"], "'--rate'"),
        (
            ["loadtest", "--url", "http://127.0.0.1:1", "--rate", "1", "--seconds", "nan"],
            "'--seconds': nan is not a finite number",
        ),
        (
            ["demo", "--recording", "combined", "--submitter", "sequential"],
            "the sequential submitter records separately",
        ),
        (["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1"], "give either --rate or --users"),
        (["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--rate", "1", "--users", "1"], "either"),
        (["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--rate", "1"], "--chain-url"),
        (["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--users", "1"], "--chain-url"),
        (["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--rate", "1", "--web-ui"], "either"),
        (
            ["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--web-ui", "8089"],
            "'8089' is not HOST:PORT",
        ),
    ],
    ids=" ".join,
)
def test_bad_usage_is_named_and_ends_with_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    answer = run(*arguments, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "status", "deploy"])
def test_every_problem_of_the_settings_is_listed_with_2(tmp_path: Path, command: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(SETTINGS.replace('"local"', '"other"') + '\n[gateway]\nport = "x"\n[nope]\n')
    more = ["--env", "x"] if command == "deploy" else []
    answer = run(command, "--config", str(file), *more, cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[0] == "settings: 2 problem(s)"
    assert "  gateway.port: " in answer.stderr
    assert "  nope: is no setting" in answer.stderr


def test_the_settings_may_be_named_by_the_environment(with_operation: Path, tmp_path: Path) -> None:
    answer = run("status", "--json", "-", cwd=Path("/"), HEADRACE_CONFIG=str(with_operation))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["operations"]["queued"] == 1


def test_a_lane_without_its_key_keeps_the_gateway_from_starting(settings: Path, tmp_path: Path) -> None:
    answer = run("serve", cwd=tmp_path)
    assert answer.returncode == 2
    assert "lanes.0: the variable LANE_KEY is not set" in answer.stderr
    answer = run("serve", cwd=tmp_path, LANE_KEY="12" * 31)
    assert answer.returncode == 2
    assert "the variable LANE_KEY: a lane's private key must be 32 bytes" in answer.stderr
    assert "1212" not in answer.stderr


# ---- inspect and status


def test_inspect_tells_a_story_and_answers_1_where_there_is_none(with_operation: Path, tmp_path: Path) -> None:
    answer = run("inspect", "a", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith("tasks create a, about 0x")
    answer = run("inspect", "a", "--json", "-", cwd=tmp_path)
    assert [line["text"] for line in json.loads(answer.stdout)[0]["lines"]] == [
        "saved, queued",
        "now: queued for the next batch",
    ]
    answer = run("inspect", "nobody", cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "has no operation, task, batch, transaction, nonce or lane nobody" in answer.stderr


def test_where_there_is_no_store_yet_it_says_so(settings: Path, tmp_path: Path) -> None:
    for arguments in (["inspect", "a"], ["status"]):
        answer = run(*arguments, cwd=tmp_path)
        assert answer.returncode == 2
        assert "there is no store file" in answer.stderr
    assert list(tmp_path.iterdir()) == [settings]


def test_status_asks_a_gateway_that_does_not_run_for_no_memory(with_operation: Path, tmp_path: Path) -> None:
    answer = run("status", "--memory", cwd=tmp_path)
    assert answer.returncode == 1
    assert "no gateway runs" in answer.stderr


def test_status_counts_in_a_table_and_as_json(with_operation: Path, tmp_path: Path) -> None:
    answer = run("status", cwd=tmp_path)
    assert answer.returncode == 0
    assert "queued" in answer.stdout
    answer = run("status", "--json", "out/status.json", cwd=tmp_path)
    assert "queued" in answer.stdout
    assert json.loads((tmp_path / "out/status.json").read_text())["operations"]["queued"] == 1


async def test_status_shows_the_whole_address_of_a_lane(settings: Path, tmp_path: Path) -> None:
    async with open_store(settings.with_name("headrace.db"), clock=StillClock()) as store:
        await sealed(store, 4, "a")
    answer = run("status", cwd=tmp_path, COLUMNS="40")
    assert f"lane 0x{LANE.hex()} of chain {CHAIN}: active, next nonce 5, 1 in flight" in answer.stdout


async def test_status_shows_that_a_lane_was_taken_out_of_work(settings: Path, tmp_path: Path) -> None:
    async with open_store(settings.with_name("headrace.db"), clock=StillClock()) as store:
        await store.drain(chain=CHAIN, lane=LANE, now=1.0)
    answer = run("status", "--json", "out.json", cwd=tmp_path)
    assert f"lane 0x{LANE.hex()} of chain {CHAIN}: drained, next nonce 0" in answer.stdout
    assert json.loads((tmp_path / "out.json").read_text())["lanes"][0]["state"] == "drained"


async def test_status_names_the_reverts_that_no_known_abi_has(settings: Path, tmp_path: Path) -> None:
    async with open_store(settings.with_name("headrace.db"), clock=StillClock()) as store:
        await store.add_operations([an_operation("a")])
        await claim(store)
        await store.judge([ended("a", Outcome.REJECTED, revert=Revert(b"\xde\xad\xbe\xef"))], [], now=1.0)
    answer = run("status", "--json", "status.json", cwd=tmp_path)
    assert "unknown revert 0xdeadbeef: 1 operations, the newest is a" in answer.stdout
    assert "tasks.error_abis" in answer.stdout
    content = json.loads((tmp_path / "status.json").read_text())
    assert content["unknown_reverts"] == [{"selector": "0xdeadbeef", "operations": 1, "example": "a"}]


def test_a_result_that_cannot_be_written_is_one_line_and_ends_with_1(with_operation: Path, tmp_path: Path) -> None:
    for arguments in (["status"], ["inspect", "a"], ["status", "--json", "-"]):
        with Path("/dev/full").open("w") as full:
            answer = run(*arguments, cwd=tmp_path, stdout=full)
        assert answer.returncode == 1
        assert answer.stderr == "[Errno 28] No space left on device\n"


def test_ctrl_c_while_modules_are_loaded_ends_it_silently(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")  # found first: it is in PYTHONPATH
    answer = run("status", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")


# ---- Before any work


@pytest.mark.parametrize("in_the_way", [".headrace", ".headrace/latest/file"])
def test_a_demo_that_can_keep_no_files_says_where(tmp_path: Path, in_the_way: str) -> None:
    file = tmp_path / in_the_way
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    answer = run("demo", cwd=tmp_path)
    assert answer.returncode == 2
    assert f"the demo keeps its files in {tmp_path / '.headrace'}" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert file.exists()


@pytest.mark.parametrize("file", ["a-folder", "a-file/report.json"])
@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["status"],
        ["inspect", "a"],
        ["loadtest", "--url", "http://127.0.0.1:1", "--seconds", "1", "--rate", "1"],
    ],
    ids=lambda c: c[0],
)
def test_a_file_that_cannot_be_written_is_found_before_any_work(
    with_operation: Path, tmp_path: Path, command: list[str], file: str
) -> None:
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").touch()
    answer = run(*command, "--json", file, cwd=tmp_path)
    assert answer.returncode == 2
    assert f"{file}: cannot be written: " in answer.stderr
    assert answer.stdout == ""
    assert not (tmp_path / ".headrace").exists(), "the demo has not begun"


def test_users_without_locust_end_with_2_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "locust" else real(name))
    named = ["--chain-url", "http://127.0.0.1:1", "--task-manager", "0x" + "11" * 20, "--client", "0x" + "22" * 20]
    answer = CliRunner().invoke(
        headrace, ["loadtest", "--url", "http://127.0.0.1:1", "--users", "1", "--seconds", "1", *named]
    )
    assert answer.exit_code == 2
    assert 'pip install "headrace[load]"' in answer.stderr and answer.stdout == ""


# ---- deploy's operators


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["has no [[operators]]"]),
        ("operators = 3", ["has no [[operators]]"]),
        ("[[operators", ["cannot be read"]),
        (
            '[[operators]]\naddress = "0x1"\nstake = 0\n'
            '[[operators]]\nstake = true\nkeystore = "k"\npassphrase_env = "NO"',
            [
                "operators.0.address: '0x1' is no address",
                "operators.0.stake: 0 is no positive whole number",
                "operators.0.keystore: is missing",
                "operators.0.passphrase_env: names no variable that is set",
                "operators.1.address: None is no address",
                "operators.1.stake: True is no positive whole number",
                "operators.1.passphrase_env: names no variable that is set",
            ],
        ),
    ],
)
def test_every_problem_of_the_operators_file_is_listed_before_the_chain_is_asked(
    settings: Path, tmp_path: Path, text: str, problems: list[str]
) -> None:
    (tmp_path / "operators.toml").write_text(text)
    answer = run("deploy", "--env", "x", "--operators", "operators.toml", cwd=tmp_path, LANE_KEY="12" * 32)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    for problem in problems:
        assert problem in answer.stderr


def test_a_name_for_an_environment_must_fit_into_a_file_name(settings: Path, tmp_path: Path) -> None:
    answer = run("deploy", "--env", "../x", cwd=tmp_path, LANE_KEY="12" * 32)
    assert answer.returncode == 2
    assert "--env: '../x' is not a name for an environment" in answer.stderr


def test_a_chain_that_does_not_answer_ends_with_2(settings: Path, tmp_path: Path) -> None:
    answer = run("deploy", "--env", "x", cwd=tmp_path, LANE_KEY="12" * 32)
    assert answer.returncode == 2
    assert answer.stderr.startswith("the chain does not answer: ")
