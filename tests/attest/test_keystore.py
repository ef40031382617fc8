import json
from pathlib import Path

import pytest
from eth_keyfile.keyfile import decode_keyfile_json

from headrace.attest.bls import SecretKey
from headrace.attest.keystore import BadKeystore, read_keystore, write_keystore

QUICK = 2**10  # scrypt's cost: enough for a test
KEY = SecretKey.from_bytes(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operator.json"


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_key_survives_its_keystore(path: Path) -> None:
    write_keystore(path, KEY, passphrase="correct horse", scrypt_n=QUICK)
    assert read_keystore(path, passphrase="correct horse").expose() == KEY.expose()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_file_is_eip_2335_and_others_can_read_it(path: Path) -> None:
    write_keystore(path, KEY, passphrase="correct horse", scrypt_n=QUICK)
    content = json.loads(path.read_text())
    assert content["version"] == 4
    assert content["pubkey"] == KEY.public_key.compressed().hex()
    assert KEY.expose().hex() not in path.read_text()
    assert decode_keyfile_json(content, b"correct horse") == KEY.expose()


def test_the_passphrase_is_normalised_as_the_standard_says(path: Path) -> None:
    write_keystore(path, KEY, passphrase="\U0001d521\x07a\u00e9", scrypt_n=QUICK)
    assert read_keystore(path, passphrase="dae\u0301").expose() == KEY.expose()


def test_a_wrong_passphrase_is_said_to_be_wrong(path: Path) -> None:
    write_keystore(path, KEY, passphrase="correct horse", scrypt_n=QUICK)
    with pytest.raises(BadKeystore, match="passphrase does not open") as refused:
        read_keystore(path, passphrase="battery staple")
    assert "battery" not in str(refused.value)


def test_a_keystore_is_never_overwritten(path: Path) -> None:
    write_keystore(path, KEY, passphrase="one", scrypt_n=QUICK)
    with pytest.raises(BadKeystore, match="file already"):
        write_keystore(path, SecretKey.generate(), passphrase="two", scrypt_n=QUICK)
    assert read_keystore(path, passphrase="one").expose() == KEY.expose()


def test_a_keystore_that_cannot_be_written_names_its_path(path: Path) -> None:
    with pytest.raises(BadKeystore, match="nowhere"):
        write_keystore(path.parent / "nowhere" / "operator.json", KEY, passphrase="one", scrypt_n=QUICK)


def test_a_changed_ciphertext_does_not_open(path: Path) -> None:
    write_keystore(path, KEY, passphrase="one", scrypt_n=QUICK)
    crypto = json.loads(path.read_text())["crypto"]
    crypto["cipher"]["message"] = "00" + crypto["cipher"]["message"][2:]
    change(path, crypto=crypto)
    with pytest.raises(BadKeystore, match="does not open"):
        read_keystore(path, passphrase="one")


def test_a_label_of_another_key_is_noticed(path: Path) -> None:
    write_keystore(path, KEY, passphrase="one", scrypt_n=QUICK)
    change(path, pubkey=SecretKey.generate().public_key.compressed().hex())
    with pytest.raises(BadKeystore, match="holds the key of"):
        read_keystore(path, passphrase="one")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not an EIP-2335"),
        ("[]", "not an EIP-2335"),
        ('{"version": 4}', "not an EIP-2335"),
        ('{"version": 3, "crypto": {"kdf": {"params": {}}}}', "version 3"),
        ('{"version": 4, "crypto": {"kdf": {"params": {"n": 1073741824}}}}', "n is 1073741824"),
        ('{"version": 4, "crypto": {"kdf": {"params": {"n": "many"}}}}', "n is 'many'"),
        ('{"version": 4, "crypto": {"kdf": {"params": {}}}}', "not a complete"),
        (" " * 20_000, "larger than"),
    ],
)
def test_a_file_that_is_no_keystore_is_refused_with_its_name(path: Path, content: str, problem: str) -> None:
    path.write_text(content)
    with pytest.raises(BadKeystore, match=problem) as refused:
        read_keystore(path, passphrase="one")
    assert str(path) in str(refused.value)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(BadKeystore, match=r"operator\.json: cannot be read: No such file"):
        read_keystore(path, passphrase="one")
