"""Every door to the outside world, written by those who use them. Adapters live higher up.

Bytes and integers only: hex and JSON end in `api` and `chain`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from headrace.core.operation import Account, Ending, Operation, Return, Stage
from headrace.core.transaction import Settled, Transaction, Void
from headrace.core.words import (
    Address,
    Attempt,
    BatchId,
    Block,
    BlockHash,
    BlockNumber,
    ChainId,
    Fees,
    Nonce,
    OperationId,
    Outcome,
    Receipt,
    Reply,
    Revert,
    TxHash,
    Verdict,
)

# ---- Time


class Clock(Protocol):
    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None: ...


# ---- The chain


class NodeTrouble(Exception):
    """No node gave a usable answer. Nothing is known about what was asked, and nothing was decided by it."""


@dataclass(frozen=True, slots=True)
class Returned:
    data: bytes


@dataclass(frozen=True, slots=True)
class Reverted:
    data: bytes  # raw revert data; empty where the node gave none


class Node(Protocol):
    """One chain, through one or more endpoints. Every call may raise NodeTrouble, except `send`."""

    async def chain_id(self) -> ChainId: ...

    async def send(self, raw: bytes) -> tuple[Reply, str]:
        """Offers signed bytes. Never raises NodeTrouble: a lost answer is `Reply.UNSURE`, with its text."""
        ...

    async def call(
        self,
        *,
        to: Address,
        data: bytes,
        sender: Address | None = None,
        gas: int | None = None,
        as_of: BlockNumber | None = None,
        in_block: BlockNumber | None = None,
        timestamp: int | None = None,
    ) -> Returned | Reverted:
        """eth_call. `as_of`: state after that block (default latest). `in_block`, `timestamp`: block override,
        what NUMBER and TIMESTAMP answer."""
        ...

    async def head(self) -> Block: ...

    async def block(self, number: BlockNumber) -> Block | None: ...

    async def receipts(self, block: BlockHash) -> Sequence[Receipt] | None:
        """All receipts of a block, by its hash. None where the node does not know that block (any more)."""
        ...

    async def receipt(self, hash: TxHash) -> Receipt | None:
        """From the canonical chain, now."""
        ...

    async def nonces(self, account: Address) -> tuple[Nonce, Nonce]:
        """The account's next nonce: by the latest block, and with the node's pool counted in."""
        ...

    async def balance(self, account: Address) -> int:
        """Wei."""
        ...

    async def code(self, account: Address) -> bytes: ...


class Signer(Protocol):
    """The key of one lane. Never shows it. Blocking CPU work of about 0.3 ms per call."""

    @property
    def address(self) -> Address: ...

    def sign(
        self, *, chain: ChainId, nonce: Nonce, to: Address, data: bytes, gas_limit: int, fees: Fees
    ) -> Attempt: ...

    def sign_again(self, attempt: Attempt, *, fees: Fees) -> Attempt:
        """The same transaction at other fees."""
        ...

    def sign_no_op(self, *, chain: ChainId, nonce: Nonce, fees: Fees) -> Attempt:
        """Fills a nonce: nothing to ourselves, 21,000 gas."""
        ...


# ---- The store. Every method is durable when it returns, and one commit.


class Added(Enum):
    FRESH = "saved now"
    SAME = "already here, with this content"
    OTHER_CONTENT = "already here, with other content"
    SUBJECT_TAKEN = "an unfinished operation of this kind has the same subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line in somebody's story: an operation id, a batch id, or a transaction as `lane/nonce`."""

    subject: str
    text: str


class OperationStore(Protocol):
    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]:
        """Saves each that is new; answers for each. An operation whose `after` is not done yet starts WAITING;
        one whose `after` ended without effect starts and ends as cancelled; an unknown `after` raises KeyError
        with its id, and saves nothing."""
        ...

    async def claim_ready(
        self, *, chain: ChainId, lane: Address, workload: str, most: int, now: float
    ) -> Sequence[Operation]:
        """Oldest first. Two claimers never get the same operation. Skips those that may not travel yet."""
        ...

    async def release(self, operations: Collection[OperationId]) -> None:
        """Claimed ones go back to the queue as if nothing had happened."""
        ...

    async def judge(
        self, endings: Sequence[Ending], returns: Sequence[Return], *, now: float, notes: Sequence[Note] = ()
    ) -> Sequence[Ending]:
        """Ends some, returns others; an operation that is done stays as it is. Those that waited for one that
        ended without effect end as cancelled; those that waited for one whose effect is there are queued.
        Answers with every ending it wrote, the cancelled followers included."""
        ...

    async def end_overdue(self, *, now: float, head: BlockNumber, chain: ChainId) -> Sequence[Ending]:
        """Ends as expired whatever is not sealed and can no longer land: deadline, deadline_block <= head,
        wait_until."""
        ...

    async def cancel(self, operation: OperationId, *, now: float) -> Ending | None:
        """Ends it as cancelled unless it is sealed or done already (then None)."""
        ...

    async def count_ready(self, *, chain: ChainId, workload: str, now: float) -> int: ...


class TransactionStore(Protocol):
    async def next_nonce(self, *, chain: ChainId, lane: Address) -> Nonce:
        """From the ledger: one past the highest it has, but never below the lane's adopted start."""
        ...

    async def adopt(self, *, chain: ChainId, lane: Address, start: Nonce, now: float) -> None:
        """Nonces of this lane begin here, if that is higher than what the ledger would give."""
        ...

    async def seal(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        workload: str,
        form: str,
        operations: Sequence[OperationId],
        notes: Sequence[Note] = (),
    ) -> None:
        """Batch, nonce and signed bytes in one commit. Raises NonceUsed if the nonce has an owner already, and
        NotClaimed if one of the operations is not claimed by this lane; then nothing is saved."""
        ...

    async def record(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        now: float,
        notes: Sequence[Note] = (),
        without_effect: Collection[OperationId] = (),
    ) -> None:
        """The transaction as it is now, every attempt of it. Newly mined: followers of its operations are
        queued, except of those `without_effect`. No longer mined: followers that are not sealed wait again."""
        ...

    async def settle(
        self,
        transaction: Settled | Void,
        *,
        chain: ChainId,
        lane: Address,
        endings: Sequence[Ending],
        returns: Sequence[Return],
        now: float,
        notes: Sequence[Note] = (),
    ) -> Sequence[Ending]:
        """The final state of a transaction and what became of its operations, in one commit.
        Answers as `OperationStore.judge`."""
        ...

    async def unsettled(self, *, chain: ChainId, lane: Address) -> Sequence["Voyage"]:
        """Lowest nonce first."""
        ...

    async def release_claims(self, *, chain: ChainId, lane: Address) -> int:
        """After a crash: what was claimed and never sealed is queued again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Voyage:
    """A transaction and the operations that ride in it, in the batch's order."""

    transaction: Transaction
    workload: str
    form: str
    operations: Sequence[Operation]


class NonceUsed(Exception):
    """This lane already has a transaction with that nonce."""


class NotClaimed(Exception):
    """An operation that was to be sealed is not claimed by this lane (any more)."""


# ---- Evaluations: the off-chain answer to one task request


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A task built for a request, and what the operators made of it.

    `task` as the workload encodes it; `request` and `result` are opaque to the store (result None while open).
    `resume` says that somebody was told yes: it goes on after a crash. Times in unix seconds.
    """

    operation: OperationId
    content: bytes
    subject: bytes
    request: bytes
    task: bytes
    resume: bool
    received_at: float
    result: bytes | None = None


class EvaluationStore(Protocol):
    async def begin_evaluation(self, evaluation: Evaluation) -> Evaluation | None:
        """Saves it and answers None; or answers with the one that is already here under this id.
        Raises SubjectTaken if another id has the same subject, OtherContent if a submitted operation has this
        id."""
        ...

    async def conclude_evaluation(
        self, operation: OperationId, *, result: bytes, operations: Sequence[Operation]
    ) -> None:
        """The answer, and the operations that follow from it, in one commit. Written once: if there is a
        result already, nothing changes."""
        ...

    async def evaluation(self, operation: OperationId) -> Evaluation | None: ...

    async def evaluation_about(self, subject: bytes) -> Evaluation | None: ...

    async def open_evaluations(self) -> Sequence[Evaluation]:
        """Those with `resume` and no result, oldest first."""
        ...


class SubjectTaken(Exception):
    """Another id already has this subject."""


# ---- What people ask of the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a story. `at` in unix seconds."""

    at: float
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One transaction of a lane, as people ask for it."""

    chain: ChainId
    lane: Address
    transaction: Transaction
    workload: str
    form: str
    operations: Sequence[OperationId]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneAccount:
    chain: ChainId
    lane: Address
    next_nonce: Nonce
    in_flight: int
    mined: int
    settled: int


class Reader(Protocol):
    async def account(self, operation: OperationId) -> Account | None: ...

    async def accounts_about(self, subject: bytes) -> Sequence[Account]: ...

    async def list_accounts(
        self,
        *,
        workload: str | None = None,
        stage: Stage | None = None,
        outcome: Outcome | None = None,
        limit: int,
        cursor: int | None = None,
    ) -> tuple[Sequence[Account], int | None]:
        """Newest first, with the cursor of the next page (None on the last)."""
        ...

    async def ledger_entry(
        self,
        *,
        batch: BatchId | None = None,
        hash: TxHash | None = None,
        lane: Address | None = None,
        nonce: Nonce | None = None,
    ) -> LedgerEntry | None:
        """By batch id, by the hash of any of its attempts, or by nonce (of that lane, or of the only one)."""
        ...

    async def lines(self, subject: str) -> Sequence[Line]:
        """What was noted about an operation id, a batch id, or `lane/nonce`, oldest first."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Operations by stage, outcomes by name."""
        ...

    async def lanes(self) -> Sequence[LaneAccount]: ...


# ---- Workloads


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call: where to, and what."""

    to: Address
    data: bytes


class Effect(Enum):
    DONE = "the chain shows it"
    FAILED = "it was tried and reverted"
    UNSEEN = "the receipt shows neither"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a receipt shows of one operation."""

    effect: Effect
    revert: Revert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GasGuess:
    """Gas until something is learned. `tail` must be left when the last item starts (it is not spent)."""

    per_transaction: int
    per_item: int
    tail: int


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str
    form: str | None = None  # travels in this form from now on
    costs_retry: bool = False
    needs_operator: bool = False  # nothing is wrong with the operation: a person must mend the contracts


class Workload(Protocol):
    """A family of operations that one contract can batch: its encoding, its reverts, its proofs of effect."""

    @property
    def name(self) -> str: ...

    @property
    def forms(self) -> Sequence[str]:
        """In the order in which they should travel: what others build on comes first."""
        ...

    @property
    def most_per_transaction(self) -> int:
        """1 where there is no batch contract."""
        ...

    def call(self, form: str, operations: Sequence[Operation], *, strict: bool) -> Call:
        """The batch as one contract call. `strict`: any failure reverts the whole (what simulation asks)."""
        ...

    def size(self, operation: Operation) -> int:
        """Bytes of calldata it adds to a batch."""
        ...

    def gas_guess(self, form: str) -> GasGuess: ...

    def failures(self, revert: Revert, count: int) -> Mapping[int, Revert] | None:
        """Which items of a strict batch failed, by index. None: the revert speaks of no item."""
        ...

    def read_revert(self, data: bytes) -> Revert: ...

    def effects(self, operations: Sequence[Operation], receipt: Receipt) -> Sequence[Seen]:
        """One for each operation, from the receipt's logs."""
        ...

    def questions(self, operation: Operation, revert: Revert) -> Sequence[Call]:
        """What must be asked of the chain before this revert can be judged; often nothing."""
        ...

    def judge(self, operation: Operation, revert: Revert, answers: Sequence[bytes]) -> Judgement: ...

    def probe(self, operation: Operation) -> Sequence[Call]:
        """What to ask of the chain to learn whether the operation's effect is there, whoever caused it."""
        ...

    def probed(self, operation: Operation, answers: Sequence[bytes]) -> Seen | Judgement:
        """What the answers to `probe` say."""
        ...


# ---- News: what waiters, topics and (later) webhooks hear


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationNews:
    """An operation ended, or went back to the queue."""

    operation: OperationId
    what: Literal["queued", "done"]
    at: float
    outcome: Outcome | None = None
    reason: str = ""
    revert: Revert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNews:
    """Something happened to a transaction, and so to all that ride in it. `retracted`: it was mined, and its
    block was uncled. `without_effect`: mined, but these operations of it did nothing."""

    batch: BatchId
    lane: Address
    nonce: Nonce
    what: Literal["batched", "sent", "mined", "retracted", "settled"]
    operations: Sequence[Operation]
    at: float
    transaction: TxHash
    block: BlockNumber | None = None
    gas_used: int | None = None
    without_effect: Collection[OperationId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationNews:
    """The off-chain answer to a task request took a step. `subject` is the task id."""

    subject: bytes
    what: Literal["evaluating", "certified", "refused", "failed"]
    at: float
    data: Mapping[str, object]


News = OperationNews | BatchNews | EvaluationNews


class Announce(Protocol):
    def __call__(self, news: News) -> None:
        """Never blocks, never fails: who does not listen in time is closed by whoever delivers."""
        ...
