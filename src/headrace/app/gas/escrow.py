"""Gas of an escrow's locks: in a batch, one by one, and by a plain `aggregate3` where the escrow allows that.

Owns      the experiment: one provider, a payer for each lock, every measurement from the same state of the chain.
Promises  every operation that is counted has its event.
Leaves    a thousand claims of a real gateway to `headrace bench settlement`.

Locking and claiming are the payee's own: the escrow goes by the caller, and behind `aggregate3` that would be that
contract itself, whose funds anybody could take. Cancelling what has expired is anybody's: that can be compared.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from headrace.app.demo.settlement.contracts import UNIT, deploy_contracts
from headrace.app.demo.settlement.payers import Account, endow, make_payers
from headrace.app.demo.settlement.sending import Mined, Senders, Wish
from headrace.app.gas.figures import OURS, PLAIN, SINGLE, Figure, Figures, figure_of
from headrace.app.gas.plain_calls import aggregate3
from headrace.app.gas.tasks import Incomplete
from headrace.chain.artifacts import load
from headrace.chain.deploying import contract_address
from headrace.chain.hexes import address_text
from headrace.core.words import Address, Nonce
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey
from headrace.workloads.escrow.calldata import batch_calldata
from headrace.workloads.escrow.events import CANCELED_TOPIC, CLAIMED_TOPIC, LOCK_TOPIC
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE, LockKey, Payload

WORKLOAD: Final = "escrow"
KINDS: Final = (LOCK, CLAIM, RELEASE, CANCEL)
SINGLES: Final = 5
LOCK_SECONDS: Final = 3_600
_GAS: Final = 1 << 24
_SETUP_LOCKS: Final = 100  # in one transaction
_SEED: Final = 1
_DEPOSIT: Final = 3 * UNIT  # what is left of an account is left to it, as with most payers
_COLLECTOR: Final = Address(bytes.fromhex("c0" * 20))
_PROOF_BYTES: Final = 32  # as the gateway sends it
_ABI: Final = load("IEscrow").abi
# What shows that it was done.
_TOPIC: Final = {LOCK: LOCK_TOPIC, CLAIM: CLAIMED_TOPIC, RELEASE: CLAIMED_TOPIC, CANCEL: CANCELED_TOPIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowStage:
    """As many payers as there may be locks, and one more: of the provider's earlier business, so that nothing is
    there for the first time but what is measured. The chain mines when asked."""

    chain: Anvil
    senders: Senders
    provider: TestKey
    token: Address
    escrow: Address
    plain: Address
    payers: tuple[TestKey, ...]


@asynccontextmanager
async def open_escrow_stage(payers: int) -> AsyncIterator[EscrowStage]:
    """Raises AnvilMissing, AnvilFailed, DidNotSucceed; and as `Deployer.deploy`."""
    async with start_anvil(block_time_s=0, gas_limit=60_000_000, accounts=2) as chain:
        owner, provider = chain.keys
        contracts = await deploy_contracts(chain, owner, collector=_COLLECTOR, say=lambda text: None)
        await chain.pause()
        senders = Senders(chain)
        plain = await _deploy_plain(chain, owner)
        made = make_payers(payers + 1, seed=_SEED)
        escrow = contracts.escrow.address
        accounts = [Account(payer=p, escrow=escrow, payees=(provider.address,), amount=_DEPOSIT) for p in made]
        await endow(chain, senders, contracts, owner, accounts)
        yield EscrowStage(
            chain=chain,
            senders=senders,
            provider=provider,
            token=contracts.token.address,
            escrow=escrow,
            plain=plain,
            payers=made,
        )


class EscrowGas:
    """One experiment on one stage."""

    def __init__(self, stage: EscrowStage) -> None:
        self._stage = stage
        made = [
            LockKey(payee=stage.provider.address, payer=payer.address, token=stage.token, job=index + 1)
            for index, payer in enumerate(stage.payers)
        ]
        self._earlier, self._keys = made[0], made[1:]

    async def measure(self, sizes: Sequence[int]) -> Figures:
        """For each kind, with so many of the locks; as many as there are payers at most. A lock's gas is what it
        costs for the first time. Raises Incomplete, DidNotSucceed."""
        await self._earlier_business()
        found = [*await self._from_here(LOCK, sizes)]
        await self._lock_all()
        for kind in (CLAIM, RELEASE):
            found += await self._from_here(kind, sizes)
        await self._stage.chain.skip(LOCK_SECONDS + 1)
        await self._stage.chain.mine()
        found += await self._from_here(CANCEL, sizes)
        return Figures(tuple(found))

    async def _from_here(self, kind: str, sizes: Sequence[int]) -> list[Figure]:
        """Each measurement begins with the chain as it is now, and leaves it so."""
        found = [await self._undone(kind, SINGLE, SINGLES)]
        for size in sizes:
            found.append(await self._undone(kind, OURS, size))
            if kind == CANCEL:
                found.append(await self._undone(kind, PLAIN, size))
        return found

    async def _undone(self, kind: str, way: str, size: int) -> Figure:
        rpc = self._stage.chain.rpc
        here = await rpc.ask("evm_snapshot")
        figure = await self._one(kind, way, size)
        await rpc.ask("evm_revert", here)
        return figure

    async def _one(self, kind: str, way: str, size: int) -> Figure:
        stage = self._stage
        payloads = [_payload(kind, key) for key in _spread(self._keys, size)]
        to = stage.escrow
        if way == OURS:
            calldata = [batch_calldata(kind, payloads)]
        elif way == SINGLE:
            calldata = [_single(kind, payload) for payload in payloads]
        else:
            to, calldata = stage.plain, [aggregate3(stage.escrow, [_single(kind, p) for p in payloads])]
        mined = await self._send(to, calldata, f"{kind} {way}")
        done = await self._events(mined, _TOPIC[kind])
        if done != size:
            raise Incomplete(f"{size} {kind}, {way}: {done} had their event")
        return figure_of(WORKLOAD, kind, way, size, calldata, [one.gas_used for one in mined])

    async def _earlier_business(self) -> None:
        """A lock that was claimed, and one that is there."""
        for kind in (LOCK, CLAIM, LOCK):
            calldata = _single(kind, _payload(kind, self._earlier))
            await self._send(self._stage.escrow, [calldata], f"an earlier {kind}")

    async def _lock_all(self) -> None:
        payloads = [_payload(LOCK, key) for key in self._keys]
        parts = [payloads[start : start + _SETUP_LOCKS] for start in range(0, len(payloads), _SETUP_LOCKS)]
        await self._send(self._stage.escrow, [batch_calldata(LOCK, part) for part in parts], "lock all")

    async def _send(self, to: Address, calldata: Sequence[bytes], what: str) -> list[Mined]:
        stage = self._stage
        wishes = [Wish(key=stage.provider, to=to, data=data, gas=_GAS, what=what) for data in calldata]
        return await stage.senders.mine(wishes)

    async def _events(self, mined: Sequence[Mined], topic: bytes) -> int:
        asked = [("eth_getTransactionReceipt", ["0x" + one.hash.hex()]) for one in mined]
        receipts: list[dict[str, Any]] = await self._stage.chain.rpc.ask_all(asked)
        emitter = "0x" + self._stage.escrow.hex()
        logs = [log for receipt in receipts for log in receipt["logs"] if log["address"] == emitter]
        return sum(log["topics"][0] == "0x" + topic.hex() for log in logs)


def _payload(kind: str, key: LockKey) -> Payload:
    amount = 0 if kind == RELEASE else UNIT
    proof = bytes([1 + key.job % 255]) * _PROOF_BYTES if kind in (CLAIM, RELEASE) else b""
    return Payload(key=key, amount=amount, duration_s=LOCK_SECONDS if kind == LOCK else 0, proof=proof)


def _single(kind: str, payload: Payload) -> bytes:
    key = payload.key
    token, payer = address_text(key.token), address_text(key.payer)
    if kind == LOCK:
        return _ABI.function("createLock").encode(key.job, token, payer, payload.amount, payload.duration_s)
    if kind == CANCEL:
        return _ABI.function("cancelExpiredLock").encode(key.job, token, payer, address_text(key.payee))
    return _ABI.function("claimLock").encode(key.job, token, payer, payload.amount, payload.proof)


def _spread(keys: Sequence[LockKey], count: int) -> Sequence[LockKey]:
    """So many, evenly spread over all: neither the order that costs an escrow least nor the dearest."""
    assert count <= len(keys), f"{count} of {len(keys)}"
    return [keys[index * len(keys) // count] for index in range(count)]


async def _deploy_plain(chain: Anvil, owner: TestKey) -> Address:
    nonce = int(await chain.rpc.ask("eth_getTransactionCount", "0x" + owner.address.hex(), "latest"), 16)
    fields = {"from": "0x" + owner.address.hex(), "data": "0x" + load("Aggregate3").init_code().hex()}
    await chain.rpc.ask("eth_sendTransaction", fields | {"gas": hex(2_000_000)})
    await chain.mine()
    return contract_address(owner.address, Nonce(nonce))
