"""The operator's door: who may come in, and what stands in its way."""

import os
import socket
import stat
from pathlib import Path

import pytest

from headrace.app.control_client import NobodyThere, call_gateway
from headrace.app.control_socket import PATH_BYTES_MAX, control_listener, short_name
from headrace.app.settings import load_settings
from headrace.core.errors import NeedsOperator

SETTINGS = """
[chains.local]
chain_id = 31337
http = ["http://127.0.0.1:1"]
deployment = "x.json"
[[lanes]]
chain = "local"
key_env = "LANE_KEY"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db.control"


def refusal(path: Path) -> str:
    with pytest.raises(NeedsOperator) as refused, control_listener(path):
        pass
    return str(refused.value)


def connected(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client, short_name(path) as name:
        client.connect(name)


def test_only_its_owner_may_connect(path: Path) -> None:
    before = os.umask(0)
    try:
        with control_listener(path):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            connected(path)
    finally:
        os.umask(before)
    assert not path.exists()


def test_what_a_dead_gateway_left_stands_in_nobodys_way(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with control_listener(path):
        connected(path)


def test_where_somebody_listens_it_is_left_to_them(path: Path) -> None:
    with control_listener(path):
        assert "another process listens there; name another in gateway.control_socket" in refusal(path)
        connected(path)


def test_a_file_that_is_no_socket_is_never_removed(path: Path) -> None:
    path.write_text("mine")
    assert "it is no socket" in refusal(path)
    assert path.read_text() == "mine"


def test_the_socket_of_whoever_came_after_is_not_removed(path: Path) -> None:
    with control_listener(path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.is_socket()


@pytest.mark.parametrize("length", [PATH_BYTES_MAX, PATH_BYTES_MAX + 1, 600])
def test_a_path_that_is_too_long_for_a_socket_works_all_the_same(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder)) + 100 < length:
        folder /= "f" * 80
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("s" * max(1, length - len(str(folder)) - 1))
    with control_listener(path):
        assert path.is_socket()
        connected(path)
    assert not path.exists()


def test_a_name_that_fits_no_socket_and_a_folder_that_is_not_there_are_told(tmp_path: Path) -> None:
    assert f"a socket's path may have {PATH_BYTES_MAX} bytes" in refusal(tmp_path / ("n" * 200))
    assert "No such file or directory" in refusal(tmp_path / "nowhere" / "socket")


async def test_without_a_gateway_nobody_is_there(path: Path) -> None:
    with pytest.raises(NobodyThere):
        await call_gateway(path, "headrace_lanes", {})
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NobodyThere):
        await call_gateway(path, "headrace_lanes", {})


def test_it_is_beside_the_store_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "headrace.toml"
    file.write_text(SETTINGS)
    assert load_settings(file, {}).control_socket == tmp_path / "headrace.db.control"
    (tmp_path / "real").mkdir()
    (tmp_path / "other.db").symlink_to(tmp_path / "real" / "headrace.db")
    named = load_settings(file, {"HEADRACE__STORE__PATH": "other.db"})
    assert named.control_socket == tmp_path / "real" / "headrace.db.control"
    named = load_settings(file, {"HEADRACE__GATEWAY__CONTROL_SOCKET": "run/control"})
    assert named.control_socket == tmp_path / "run" / "control"
