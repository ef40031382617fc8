"""Keys for tests: worth nothing anywhere, and still never shown.

Owns      a private key with its address, and two ways to get one.
Promises  the same seed gives the same keys; a key is not in any repr.
Leaves    signing to `headrace.chain` (or to eth-account, in tests that must not depend on it).
"""

from dataclasses import dataclass, field

from eth_account import Account
from eth_utils.crypto import keccak

from headrace.core.words import Address


@dataclass(frozen=True, slots=True)
class TestKey:
    """`secret` is the 32-byte private key."""

    __test__ = False  # pytest: this is no test case

    address: Address
    secret: bytes = field(repr=False)

    @property
    def checksum_address(self) -> str:
        return str(Account.from_key(self.secret).address)


def key_from_secret(secret: bytes) -> TestKey:
    return TestKey(Address(bytes.fromhex(Account.from_key(secret).address[2:])), secret)


def keys_from_seed(seed: int, count: int) -> tuple[TestKey, ...]:
    """Deterministic keys. Unfunded: a chain must give them coin."""
    return tuple(key_from_secret(keccak(text=f"headrace test key {seed} {i}")) for i in range(count))


def keys_from_mnemonic(mnemonic: str, count: int) -> tuple[TestKey, ...]:
    """The accounts of a BIP-39 phrase at m/44'/60'/0'/0/i, as wallets and dev chains derive them."""
    Account.enable_unaudited_hdwallet_features()
    return tuple(
        key_from_secret(bytes(Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{i}").key))
        for i in range(count)
    )
