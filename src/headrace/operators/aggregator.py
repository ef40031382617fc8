"""Collects operators' answers to a task until there is a certificate, a no, or no hope.

Owns      the slots: one for each task that is being asked about, and everything that belongs to it.
Promises  a certificate's aggregate was verified; when the answer is there, or the deadline, or the caller is gone,
          nothing of the slot is left: no deadline, no question, no task of the loop.
Leaves    building the task and keeping the answer to the desk, counting to `operators.tally`, time to
          `operators.deadlines`.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, assert_never

from eth_abi.exceptions import DecodingError

from headrace.attest import bls
from headrace.attest.scheme import Scheme
from headrace.core.errors import TryLater
from headrace.core.ports import Clock
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.operators.answers import Answer, Failed, Question, Refused, Signed
from headrace.operators.certificate import Certificate, NoQuorum, OperatorError, Refusal
from headrace.operators.checker import Checker
from headrace.operators.deadlines import Deadlines
from headrace.operators.evaluate import TRUE
from headrace.operators.keyring import Quorum
from headrace.operators.membership import Member, Membership, Memberships
from headrace.operators.tally import BAD_SIGNATURE, EQUIVOCATION, Hopeless, Open, PolicySaysNo, Ready, Tally
from headrace.workloads.tasks.structs import Task, TaskResponse, attestation_digest

__all__ = ["Aggregator", "Certificate", "Member", "NoQuorum", "OperatorError", "Refusal"]

REMEMBERED_MAX: Final = 16_384
MISSED_IN_A_ROW: Final = 3


class Aggregator:
    """Asks all members about each task at once. `close` it in the end."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        chain: ChainId,
        task_manager: Address,
        clock: Clock,
        slots_max: int = 2_000,
        scheme: Scheme[Any] = bls,
    ) -> None:
        """Raises ValueError if the members make no quorum (`Membership`)."""
        self._chain, self._task_manager = chain, task_manager
        self._clock = clock
        self._slots_max, self._slots = slots_max, 0
        self._missed, self._why_missed = 0, ""  # quorums, since the last answer
        self._scheme = scheme
        self._memberships = Memberships(Membership(members, scheme))
        self._checker = Checker()
        self._deadlines = Deadlines(clock)
        self._remembered: OrderedDict[tuple[bytes, Address], bytes] = OrderedDict()
        self._offences: Counter[tuple[Address, str]] = Counter()

    @property
    def hindrance(self) -> str | None:
        """That the operators give no quorum any more, for people: so it was with the last few tasks."""
        if self._missed < MISSED_IN_A_ROW:
            return None
        return f"the operators gave no quorum {self._missed} times in a row: {self._why_missed}"

    @property
    def slots_in_use(self) -> int:
        return self._slots

    @property
    def deadlines_waiting(self) -> int:
        return len(self._deadlines)

    @property
    def remembered(self) -> int:
        """Answers without a certificate that are in memory: at most REMEMBERED_MAX."""
        return len(self._remembered)

    @property
    def members(self) -> Sequence[Member]:
        """Those with stake."""
        return tuple(self._memberships.newest.members.values())

    @property
    def offences(self) -> Mapping[tuple[Address, str], int]:
        """How often each operator sent a bad signature or two responses, by (address, code)."""
        return self._offences

    def replace_members(self, members: Sequence[Member], since: BlockNumber) -> None:
        """For tasks whose reference block is `since` or later. Raises ValueError as the constructor does; then
        nothing changes."""
        self._memberships.replace(Membership(members, self._scheme), since)

    def close(self) -> None:
        self._checker.close()

    async def collect(self, task: Task, *, deadline: float) -> Certificate | Refusal:
        """`deadline` in unix seconds: until then answers are waited for, and what is there then is still checked
        (milliseconds; a second with 2,000 slots all ready at once). Raises NoQuorum then, or as soon as nothing
        else can come, and TryLater at once where all slots are in use."""
        if self._slots >= self._slots_max:
            raise TryLater(f"{self._slots} tasks are being evaluated already", slots_max=self._slots_max)
        self._slots += 1
        collection = _Collection(task, self._memberships.at(task.created_block), self)
        try:
            end = await collection.run(deadline)
        except NoQuorum as none:
            self._missed, self._why_missed = self._missed + 1, none.message
            self._remember(collection)
            raise
        finally:
            self._slots -= 1
        self._missed = 0
        if isinstance(end, Refusal):
            self._remember(collection)
        return end

    # What the collections share.

    def _remember(self, collection: "_Collection") -> None:
        """What was signed for a task that may be asked about again. A certificate is kept elsewhere, for good."""
        for index, answer in collection.tally.signed.items():
            key = (collection.task.task_id, collection.membership.members[index].address)
            self._remembered.setdefault(key, answer.response)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _signed_before(self, task_id: bytes, operator: Address) -> bytes | None:
        return self._remembered.get((task_id, operator))


class _Collection:
    """One task's slot."""

    def __init__(self, task: Task, membership: Membership, shared: Aggregator) -> None:
        self.task = task
        self.membership = membership
        self.tally = Tally(membership.stakes, task.threshold_percent)
        self._shared = shared
        self._clock = shared._clock
        self._question = Question.about(task)
        self._task_hash = task.hash()
        self._intent_hash = task.intent.hash()
        self._responses: dict[bytes, TaskResponse | str] = {}  # as decoded, or what is wrong with it
        self._heard_at: dict[int, float] = {}
        self._heard: list[tuple[int, asyncio.Future[Sequence[Answer]]]] = []  # and not counted yet
        self._late = False
        self._news: asyncio.Future[None] | None = None

    async def run(self, deadline: float) -> Certificate | Refusal:
        alarm = self._shared._deadlines.at(deadline, self._is_late)
        asks = [self._ask(index) for index in self.membership.members]
        try:
            while True:
                match self.tally.standing():
                    case Ready(response, signatures):
                        certificate = await self._certify(response, signatures)
                        if certificate is not None:
                            return certificate
                    case PolicySaysNo():
                        return self._refusal()
                    case Hopeless():
                        raise self._no_quorum("no quorum can come any more")
                    case Open() if self._late and not self._heard:
                        raise self._no_quorum("the time is over")
                    case Open():
                        await self._until_news()
                        heard, self._heard = self._heard, []
                        for index, ask in heard:
                            for answer in ask.result():
                                self._take(index, answer)
                    case never:
                        assert_never(never)
        finally:
            alarm.let_go()
            given_up = [ask for ask in asks if ask.cancel()]
            # A question is at an end as soon as it is given up; where a task of the loop asks it, when that is.
            if asking := [ask for ask in given_up if isinstance(ask, asyncio.Task)]:
                await asyncio.gather(*asking, return_exceptions=True)

    def _ask(self, index: int) -> "asyncio.Future[Sequence[Answer]]":
        ask = asyncio.ensure_future(self.membership.members[index].client.ask(self._question))
        ask.add_done_callback(partial(self._hear, index))
        return ask

    def _hear(self, index: int, ask: "asyncio.Future[Sequence[Answer]]") -> None:
        self._heard.append((index, ask))
        self._wake()

    def _is_late(self) -> None:
        self._late = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _until_news(self) -> None:
        if self._heard or self._time_is_over():
            return
        self._news = asyncio.get_running_loop().create_future()
        await self._news
        if self._time_is_over():
            await asyncio.sleep(0)  # what came at the very deadline is heard in this turn too

    def _time_is_over(self) -> bool:
        return self._late

    def _take(self, index: int, answer: Answer) -> None:
        self._heard_at[index] = self._clock.now()
        if isinstance(answer, Signed):
            response = self._read(answer.response)
            if isinstance(response, str):
                answer = Failed(code="wrong_response", text=response, retryable=False)
            else:
                before = self._shared._signed_before(self.task.task_id, self.membership.members[index].address)
                if before is not None and before != answer.response:
                    self._convict(index, EQUIVOCATION, "signed another response to this task before")
                    return
        self.tally.add(index, answer)
        no = self.tally.noes.get(index)
        if isinstance(no, Failed) and no.code == EQUIVOCATION and isinstance(answer, Signed):
            self._note_offence(index, EQUIVOCATION)

    def _read(self, encoded: bytes) -> TaskResponse | str:
        """Each distinct response is read once, however many sign it."""
        if encoded not in self._responses:
            self._responses[encoded] = self._decode(encoded)
        return self._responses[encoded]

    def _decode(self, encoded: bytes) -> TaskResponse | str:
        task = self.task
        try:
            response = TaskResponse.from_abi(encoded)
        except (DecodingError, OverflowError, ValueError) as error:
            return f"not an ABI-encoded TaskResponse: {error}"[:300]
        if response.abi() != encoded:
            return "the response is not in its plain encoding"
        if (response.task_id, response.policy_client) != (task.task_id, task.policy_client):
            return "the response is to another task"
        if response.intent_hash != self._intent_hash:
            return "the response is to another intent"
        if response.evaluation_result != TRUE:
            return f"the response says 0x{response.evaluation_result.hex()[:64]}; who does not allow it refuses"
        if response.expire_block <= task.created_block:
            return f"the response expires at block {response.expire_block}, before the task could land"
        return response

    async def _certify(self, encoded: bytes, signatures: Mapping[int, bytes]) -> Certificate | None:
        """None if somebody's signature is bad: it no longer counts, and the standing is another."""
        response = self._read(encoded)
        assert isinstance(response, TaskResponse)
        response_hash = response.hash()
        digest = attestation_digest(
            chain=self._shared._chain,
            task_manager=self._shared._task_manager,
            task_hash=self._task_hash,
            response_hash=response_hash,
        )
        checked = await self._shared._checker.check(Quorum(self.membership.keys, digest, signatures))
        if checked.signature is None:
            for index in checked.bad:
                self._convict(index, BAD_SIGNATURE, "its signature is not one of its key on this response")
            return None
        non_signers = self.membership.non_signers(signatures.keys())
        members = self.membership.members
        return Certificate(
            task_hash=self._task_hash,
            response=response,
            response_hash=response_hash,
            signature_data=checked.signature + self.membership.bitmap(non_signers),
            signers=tuple(members[index].address for index in sorted(signatures)),
            non_signers=tuple(members[index].address for index in non_signers),
            reference_block=self.task.created_block,
            operator_errors=self._errors(),
        )

    def _convict(self, index: int, code: str, text: str) -> None:
        self.tally.convict(index, code, text)
        self._note_offence(index, code)

    def _note_offence(self, index: int, code: str) -> None:
        self._shared._offences[(self.membership.members[index].address, code)] += 1

    def _refusal(self) -> Refusal:
        reasons = dict.fromkeys(no.text for no in self.tally.noes.values() if isinstance(no, Refused))
        return Refusal(
            task_hash=self._task_hash, message="; ".join(reasons)[:1000], operator_errors=self._errors()
        )

    def _no_quorum(self, why: str) -> NoQuorum:
        return NoQuorum(
            f"no quorum for task 0x{self.task.task_id.hex()}: {why}; {self.tally.signed_percent()} % of the stake "
            f"signed, {self.task.threshold_percent} % must sign the same",
            self._errors(),
        )

    def _errors(self) -> tuple[OperatorError, ...]:
        return tuple(
            OperatorError(
                operator=self.membership.members[index].address,
                operator_id=self.membership.operator_ids[index],
                code=no.code,
                message=no.text,
                at=self._heard_at[index],
                retryable=not isinstance(no, Refused) and no.retryable,
            )
            for index, no in sorted(self.tally.noes.items())
        )
