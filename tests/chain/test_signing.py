"""`LocalSigner`: the bytes are right, and the key never shows."""

import copy
import json
import pickle
import traceback
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.chain.hexes import address_text, keccak
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Signer
from headrace.core.words import Address, Attempt, ChainId, Fees, Nonce, Purpose

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
CHAIN, TO = ChainId(31337), Address(b"\x12" * 20)
FEES = Fees(max_fee_wei=20 * 10**9, tip_wei=10**9)
HIGHER = Fees(max_fee_wei=25 * 10**9, tip_wei=2 * 10**9)

signer = LocalSigner(KEY)


def sign(data: bytes = b"\x01\x02", nonce: int = 7, gas_limit: int = 90_000) -> Attempt:
    return signer.sign(chain=CHAIN, nonce=Nonce(nonce), to=TO, data=data, gas_limit=gas_limit, fees=FEES)


def test_it_is_a_signer_of_the_key_s_address() -> None:
    port: Signer = signer
    assert address_text(port.address) == Account.from_key(KEY).address


@pytest.mark.parametrize("key", [KEY, "0x" + KEY, f"  0x{KEY}\n", bytes.fromhex(KEY)])
def test_a_key_is_hex_text_or_bytes(key: str | bytes) -> None:
    assert LocalSigner(key).address == signer.address


def test_the_bytes_are_those_of_eth_account_and_carry_our_signature() -> None:
    attempt = sign()
    assert attempt.hash == keccak(attempt.raw)
    assert attempt.raw[0] == 2
    assert Account.recover_transaction(attempt.raw) == address_text(signer.address)
    reference = Account.sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": 7,
            "to": address_text(TO),
            "value": 0,
            "data": "0x0102",
            "gas": 90_000,
            "maxFeePerGas": FEES.max_fee_wei,
            "maxPriorityFeePerGas": FEES.tip_wei,
        },
        KEY,
    )
    assert attempt.raw == bytes(reference.raw_transaction)
    assert (attempt.fees, attempt.purpose) == (FEES, Purpose.BATCH)


def test_the_same_order_gives_the_same_bytes() -> None:
    assert sign() == sign()


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**40), st.integers(21_000, 2**24))
def test_signing_again_changes_the_fees_and_nothing_else(data: bytes, nonce: int, gas_limit: int) -> None:
    attempt = sign(data, nonce, gas_limit)
    again = signer.sign_again(attempt, fees=HIGHER)
    assert again.fees == HIGHER
    assert again.hash != attempt.hash
    assert signer.sign_again(again, fees=FEES) == attempt


def test_a_no_op_pays_ourselves_nothing_with_21_000_gas_and_stays_one_when_signed_again() -> None:
    no_op = signer.sign_no_op(chain=CHAIN, nonce=Nonce(3), fees=FEES)
    same = signer.sign(chain=CHAIN, nonce=Nonce(3), to=signer.address, data=b"", gas_limit=21_000, fees=FEES)
    assert no_op.raw == same.raw
    assert no_op.purpose is Purpose.NO_OP
    assert signer.sign_again(no_op, fees=HIGHER).purpose is Purpose.NO_OP


def test_a_creation_survives_signing_again() -> None:
    creation = signer.sign_creation(
        chain=CHAIN, nonce=Nonce(0), init_code=b"\x60\x00", gas_limit=99_000, fees=FEES
    )
    assert Account.recover_transaction(creation.raw) == address_text(signer.address)
    assert signer.sign_again(signer.sign_again(creation, fees=HIGHER), fees=FEES) == creation


def test_another_signer_s_attempt_is_not_signed_again() -> None:
    with pytest.raises(ValueError, match="was signed by"):
        LocalSigner(b"\x01" * 32).sign_again(sign(), fees=HIGHER)
    with pytest.raises(ValueError, match="type-2"):
        signer.sign_again(Attempt(hash=sign().hash, fees=FEES, raw=b"\xf8\x01"), fees=HIGHER)


@pytest.mark.parametrize(
    "key", [KEY[:-2], KEY + "00", "zz" * 32, "", b"\x01" * 31, b"\x00" * 32, b"\xff" * 32, "f" * 64]
)
def test_a_wrong_key_is_refused_without_being_shown(key: str | bytes) -> None:
    with pytest.raises(NeedsOperator) as refused:
        LocalSigner(key)
    text = "".join(traceback.format_exception(refused.value))
    secret = key if isinstance(key, str) else key.hex()
    assert not secret or secret not in text
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_the_key_shows_in_no_text_and_leaves_in_no_copy() -> None:
    for text in (repr(signer), str(signer), f"{signer!r:>5}", repr([signer]), repr(signer._account)):
        assert KEY not in text.lower()
        assert str(int(KEY, 16)) not in text
    assert repr(signer) == f"LocalSigner({address_text(signer.address)})"
    assert not hasattr(signer, "__dict__")
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a key"):
            take(signer)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "lane.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "correct horse", kdf="pbkdf2", iterations=1_000)))
    return path


def test_a_keystore_file_opens_with_its_passphrase(keystore: Path) -> None:
    assert LocalSigner.from_keystore(keystore, "correct horse").address == signer.address


def test_a_wrong_passphrase_is_named_and_neither_shown(keystore: Path) -> None:
    with pytest.raises(NeedsOperator, match=r"lane\.json: wrong passphrase") as refused:
        LocalSigner.from_keystore(keystore, "battery staple")
    text = "".join(traceback.format_exception(refused.value))
    assert "battery" not in str(refused.value)
    assert KEY not in text


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), ("{", "not JSON"), ("[]", "not a version 3"), ('{"version": 3}', "not a version 3")],
)
def test_what_is_no_keystore_is_named(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "lane.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NeedsOperator, match=why):
        LocalSigner.from_keystore(path, "x")
