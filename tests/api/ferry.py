"""Carries operations to the chain as the engine does: stored first, then told."""

from dataclasses import replace
from typing import Literal

from api.gateway import Gateway
from headrace.core.operation import Ending
from headrace.core.ports import BatchNews, OperationNews
from headrace.core.transaction import InFlight, Mined, Settled
from headrace.core.words import OperationId, Outcome, Revert
from store.made import LANE, claim, in_flight, mined, record, seal, settle

What = Literal["batched", "sent", "mined", "retracted", "settled"]


class Ferry:
    """One transaction with all that is queued now."""

    def __init__(self, gateway: Gateway, *, nonce: int = 0) -> None:
        self._gateway, self._nonce = gateway, nonce
        self._in_flight: InFlight | None = None
        self._mined: Mined | None = None
        self.ids: list[OperationId] = []

    async def batch(self) -> None:
        self.ids = [OperationId(id) for id in await claim(self._gateway.store, now=self._gateway.clock.now())]
        self._in_flight = in_flight(self._nonce)
        await seal(self._gateway.store, self._in_flight, self.ids)
        await self.tell("batched")

    async def send(self) -> None:
        assert self._in_flight is not None
        self._in_flight = replace(self._in_flight, sent_at=self._gateway.clock.now())
        await record(self._gateway.store, self._in_flight)
        await self.tell("sent")

    async def mine(self) -> None:
        assert self._in_flight is not None
        self._mined = mined(self._in_flight)
        await record(self._gateway.store, self._mined)
        await self.tell("mined")

    async def uncle(self) -> None:
        await record(self._gateway.store, self._in_flight)
        self._mined = None
        await self.tell("retracted")

    async def settle(self, outcome: Outcome = Outcome.LANDED, revert: Revert | None = None) -> None:
        assert self._mined is not None
        endings = [Ending(operation=id, outcome=outcome, revert=revert) for id in self.ids]
        await settle(self._gateway.store, Settled(mined=self._mined), endings=endings)
        await self.tell("settled")
        for id in self.ids:
            news = OperationNews(
                operation=id, what="done", at=self._gateway.clock.now(), outcome=outcome, revert=revert
            )
            self._gateway.topics(news)

    async def tell(self, what: What) -> None:
        assert self._in_flight is not None and self._in_flight.batch is not None
        found = [await self._gateway.store.account(id) for id in self.ids]
        self._gateway.topics(
            BatchNews(
                batch=self._in_flight.batch,
                lane=LANE,
                nonce=self._in_flight.nonce,
                what=what,
                operations=[account.operation for account in found if account is not None],
                at=self._gateway.clock.now(),
                transaction=self._in_flight.attempts[-1].hash,
                block=self._mined.block if self._mined else None,
                gas_used=self._mined.gas_used if self._mined else None,
            )
        )
