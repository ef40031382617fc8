"""A BLS secret key in an encrypted file, in the form of EIP-2335.

Owns      the file: its form, its mode (0600), and what can be wrong with it.
Promises  a file is written whole or not at all and never overwrites another; what is read was authenticated.
Leaves    the passphrase to the caller; scrypt, AES and the check of the passphrase to eth-keyfile.

EIP-2335 says nothing of where keys live; its `pubkey` is ours, compressed in G2 (96 bytes), and it is only a label
until the key has been read and compared with it.
"""

import json
import os
from pathlib import Path
from typing import Any, Final
from unicodedata import category, normalize

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from headrace.attest import bls
from headrace.core.errors import NeedsOperator

SCRYPT_N: Final = 2**18  # of EIP-2335's own example: about 0.7 s and 256 MB to try one passphrase
_COST_MAX: Final = {"n": 2**20, "r": 8, "p": 16, "c": 2**24, "dklen": 64}  # a file must not ask for all there is
FILE_BYTES_MAX: Final = 16_384


class BadKeystore(NeedsOperator):
    """The file cannot be used as it is; the message names the file and what to do."""


def write_keystore(path: Path, key: bls.SecretKey, *, passphrase: str, scrypt_n: int = SCRYPT_N) -> None:
    """Raises BadKeystore if the file exists: a key is never overwritten. As slow as one guess (`scrypt_n`)."""
    content: dict[str, Any] = create_keyfile_json(
        key.expose(), _clean(passphrase), version=4, kdf="scrypt", iterations=scrypt_n
    )
    content["pubkey"] = key.public_key.compressed().hex()
    content["description"] = "Headrace operator key: BLS12-381, public key in G2"
    unfinished = path.with_name(path.name + ".new")
    try:
        if path.exists():
            raise FileExistsError(path)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(content, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, path)  # unlike a rename, this refuses to replace
        finally:
            unfinished.unlink()
    except FileExistsError as exists:
        raise BadKeystore(f"{exists.filename or exists}: there is a file already; move it away first") from None
    except OSError as error:
        raise BadKeystore(f"{path}: cannot be written: {error.strerror}") from None


def read_keystore(path: Path, *, passphrase: str) -> bls.SecretKey:
    """Takes as long as one guess. Raises BadKeystore."""
    content = _read_json(path)
    try:
        secret = decode_keyfile_json(content, _clean(passphrase))
    except ValueError:  # also eth-keyfile's own: its only check of values is the checksum
        raise BadKeystore(f"{path}: the passphrase does not open this keystore") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise BadKeystore(f"{path}: not a complete EIP-2335 keystore ({type(error).__name__}: {error})") from None
    try:
        key = bls.SecretKey.from_bytes(bytes(secret))
    except bls.BadSecretKey as bad:
        raise BadKeystore(f"{path}: what it holds is no BLS secret key: {bad}") from None
    label = content.get("pubkey", "")
    if label and label != key.public_key.compressed().hex():
        raise BadKeystore(f"{path}: its pubkey is {label[:16]}…, but it holds the key of {key.public_key!r}")
    return key


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadKeystore(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise BadKeystore(f"{path}: larger than {FILE_BYTES_MAX} bytes, so it is no keystore")
    try:
        content = json.loads(raw)
        version = content["version"]
        costs = {name: content["crypto"]["kdf"]["params"].get(name, 1) for name in _COST_MAX}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadKeystore(f"{path}: not an EIP-2335 keystore (JSON with version and crypto.kdf.params)") from None
    if version != 4:
        raise BadKeystore(f"{path}: keystore version {version!r}; BLS keys are in version 4 (EIP-2335)")
    for name, cost in costs.items():
        if not isinstance(cost, int) or not 0 < cost <= _COST_MAX[name]:
            raise BadKeystore(f"{path}: crypto.kdf.params.{name} is {cost!r}; at most {_COST_MAX[name]} is worked")
    assert isinstance(content, dict)
    return content


def _clean(passphrase: str) -> bytes:
    """EIP-2335: NFKD, without control codes. eth-keyfile does this when it writes, but not when it reads."""
    return "".join(c for c in normalize("NFKD", passphrase) if category(c) != "Cc").encode()
