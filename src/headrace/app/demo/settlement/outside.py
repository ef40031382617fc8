"""Those around the gateway: a compute engine elsewhere, and the two who spoil locks.

Promises  only what anybody could do: reports over REST, and transactions of their own accounts.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.app.demo.settlement.cast import LATE_PARTS, Casting, Part
from headrace.app.demo.settlement.rest import JobsClient, Json
from headrace.app.demo.settlement.sending import Wish, call
from headrace.app.demo.settlement.stage import TRICKSTER_DEPOSIT, SettlementStage
from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text

_ABI: Final = load("IEscrow").abi
_GAS: Final = 400_000
_HIGH_TIP_WEI: Final = 50 * 10**9
_RUN_S: Final = 2.0
_CONFIGURING, _PROVISIONING, _RUNNING, _PUBLISHING, _SETTLE, _NOT_CREATED = 20, 30, 40, 60, 71, 22


class EngineElsewhere:
    """Runs nothing really: it reports what an engine would."""

    def __init__(self, client: JobsClient) -> None:
        self._client = client
        self.began_at: dict[str, float] = {}

    async def begin(self, casting: Casting) -> None:
        """Its lock is on chain."""
        now = time.time()
        await self._client.report(casting.id, _CONFIGURING, at=now)
        if casting.part is Part.NOT_CREATED:
            await self._client.report(casting.id, _NOT_CREATED, at=now, detail="no such image")
            return
        await self._client.report(casting.id, _PROVISIONING, at=now)
        await self._client.report(casting.id, _RUNNING, at=now)
        self.began_at[casting.id] = now
        if casting.part not in LATE_PARTS:
            await asyncio.sleep(_RUN_S)
            await self.end(casting)

    async def end(self, casting: Casting) -> None:
        """Also when it comes late: it tells the moment at which the run really ended."""
        at = self.began_at[casting.id] + _RUN_S
        await self._client.report(casting.id, _PUBLISHING, at=at)
        await self._client.report(casting.id, _SETTLE, at=time.time(), exit_code=0)


async def take_money_back(stage: SettlementStage) -> list[Wish]:
    """The trickster's withdrawal waits in the pool with a high tip: the job is accepted, since its money is there,
    and the next block takes it away before the lock. The chain must stand still."""
    token = address_text(stage.contracts.token.address)
    wish = Wish(
        key=stage.trickster,
        to=stage.contracts.escrow.address,
        data=call(_ABI, "withdraw", [token], [TRICKSTER_DEPOSIT]),
        gas=_GAS,
        what="withdraw",
    )
    await stage.senders.offer([wish], tip_wei=_HIGH_TIP_WEI)
    return [wish]


async def cancel_as_stranger(stage: SettlementStage, job: Json) -> bytes:
    """Anyone may cancel an expired lock. Answers with the transaction."""
    terms = job["terms"]
    data = call(_ABI, "cancelExpiredLock", _number(terms), terms["token"], terms["payer"], terms["payee"])
    wish = Wish(key=stage.stranger, to=stage.contracts.escrow.address, data=data, gas=_GAS, what="cancel")
    (hash,) = await stage.senders.offer([wish])
    return hash


async def claim_by_hand(stage: SettlementStage, settlement: Json) -> bytes:
    """The provider's own key, used beside the gateway: the lock is gone beneath its claim run, and so is a nonce
    of its lane. Answers with the transaction, once it is mined."""
    terms = settlement["terms"]
    data = call(
        _ABI,
        "claimLock",
        _number(terms),
        terms["token"],
        terms["payer"],
        int(settlement["bill"]["amount"]["units"]),
        b"by hand",
    )
    wish = Wish(key=stage.payee, to=stage.contracts.escrow.address, data=data, gas=_GAS, what="claim by hand")
    hashes = await stage.senders.offer([wish])
    receipt = ("eth_getTransactionReceipt", "0x" + hashes[0].hex())
    while await stage.chain.rpc.ask(*receipt) is None:  # noqa: ASYNC110 - the chain tells nobody
        await asyncio.sleep(0.02)
    await stage.senders.receipts([wish], hashes)
    return hashes[0]


def locked_now(jobs: Mapping[str, Json], castings: Sequence[Casting]) -> list[Casting]:
    """Whose lock is on chain by the gateway's word, and who are not begun."""
    return [one for one in castings if one.id in jobs and jobs[one.id]["settlement"] == "unsettled"]


def _number(terms: Mapping[str, Any]) -> int:
    return int(terms["number_on_chain"], 16)
