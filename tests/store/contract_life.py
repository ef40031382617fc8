"""Chance plays client, lanes and chain against the store; what is written here holds after every step.

1. Who is queued or claimed comes after nothing, or after something whose effect is there.
2. Who waits does so for something that is not there and may still come.
3. Who is done stays exactly as it ended.
4. Who is sealed rides in a transaction that is not final.
5. No operation is ever lost, and the counts are those of the operations.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.operation import Account, Ending, Return, Stage
from headrace.core.ports import Voyage
from headrace.core.transaction import InFlight, Mined, Settled, Taken, Void
from headrace.core.words import Address, BlockHash, BlockNumber, OperationId, Outcome, TxHash
from store.made import CHAIN, LANE, NOW, OTHER_LANE, Store, an_operation, digest, in_flight, mined

LANES = (LANE, OTHER_LANE)
GOOD = (Outcome.LANDED, Outcome.ALREADY_DONE)


@dataclass
class Life:
    """One example: its operations, and what chance did to them."""

    store: Store
    draw: st.DrawFn
    before: int  # operations of earlier examples in the same store
    name: str
    added: list[OperationId] = field(default_factory=list)
    idle: dict[str, frozenset[OperationId]] = field(default_factory=dict)  # by batch: mined without effect
    ended: dict[OperationId, Account] = field(default_factory=dict)

    async def step(self) -> None:
        steps = (self.add, self.claim, self.seal, self.record, self.settle, self.judge, self.cancel, self.release)
        await self.draw(st.sampled_from(steps))()

    async def accounts(self) -> dict[OperationId, Account]:
        page, _ = await self.store.list_accounts(limit=1_000, workload=self.name)
        return {found.operation.id: found for found in page}

    async def voyages(self) -> list[tuple[Address, Voyage]]:
        return [
            (lane, voyage)
            for lane in LANES
            for voyage in await self.store.unsettled(chain=CHAIN, lane=lane)
            if voyage.workload == self.name
        ]

    # ---- What chance may do

    async def add(self) -> None:
        for _ in range(self.draw(st.integers(1, 3))):
            id = OperationId(f"{self.name}.{len(self.added)}")
            after = self.draw(st.none() | st.sampled_from(self.added)) if self.added else None
            await self.store.add_operations([an_operation(id, workload=self.name, after=after)])
            self.added.append(id)

    async def claim(self) -> None:
        lane, most = self.draw(st.sampled_from(LANES)), self.draw(st.integers(1, 4))
        await self.store.claim_ready(chain=CHAIN, lane=lane, workload=self.name, most=most, now=NOW)

    async def seal(self) -> None:
        lane = self.draw(st.sampled_from(LANES))
        claimed = [id for id, found in (await self.accounts()).items() if found.stage is Stage.CLAIMED]
        # The store does not tell who claimed: claim for this lane what goes into its batch.
        await self.store.release(claimed)
        ready = await self.store.claim_ready(chain=CHAIN, lane=lane, workload=self.name, most=3, now=NOW)
        if ready:
            nonce = await self.store.next_nonce(chain=CHAIN, lane=lane)
            batch = f"{self.name}-{lane[0]}-{nonce}"
            flight = in_flight(nonce, batch=batch)
            flight = replace(flight, attempts=(replace(flight.attempts[0], hash=TxHash(digest(batch))),))
            ids = [operation.id for operation in ready]
            await self.store.seal(flight, chain=CHAIN, lane=lane, workload=self.name, form="x", operations=ids)

    async def record(self) -> None:
        voyages = await self.voyages()
        if not voyages:
            return
        lane, voyage = self.draw(st.sampled_from(voyages))
        flight = voyage.transaction if isinstance(voyage.transaction, InFlight) else _flight(voyage)
        idle: frozenset[OperationId] = frozenset()
        state: InFlight | Mined | Taken = flight
        what = self.draw(st.sampled_from(("in flight", "mined", "mined", "taken")))
        if what == "mined":
            height = self.draw(st.integers(1, 3))
            members = [operation.id for operation in voyage.operations]
            idle = self.draw(st.frozensets(st.sampled_from(members)))
            state = mined(flight, block=BlockNumber(height), block_hash=BlockHash(digest("block", height)))
            state = replace(state, ok=len(idle) < len(members))
        elif what == "taken":
            state = Taken(in_flight=flight, since=BlockNumber(1))
        same = isinstance(state, Mined) and isinstance(voyage.transaction, Mined)
        if not (same and state.block_hash == voyage.transaction.block_hash):  # type: ignore[union-attr]
            self.idle[str(flight.batch)] = idle
        await self.store.record(state, chain=CHAIN, lane=lane, now=NOW, without_effect=idle)

    async def settle(self) -> None:
        voyages = await self.voyages()
        if not voyages:
            return
        lane, voyage = self.draw(st.sampled_from(voyages))
        endings, returns = [], []
        for operation in self.draw(st.permutations(list(voyage.operations))):
            ending, back = self._fate(operation.id)
            endings += ending
            returns += back
        on_chain = isinstance(voyage.transaction, Mined)
        final = Settled(mined=voyage.transaction) if on_chain else Void(in_flight=_flight(voyage))  # type: ignore[arg-type]
        await self.store.settle(final, chain=CHAIN, lane=lane, endings=endings, returns=returns, now=NOW)

    async def judge(self) -> None:
        if self.added:
            endings, returns = self._fate(self.draw(st.sampled_from(self.added)))
            await self.store.judge(endings, returns, now=NOW)

    async def cancel(self) -> None:
        if self.added:
            await self.store.cancel(self.draw(st.sampled_from(self.added)), now=NOW)

    async def release(self) -> None:
        if self.added:
            await self.store.release([self.draw(st.sampled_from(self.added))])

    def _fate(self, id: OperationId) -> tuple[list[Ending], list[Return]]:
        outcome = self.draw(st.none() | st.sampled_from(Outcome))
        if outcome is None:
            return [], [Return(operation=id, reason="again")]
        return [Ending(operation=id, outcome=outcome)], []

    # ---- What always holds

    async def check(self) -> None:
        accounts = await self.accounts()
        assert set(accounts) == set(self.added)
        for found in accounts.values():
            self._check_place(found, accounts)
            self._check_end(found)
        aboard = Counter(o.id for _, voyage in await self.voyages() for o in voyage.operations)
        sealed = {id for id, found in accounts.items() if found.stage is Stage.SEALED}
        assert sealed <= set(aboard)
        riding = {str(_flight(voyage).batch) for _, voyage in await self.voyages()}
        for id in sealed:
            ride = accounts[id].ride
            assert ride is not None and ride.batch in riding
        counts = await self.store.counts()
        assert sum(counts[stage.value] for stage in Stage) == self.before + len(self.added)
        assert sum(counts[outcome.value] for outcome in Outcome) == counts["done"]

    def _check_place(self, found: Account, accounts: dict[OperationId, Account]) -> None:
        if found.operation.after is None:
            assert found.stage is not Stage.WAITING
            return
        predecessor = accounts[found.operation.after]
        if found.stage in (Stage.QUEUED, Stage.CLAIMED):
            assert self._has_effect(predecessor), (found, predecessor)
        elif found.stage is Stage.WAITING:
            assert not self._has_effect(predecessor), (found, predecessor)
            assert predecessor.stage is not Stage.DONE, (found, predecessor)

    def _check_end(self, found: Account) -> None:
        if found.stage is Stage.DONE:
            first = self.ended.setdefault(found.operation.id, found)
            assert (found.outcome, found.reason, found.done_at) == (first.outcome, first.reason, first.done_at)
        else:
            assert found.operation.id not in self.ended

    def _has_effect(self, account: Account) -> bool:
        if account.stage is Stage.DONE:
            return account.outcome in GOOD
        ride = account.ride
        if account.stage is not Stage.SEALED or ride is None or ride.block is None:
            return False
        return account.operation.id not in self.idle[ride.batch]


def _flight(voyage: Voyage) -> InFlight:
    match voyage.transaction:
        case InFlight() as flight:
            return flight
        case Mined(in_flight=flight) | Taken(in_flight=flight):
            return flight
        case Settled() | Void():
            raise AssertionError("final, and still called unsettled")


class LifeContract:
    @given(data=st.data())
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_whatever_happens_these_rules_hold(self, store: Store, data: st.DataObject) -> None:
        counts = await store.counts()
        before = sum(counts[stage.value] for stage in Stage)
        life = Life(store=store, draw=data.draw, before=before, name=f"life {before}")
        await life.add()
        for _ in range(data.draw(st.integers(1, 25))):
            await life.step()
            await life.check()
