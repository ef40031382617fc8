"""One claim run: reads what is due and what is locked, and makes operations of it.

Owns      the order of a run: all locks of a payee as of one final block, the plan, the operations, the logs of
          locks that are gone, the sweep.
Promises  what could not be read is left as it is and told as a trouble; a run that is cut off anywhere leaves each
          job either due or with its operation, never in between. It waits for nothing to be mined: what an
          operation did comes to its job by `jobs.following`.
Leaves    the choices to `jobs.planning`, when to run to `jobs.claim_timer`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from headrace.core.errors import TryLater
from headrace.core.job import Job, JobId
from headrace.core.operation import Operation
from headrace.core.ports import Added, Clock, NodeTrouble
from headrace.core.ports.jobs import JobStore, SettlementChange
from headrace.core.settlement import NeedsHelp, SettlementState
from headrace.core.words import Address, BlockNumber
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.lock_ends import key_of
from headrace.jobs.orders import settling_order
from headrace.jobs.planning import Group, Payee, Plan, Read, Said, Unread, plan
from headrace.jobs.proving import Proving
from headrace.jobs.schedule import ClaimPolicy
from headrace.jobs.sweeping import expired, sweeps

PAGE: Final = 500
PER_COMMIT: Final = 2_000  # what is in one commit is packed together
TROUBLES_MAX: Final = 100  # of one run; the rest is counted
MOVING: Final = "a reorg took its lock away, and it is not final elsewhere yet"
OPEN: Final = (
    SettlementState.AWAITING_LOCK,
    SettlementState.UNSETTLED,
    SettlementState.DUE,
    SettlementState.CLAIMING,
    SettlementState.NEEDS_OPERATOR,
)


class Measure(Protocol):
    async def __call__(self, operations: Sequence[Operation]) -> None:
        """Of one move and payee, in their order: finds out what they cost, so that they are packed well. Never
        fails: without it they are packed by what is known."""
        ...


class SettlingStore(JobStore, Protocol):
    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]: ...


@dataclass(slots=True)
class Findings:
    """What a run leaves behind. `counts` of jobs: due, claim, release, cancel, found (ended by what the logs say),
    asked, left; and sweep, of locks without a job."""

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    more: int = 0
    missed: str | None = None  # what could not be read: nothing was done about it
    again: bool = False  # it is worth while to look again soon

    def trouble(self, text: str) -> None:
        if text in self.troubles:
            return
        if len(self.troubles) < TROUBLES_MAX:
            self.troubles.append(text)
        else:
            self.more += 1

    def miss(self, text: str) -> None:
        self.missed, self.again = self.missed or text, True
        self.trouble(text)

    def told(self) -> list[str]:
        return [*self.troubles, f"and {self.more} troubles more"] if self.more else list(self.troubles)


class ClaimRunner:
    """`lanes`: the payees whose locks this gateway can claim. `noticed`: so many operations more are ready."""

    def __init__(
        self,
        *,
        store: SettlingStore,
        reader: EscrowReader,
        proving: Proving,
        policy: ClaimPolicy,
        lanes: Collection[Address],
        noticed: Callable[[int], None],
        clock: Clock,
        sweep: bool,
        measure: Measure,
    ) -> None:
        self._store, self._reader, self._proving = store, reader, proving
        self._policy, self._lanes, self._noticed = policy, tuple(lanes), noticed
        self._clock, self._sweep, self._measure = clock, sweep, measure

    async def run(self) -> Findings:
        """Never raises for what a node or a full store does: that is among the troubles."""
        findings = Findings()
        try:
            await self._run(findings)
        except (NodeTrouble, TryLater) as trouble:
            findings.miss(f"the run ended early: {trouble}")
        return findings

    async def _run(self, findings: Findings) -> None:
        jobs = {job.id: job async for job in self._jobs((SettlementState.DUE,))}
        findings.counts["due"] = len(jobs)
        final = await self._reader.final_block()
        locks = await self._locks(jobs.values(), final, findings)
        alive = {lock.key: lock for read in locks.values() if isinstance(read, Read) for lock in read.locks}
        jobs |= await self._proving.renew(jobs.values(), alive)
        made = plan(jobs.values(), locks, now=self._clock.now(), policy=self._policy)
        for group in made.groups:
            await self._begin(group, jobs, findings)
        await self._ask(made, jobs, findings)
        _tell_left(made.left, findings)
        await self._look([jobs[id] for id in made.look], final, findings)
        if self._sweep:
            await self._sweep_up(locks, findings)

    async def _locks(
        self, jobs: Collection[Job], final: BlockNumber, findings: Findings
    ) -> Mapping[Payee, Read | Unread]:
        chain = self._reader.chain
        payees = dict.fromkeys((chain, lane) for lane in self._lanes)
        payees |= dict.fromkeys((j.terms.chain, j.terms.payee) for j in jobs if j.terms is not None)
        found: dict[Payee, Read | Unread] = {}
        for of_chain, payee in payees:
            if of_chain != chain:
                found[of_chain, payee] = Unread(f"this gateway serves chain {chain}")
            elif payee not in self._lanes:
                found[of_chain, payee] = Unread(f"no lane of this gateway is its payee 0x{payee.hex()}")
            else:
                found[of_chain, payee] = locks = await self._reader.locks(payee, as_of=final)
                if isinstance(locks, Unread):
                    findings.miss(f"locks of 0x{payee.hex()} could not be read: {locks.reason}")
        return found

    async def _begin(self, group: Group, jobs: Mapping[JobId, Job], findings: Findings) -> None:
        fresh = 0
        for at in range(0, len(group.items), PER_COMMIT):
            items = group.items[at : at + PER_COMMIT]
            now = self._clock.now()
            pairs = [settling_order(jobs[item.job], group.move, item, now=now) for item in items]
            if at == 0:
                await self._measure([operation for _, operation in pairs])
            for (change, _), added in zip(pairs, await self._store.begin_settling(pairs, now=now), strict=True):
                if added is None:
                    continue  # somebody changed it meanwhile: a person, or its lock moved
                if added in (Added.FRESH, Added.SAME):
                    findings.counts[group.move.value] += 1
                    fresh += added is Added.FRESH
                else:
                    findings.counts["left"] += 1
                    findings.trouble(f"job {change.job}: its {group.move.value} could not be added: {added.value}")
        # Once for the whole group, so that it is packed together.
        self._noticed(fresh)

    async def _ask(self, made: Plan, jobs: Mapping[JobId, Job], findings: Findings) -> None:
        changes = [
            SettlementChange(job=said.job, before=jobs[said.job].settlement, after=NeedsHelp(said.reason))
            for said in made.ask
        ]
        if changes:
            await self._store.change_settlements(changes, now=self._clock.now())
        for said in made.ask:
            findings.counts["asked"] += 1
            findings.trouble(f"job {said.job} needs a person: {said.reason}")

    async def _look(self, jobs: Sequence[Job], final: BlockNumber, findings: Findings) -> None:
        looked = await self._proving.look(jobs, up_to=final)
        _tell_left([Said(job.id, MOVING, passes=True) for job in looked.moving], findings)
        for job, change in (await self._proving.save(looked.changes, {job.id: job for job in jobs})).items():
            if isinstance(change.after, NeedsHelp):
                findings.counts["asked"] += 1
                findings.trouble(f"job {job} needs a person: {change.after.reason}")
            else:
                findings.counts["found"] += 1

    async def _sweep_up(self, locks: Mapping[Payee, Read | Unread], findings: Findings) -> None:
        now = self._clock.now()
        gone = [
            lock
            for read in locks.values()
            if isinstance(read, Read)
            for lock in expired(read.locks, now=now, policy=self._policy)
        ]
        if not gone:
            return
        known = {key_of(job) async for job in self._jobs(OPEN)}
        orders = sweeps(gone, known, chain=self._reader.chain, now=now)
        for at in range(0, len(orders), PER_COMMIT):
            part = orders[at : at + PER_COMMIT]
            for order, added in zip(part, await self._store.add_operations(part), strict=True):
                if added is Added.FRESH:
                    findings.counts["sweep"] += 1
                    findings.trouble(f"an expired lock that no job waits for is cancelled: operation {order.id}")
        self._noticed(findings.counts["sweep"])

    async def _jobs(self, states: Collection[SettlementState]) -> AsyncIterator[Job]:
        after: JobId | None = None
        while page := await self._store.jobs_to_settle(states, limit=PAGE, after=after):
            for job in page:
                yield job
            after = page[-1].id


def _tell_left(left: Sequence[Said], findings: Findings) -> None:
    findings.counts["left"] += len(left)
    findings.again |= any(said.passes for said in left)
    for reason, count in Counter(said.reason for said in left).most_common():
        findings.trouble(f"{count} payments are left as they are: {reason}")
