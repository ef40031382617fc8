"""A lane's key in this process: from the environment's hex text, raw bytes, or an encrypted keystore file.

Owns      the signed form of our transactions: EIP-1559 (type 2), no value, no access list.
Promises  the key never shows: not in repr, not in an error, not in a pickle.
Leaves    nonces and fees to the engine, other custodians (KMS) to other signers of the same port.
"""

import json
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from headrace.chain.hexes import address_text, keccak
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Call
from headrace.core.transaction import NO_OP_GAS
from headrace.core.words import Address, Attempt, ChainId, Fees, Nonce, Purpose, TxHash

_TYPE_2: Final = 2


class LocalSigner:
    """Fits `core.ports.Signer`. About 0.3 ms a signature with coincurve installed, ten times that without."""

    __slots__ = ("_account", "_address")

    def __init__(self, key: str | bytes) -> None:
        """`key`: 32 bytes, or their hex text with or without 0x. Raises NeedsOperator, without the key."""
        try:
            raw = bytes.fromhex(key.strip().removeprefix("0x")) if isinstance(key, str) else bytes(key)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise NeedsOperator("a lane's private key must be 32 bytes: 64 hex digits, with or without 0x")
        try:
            self._account = cast(LocalAccount, Account.from_key(raw))
        except Exception:
            # Whatever the library says about a key it refuses, the key may be in it: zero, or not below the
            # order of secp256k1.
            raise NeedsOperator("a lane's private key is outside the range of secp256k1") from None
        self._address = Address(bytes.fromhex(self._account.address[2:]))

    @classmethod
    def from_keystore(cls, path: Path, passphrase: str) -> "LocalSigner":
        """An encrypted keystore file (version 3, as geth and eth-account write it). Takes a second or so, since
        scrypt is meant to be slow. Raises NeedsOperator."""
        try:
            content = json.loads(path.read_text())
        except OSError as error:
            raise NeedsOperator(f"keystore file {path}: {error.strerror or 'cannot be read'}") from None
        except ValueError:
            raise NeedsOperator(f"keystore file {path}: not JSON") from None
        try:
            key = bytes(Account.decrypt(content, passphrase))
        except Exception as error:
            # The library raises ValueError, KeyError, TypeError and more for files that are not keystores; none of
            # them may be shown, since some carry what was decrypted.
            why = "wrong passphrase" if "MAC" in str(error) else "not a version 3 keystore"
            raise NeedsOperator(f"keystore file {path}: {why}") from None
        return cls(key)

    @property
    def address(self) -> Address:
        return self._address

    def sign(
        self, *, chain: ChainId, nonce: Nonce, to: Address, data: bytes, gas_limit: int, fees: Fees
    ) -> Attempt:
        return self._sign(chain, nonce, to, data, gas_limit, fees, Purpose.BATCH)

    def sign_again(self, attempt: Attempt, *, fees: Fees) -> Attempt:
        """Raises ValueError if the attempt's bytes are not a type-2 transaction of this signer."""
        sent = _read(attempt)
        if (signed_by := Account.recover_transaction(attempt.raw)) != address_text(self._address):
            raise ValueError(f"this attempt was signed by {signed_by}, not by {address_text(self._address)}")
        return self._sign(
            sent["chainId"],
            sent["nonce"],
            Address(bytes(sent["to"])),
            bytes(sent["data"]),
            sent["gas"],
            fees,
            attempt.purpose,
        )

    def call_of(self, attempt: Attempt) -> Call:
        """Raises ValueError if the attempt's bytes are not a type-2 transaction."""
        sent = _read(attempt)
        return Call(Address(bytes(sent["to"])), bytes(sent["data"]))

    def sign_no_op(self, *, chain: ChainId, nonce: Nonce, fees: Fees) -> Attempt:
        return self._sign(chain, nonce, self._address, b"", NO_OP_GAS, fees, Purpose.NO_OP)

    def sign_creation(
        self, *, chain: ChainId, nonce: Nonce, init_code: bytes, gas_limit: int, fees: Fees
    ) -> Attempt:
        """A contract's creation: init code with its constructor's arguments."""
        return self._sign(chain, nonce, Address(b""), init_code, gas_limit, fees, Purpose.BATCH)

    def _sign(
        self, chain: ChainId, nonce: Nonce, to: Address, data: bytes, gas_limit: int, fees: Fees, purpose: Purpose
    ) -> Attempt:
        signed = self._account.sign_transaction(
            {
                "type": _TYPE_2,
                "chainId": chain,
                "nonce": nonce,
                "to": bytes(to),
                "value": 0,
                "data": data,
                "gas": gas_limit,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.tip_wei,
                "accessList": [],
            }
        )
        raw = bytes(signed.raw_transaction)
        return Attempt(hash=TxHash(keccak(raw)), fees=fees, raw=raw, purpose=purpose)

    def __repr__(self) -> str:
        return f"LocalSigner({address_text(self._address)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer holds a key and is not to be copied or pickled")


def _read(attempt: Attempt) -> dict[str, Any]:
    if attempt.raw[:1] != bytes([_TYPE_2]):
        raise ValueError("these bytes are not a type-2 transaction")
    return dict(TypedTransaction.from_bytes(HexBytes(attempt.raw)).as_dict())
