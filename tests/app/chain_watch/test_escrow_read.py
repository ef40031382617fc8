"""The independent read of an escrow, on a real chain with real deposits, locks, claims and cancels."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as but

import pytest

from headrace.app.chain_watch.escrow_read import read_escrow
from headrace.app.chain_watch.escrow_record import EscrowRecord
from headrace.app.demo.settlement.contracts import Contracts, deploy_contracts
from headrace.app.demo.settlement.payers import Account, endow, make_payers
from headrace.app.demo.settlement.sending import DidNotSucceed, Senders, Wish, call
from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text
from headrace.core.words import Address
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey

ABI = load("IEscrow").abi
DEPOSIT = 1_000_000
COLLECTOR = Address(b"\xc0" * 20)


@dataclass
class Scene:
    chain: Anvil
    contracts: Contracts
    escrow: Address
    payers: Sequence[TestKey]
    senders: Senders

    @property
    def payee(self) -> TestKey:
        return self.chain.keys[1]

    @property
    def token(self) -> str:
        return address_text(self.contracts.token.address)

    def does(self, who: TestKey, name: str, *args: object) -> Wish:
        return Wish(key=who, to=self.escrow, data=call(ABI, name, *args), gas=2_000_000, what=name)

    def lock(self, job: int, payer: TestKey, amount: int, seconds: int = 3600) -> Wish:
        return self.does(self.payee, "createLock", job, self.token, address_text(payer.address), amount, seconds)

    def claim(self, job: int, payer: TestKey, amount: int) -> Wish:
        return self.does(self.payee, "claimLock", job, self.token, address_text(payer.address), amount, b"proof")

    async def read(self) -> EscrowRecord:
        return await read_escrow(
            self.chain.http_url, self.escrow, tokens=[self.contracts.token.address], collector=COLLECTOR
        )


@pytest.fixture(params=["Escrow", "LinearEscrow"])
async def scene(request) -> AsyncIterator[Scene]:
    async with start_anvil(block_time_s=0, accounts=3) as chain:
        contracts = await deploy_contracts(chain, chain.keys[0], collector=COLLECTOR, say=lambda text: None)
        await chain.pause()
        escrow = (contracts.escrow if request.param == "Escrow" else contracts.linear).address
        payers, senders = make_payers(2, seed=7), Senders(chain)
        payees = (chain.keys[1].address,)
        accounts = [Account(payer=p, escrow=escrow, payees=payees, amount=DEPOSIT) for p in payers]
        await endow(chain, senders, contracts, chain.keys[0], accounts)
        yield Scene(chain, contracts, escrow, payers, senders)


async def test_the_books_follow_every_way_that_money_takes(scene: Scene) -> None:
    first, second = scene.payers
    await scene.senders.mine(
        [scene.lock(1, first, 300_000), scene.lock(2, second, 200_000), scene.lock(3, second, 100_000, seconds=5)]
    )
    await scene.senders.mine([scene.claim(1, first, 120_000)])
    await scene.chain.skip(60)
    await scene.chain.rpc.ask("evm_mine")
    payee = address_text(scene.payee.address)
    await scene.senders.mine(
        [
            scene.does(first, "cancelExpiredLock", 3, scene.token, address_text(second.address), payee),
            scene.does(first, "withdraw", [scene.token], [50_000]),
            scene.does(scene.payee, "withdraw", [scene.token], [100_000]),
        ]
    )

    record = await scene.read()

    assert list(record.imbalances()) == []
    claimed, alive, canceled = record.locks
    assert (claimed.paid, claimed.returned) == (120_000, 180_000)
    assert claimed.end is not None and claimed.end.claimed and claimed.end.proof == b"proof"
    assert alive.end is None and (alive.paid, alive.returned) == (0, 0)
    assert canceled.end is not None and not canceled.end.claimed and canceled.returned == 100_000
    assert canceled.end.place.timestamp_s > canceled.expiry
    token = scene.contracts.token.address
    one, other = record.accounts[first.address, token], record.accounts[second.address, token]
    assert (one.deposited, one.paid, one.withdrawn, one.available) == (DEPOSIT, 120_000, 50_000, 830_000)
    assert (other.available, other.locked) == (800_000, 200_000)
    fee = 120_000 // 1000
    assert record.tokens[token].fees == fee
    mine = record.accounts[scene.payee.address, token]
    assert (mine.earned, mine.withdrawn, mine.available) == (120_000, 100_000, 20_000 - fee)


async def test_a_reverted_transaction_is_seen_with_its_gas(scene: Scene) -> None:
    with pytest.raises(DidNotSucceed, match="reverted"):
        await scene.senders.mine([scene.claim(1, scene.payers[0], 1)])

    (reverted,) = (await scene.read()).calls_of(scene.payee.address)

    assert not reverted.ok and reverted.gas_used > 21_000 and reverted.claims == 0


async def test_a_number_that_is_used_again_is_another_lock(scene: Scene) -> None:
    payer = scene.payers[0]
    await scene.senders.mine(
        [scene.lock(1, payer, 10_000), scene.claim(1, payer, 0), scene.lock(1, payer, 20_000)]
    )

    record = await scene.read()

    assert [lock.amount for lock in record.locks] == [10_000, 20_000]
    assert record.locks[0].returned == 10_000 and record.locks[1].end is None
    assert list(record.imbalances()) == []


async def test_books_that_were_tampered_with_do_not_balance(scene: Scene) -> None:
    payer, token = scene.payers[0], scene.contracts.token.address
    await scene.senders.mine([scene.lock(1, payer, 10_000), scene.lock(2, payer, 5_000), scene.claim(1, payer, 1)])
    record = await scene.read()
    assert list(record.imbalances()) == []
    key = (payer.address, token)
    account = record.accounts[key]
    lies = [
        but(record, accounts={**record.accounts, key: but(account, available=account.available + 1)}),
        but(record, accounts={**record.accounts, key: but(account, locked=account.locked - 1)}),
        but(record, accounts={**record.accounts, key: but(account, deposited=account.deposited - 1)}),
        but(record, tokens={token: but(record.tokens[token], held=record.tokens[token].held + 1)}),
        but(record, tokens={token: but(record.tokens[token], fees=record.tokens[token].fees + 1)}),
        but(record, locks=record.locks[:1]),
        but(record, loose_ends=1),
    ]
    for lie in lies:
        assert list(lie.imbalances()) != []
