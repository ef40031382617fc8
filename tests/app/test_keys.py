import json
from pathlib import Path

import pytest
from eth_account import Account

from headrace.app.keys import lane_signers, signer_from_env
from headrace.app.settings import BadSettings, Settings
from headrace.testing.keys import keys_from_seed

ONE, TWO = keys_from_seed(1, 2)
PASSPHRASE = "correct horse"


def settings_with(*lanes: dict[str, object]) -> Settings:
    return Settings.model_validate(
        {
            "chains": {"local": {"chain_id": 1, "http": ["http://x"], "deployment": "d.json"}},
            "lanes": [{"chain": "local", **lane} for lane in lanes],
        }
    )


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """As geth writes them, but quick to open."""
    file = tmp_path / "lane.json"
    file.write_text(json.dumps(Account.encrypt(TWO.secret, PASSPHRASE, kdf="pbkdf2", iterations=2)))
    return file


def test_each_lane_has_the_key_that_its_settings_name(monkeypatch, keystore):
    monkeypatch.setenv("ONE", "0x" + ONE.secret.hex())
    monkeypatch.setenv("PASS", PASSPHRASE)
    signers = lane_signers(settings_with({"key_env": "ONE"}, {"keystore": keystore, "passphrase_env": "PASS"}))
    assert [signer.address for signer in signers] == [ONE.address, TWO.address]


def test_every_problem_is_named_with_its_lane_and_no_key_is_shown(monkeypatch, keystore):
    monkeypatch.delenv("GONE", raising=False)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("SHORT", "abcdef01")
    monkeypatch.setenv("ZERO", "00" * 32)
    monkeypatch.setenv("WRONG", "wrong horse")
    with pytest.raises(BadSettings) as bad:
        lane_signers(
            settings_with(
                {"key_env": "GONE"},
                {"key_env": "EMPTY"},
                {"key_env": "SHORT"},
                {"key_env": "ZERO"},
                {"keystore": keystore, "passphrase_env": "WRONG"},
                {"keystore": keystore, "passphrase_env": "GONE"},
                {"keystore": keystore.with_name("no.json"), "passphrase_env": "WRONG"},
            )
        )
    assert bad.value.problems == [
        "lanes.0: the variable GONE is not set",
        "lanes.1: the variable EMPTY is not set",
        "lanes.2: the variable SHORT: a lane's private key must be 32 bytes: 64 hex digits, with or without 0x",
        "lanes.3: the variable ZERO: a lane's private key is outside the range of secp256k1",
        f"lanes.4: keystore file {keystore}: wrong passphrase",
        "lanes.5: the variable GONE is not set",
        f"lanes.6: keystore file {keystore.with_name('no.json')}: No such file or directory",
    ]


def test_two_lanes_do_not_share_an_account(monkeypatch, keystore):
    monkeypatch.setenv("TWO", TWO.secret.hex())
    monkeypatch.setenv("PASS", PASSPHRASE)
    with pytest.raises(BadSettings, match="lanes: two have the same key"):
        lane_signers(settings_with({"key_env": "TWO"}, {"keystore": keystore, "passphrase_env": "PASS"}))


def test_a_deployers_key_is_read_alike(monkeypatch):
    monkeypatch.setenv("OWNER", ONE.secret.hex())
    assert signer_from_env("OWNER").address == ONE.address
    monkeypatch.setenv("OWNER", ONE.secret.hex()[:-2])
    with pytest.raises(BadSettings, match="the variable OWNER: a lane's private key must be 32 bytes") as bad:
        signer_from_env("OWNER")
    assert ONE.secret.hex()[:16] not in str(bad.value)
    monkeypatch.delenv("OWNER")
    with pytest.raises(BadSettings, match="the variable OWNER is not set"):
        signer_from_env("OWNER")
