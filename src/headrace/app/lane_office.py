"""The lanes of a running gateway, for its operator (`api.control.LaneOffice`) and for `headrace_lanes`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headrace.api.services import LaneReport
from headrace.app.engine_room import EngineRoom, Lane
from headrace.core.errors import FixTheRequest
from headrace.core.ports import LaneAccount, NodeTrouble, Reader
from headrace.core.transaction import Cancel, signed
from headrace.core.words import Address, ChainId, Nonce, TxHash
from headrace.engine.by_hand import Cancelled


class LaneOffice:
    def __init__(self, *, engine: EngineRoom, reader: Reader, chain: ChainId) -> None:
        self._engine, self._reader, self._chain = engine, reader, chain
        self._lanes: Mapping[Address, Lane] = {lane.runner.address: lane for lane in engine.lanes}

    async def reports(self) -> list[LaneReport]:
        """Every lane that the store knows, without asking the chain."""
        return [self._report(account) for account in await self._reader.lanes()]

    # ---- For the operator

    async def lanes(self) -> Sequence[LaneReport]:
        return [await self._with_chain(report) for report in await self.reports()]

    async def drain(self, lane: Address) -> bool:
        return await self._lane(lane).by_hand.drain()

    async def resume(self, lane: Address) -> bool:
        return await self._lane(lane).by_hand.resume()

    async def find(self, transaction: TxHash) -> tuple[Address, Nonce]:
        entry = await self._reader.ledger_entry(hash=transaction)
        if entry is None:
            raise FixTheRequest(f"no lane has a transaction 0x{transaction.hex()}")
        if entry.chain != self._chain:  # the same key may have that nonce here too
            raise FixTheRequest(
                f"0x{transaction.hex()} is of chain {entry.chain}, and this gateway's is {self._chain}: only a "
                "gateway of that chain can cancel it"
            )
        return entry.lane, signed(entry.transaction).nonce

    async def cancel(self, lane: Address, nonce: Nonce, what: Cancel) -> Cancelled:
        return await self._lane(lane).by_hand.cancel(nonce, what)

    async def adopt(self, lane: Address, start: Nonce, *, fill_gap: bool) -> None:
        await self._lane(lane).by_hand.adopt(start, fill_gap=fill_gap)

    def _lane(self, address: Address) -> Lane:
        if (lane := self._lanes.get(address)) is not None:
            return lane
        raise unknown_lane(address, list(self._lanes))

    def _report(self, account: LaneAccount) -> LaneReport:
        lane = self._lanes.get(account.lane) if account.chain == self._chain else None
        if lane is None:
            return LaneReport(account=account)
        help_wanted = lane.runner.help_wanted or lane.packer.hindrance
        return LaneReport(account=account, help_wanted=help_wanted, balance_wei=lane.room.balance_wei)

    async def _with_chain(self, report: LaneReport) -> LaneReport:
        if report.account.lane not in self._lanes or report.account.chain != self._chain:
            return report
        try:
            nonces = await self._engine.node.nonces(report.account.lane)
            balance = await self._engine.node.balance(report.account.lane)
        except NodeTrouble as trouble:
            return replace(report, help_wanted=report.help_wanted or f"the chain does not answer: {trouble}")
        return replace(report, chain_nonces=nonces, balance_wei=balance)


def unknown_lane(lane: Address, known: Sequence[Address]) -> FixTheRequest:
    names = ", ".join(f"0x{one.hex()}" for one in known) or "none"
    return FixTheRequest(f"lane: 0x{lane.hex()} is no lane here; there are {names}", field="lane")
