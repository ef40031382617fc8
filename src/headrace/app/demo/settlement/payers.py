"""Those who pay for jobs: each with a key of its own, a deposit, and an allowance for the payee.

Promises  every deposit and every allowance is a transaction that the payer signed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.demo.settlement.contracts import Contracts
from headrace.app.demo.settlement.sending import Senders, Wish, call
from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text
from headrace.core.words import Address
from headrace.testing.anvil import Anvil
from headrace.testing.keys import TestKey, keys_from_seed

ETHER_WEI: Final = 10**18
LOCK_SECONDS_MAX: Final = 86_400
LOCKS_MAX: Final = 1_000
_GAS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one payer puts into one escrow, for whom. `amount` in the token's smallest unit."""

    payer: TestKey
    escrow: Address
    payees: tuple[Address, ...]
    amount: int


def make_payers(count: int, *, seed: int) -> tuple[TestKey, ...]:
    return keys_from_seed(seed, count)


async def endow(
    chain: Anvil, senders: Senders, contracts: Contracts, owner: TestKey, accounts: Sequence[Account]
) -> None:
    """Coin and tokens out of thin air, as local chains allow; then the payers' own transactions: approve, deposit,
    authorise. On a chain that mines nothing by itself. Raises DidNotSucceed."""
    payers = {account.payer.address: account.payer for account in accounts}
    for address in payers:
        await chain.set_balance(address, ETHER_WEI)
    token, abi = contracts.token.address, load("TestToken").abi
    mints = [
        Wish(key=owner, to=token, data=call(abi, "mint", address_text(address), amount), gas=_GAS, what="mint")
        for address, amount in _sums(accounts)
    ]
    own = [wish for account in accounts for wish in _own(account, token)]
    await senders.mine(mints)
    await senders.mine(own)


def _sums(accounts: Iterable[Account]) -> list[tuple[Address, int]]:
    sums: dict[Address, int] = {}
    for account in accounts:
        sums[account.payer.address] = sums.get(account.payer.address, 0) + account.amount
    return list(sums.items())


def _own(account: Account, token: Address) -> list[Wish]:
    escrow, what, abi = account.escrow, address_text(token), load("IEscrow").abi
    approve = call(load("TestToken").abi, "approve", address_text(escrow), account.amount)
    wishes = [
        Wish(key=account.payer, to=token, data=approve, gas=_GAS, what="approve"),
        Wish(
            key=account.payer, to=escrow, data=call(abi, "deposit", what, account.amount), gas=_GAS, what="deposit"
        ),
    ]
    for payee in account.payees:
        allow = call(abi, "authorize", what, address_text(payee), account.amount, LOCK_SECONDS_MAX, LOCKS_MAX)
        wishes.append(Wish(key=account.payer, to=escrow, data=allow, gas=2 * _GAS, what="authorize"))
    return wishes
