"""Lanes while no gateway runs: the same orders, on the store itself, whose lock is held meanwhile.

Owns      what can be done without a gateway: list, drain, resume, adopt.
Leaves    cancelling to a gateway: it must sign, send and watch.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headrace.api.services import LaneReport
from headrace.app.clock import SystemClock
from headrace.app.lane_office import unknown_lane
from headrace.app.settings import Settings
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.core.errors import FixTheRequest, NeedsOperator
from headrace.core.lanes import against_adopting
from headrace.core.ports import NonceUsed
from headrace.core.words import Address, ChainId, Nonce
from headrace.engine.by_hand import adopted_note, drained_note, resumed_note
from headrace.store import SqliteStore, open_reader, open_store


async def list_at_rest(settings: Settings) -> list[LaneReport]:
    """Only reads. Raises NeedsOperator."""
    async with open_reader(settings.store.path) as reader:
        return [LaneReport(account=account) for account in await reader.lanes()]


@asynccontextmanager
async def lanes_at_rest(settings: Settings) -> AsyncIterator["LanesAtRest"]:
    """Raises NeedsOperator where there is no store, or somebody has it open."""
    path, clock = settings.store.path, SystemClock()
    if not path.is_file():
        raise NeedsOperator(
            f"there is no store file {path}; name the one in the gateway's settings, or start the gateway once",
            file=str(path),
        )
    try:
        async with open_store(path, clock=clock) as store:
            yield LanesAtRest(settings, store, clock)
    except NeedsOperator as error:
        if "holder" not in error.data:
            raise
        raise NeedsOperator(
            f"{path} is in use by process {error.data['holder']}, and no gateway answers at "
            f"{settings.control_socket}: is it starting or "
            "stopping, of an older version, or is gateway.control_socket another one there?",
            **error.data,
        ) from None


@dataclass(frozen=True, slots=True)
class LanesAtRest:
    settings: Settings
    store: SqliteStore
    clock: SystemClock

    @property
    def chain(self) -> ChainId:
        return ChainId(self.settings.chain.chain_id)

    async def drain(self, lane: Address) -> bool:
        await self._known(lane)
        return await self.store.drain(
            chain=self.chain, lane=lane, now=self.clock.now(), notes=[drained_note(lane)]
        )

    async def resume(self, lane: Address) -> bool:
        await self._known(lane)
        return await self.store.resume(
            chain=self.chain, lane=lane, now=self.clock.now(), notes=[resumed_note(lane)]
        )

    async def adopt(self, lane: Address, start: Nonce, *, fill_gap: bool) -> None:
        """Raises FixTheRequest; NodeTrouble where the chain cannot be asked."""
        await self._known(lane)
        record = await self.store.lane_record(chain=self.chain, lane=lane)
        latest, pending = await self._nonces(lane)
        against = against_adopting(start, record, latest=latest, pending=pending, fill_gap=fill_gap)
        if against is not None:
            raise FixTheRequest(against)
        note = adopted_note(lane, before=record.next_nonce, start=start)
        try:
            await self.store.begin_at(chain=self.chain, lane=lane, start=start, now=self.clock.now(), notes=[note])
        except NonceUsed as used:
            raise FixTheRequest(str(used)) from used

    async def report(self, lane: Address) -> LaneReport:
        return next(
            LaneReport(account=account)
            for account in await self.store.lanes()
            if (account.chain, account.lane) == (self.chain, lane)
        )

    async def _known(self, lane: Address) -> None:
        known = [account.lane for account in await self.store.lanes() if account.chain == self.chain]
        if lane not in known:
            raise unknown_lane(lane, known)

    async def _nonces(self, lane: Address) -> tuple[Nonce, Nonce]:
        chain = self.settings.chain
        node = RpcNode(Endpoints(chain.http, clock=self.clock, timeout_s=chain.request_timeout_s))
        try:
            if (found := await node.chain_id()) != self.chain:
                raise NeedsOperator(
                    f"the node is on chain {found}, the settings say {self.chain}: correct chains.NAME.chain_id, "
                    "or chains.NAME.http"
                )
            return await node.nonces(lane)
        finally:
            await node.close()
