"""The workload `tasks`: what the engine must know of the task contracts.

Owns      which contract and function an operation travels to, and its gas until something is learned.
Promises  effects are proven per operation, from events with our own hashes or from the recorded hashes.
Leaves    the bytes to `tasks.batches`, the meaning of reverts to `tasks.verdicts`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from eth_utils.crypto import keccak

from headrace.chain.abi_codec import Undecodable, decode_values
from headrace.core.operation import Operation
from headrace.core.ports import Call, Effect, GasGuess, InCommon, Judgement, Seen
from headrace.core.words import Address, Receipt, Revert, Verdict
from headrace.workloads.tasks import batches, effects, verdicts
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, Payload

NAME: Final = "tasks"
BATCH_PARTIAL_FAILURE: Final = keccak(text="BatchPartialFailure((uint256,bytes32,bytes)[])")[:4]
ALL_TASK_HASHES: Final = keccak(text="allTaskHashes(bytes32)")[:4]
ALL_TASK_RESPONSES: Final = keccak(text="allTaskResponses(bytes32)")[:4]

# Without their calldata (core.gas.GAS_PER_BYTE each). Measured on anvil osaka, plus a tenth: the first batches
# have a limit that is too high, never one that is too low. From then on receipts teach.
ITEM_GAS: Final = {CREATE: 40_000, RESPOND: 175_000, CREATE_AND_RESPOND: 195_000}
# Where the batch contract has all signatures checked together (docs/decisions/0020).
TOGETHER_ITEM_GAS: Final = {RESPOND: 72_000, CREATE_AND_RESPOND: 98_000}
# Of the shortest item, measured in batches of 2 to 83, plus a twentieth. A batch whose bytes are mostly zeros,
# which cost less than core.gas counts for them, teaches less; the next may have none.
CREATE_ITEM_GAS_LEAST: Final = 24_000
TOGETHER_ITEM_GAS_LEAST: Final = {RESPOND: 70_000, CREATE_AND_RESPOND: 94_000}
# The last only for what was accepted while there was a batch contract: turning that off must not lose it.
SINGLE_GAS: Final = {CREATE: 45_000, RESPOND: 200_000, CREATE_AND_RESPOND: 220_000}
BATCH_OVERHEAD_GAS: Final = 85_000  # 21,000, the first and cold reads of the registry, a first non-signer
BATCH_OVERHEAD_GAS_LEAST: Final = 40_000  # without a non-signer: what is taken off where a receipt teaches
SINGLE_OVERHEAD_GAS: Final = 30_000
# What a receipt is taken to say of that: less than there is. A long intent is zeros for the most part: its bytes
# cost less than a short one's. Alone in its transaction, a short create that learned from a long one ran dry.
SINGLE_OVERHEAD_GAS_LEAST: Final = 21_000
# That check, of all together. A batch of one does without, and must not teach that an item costs next to nothing.
TOGETHER_GAS: Final = 130_000
TOGETHER_GAS_LEAST: Final = 55_000
# For each further set of signers in a batch a pair of the pairing and a sum of its own; and the registry is asked
# who they are, for each reference block anew. Measured with up to 5 sets of 4 operators, 80 items and 4 blocks.
SIGNERS_GAS: Final = 95_000
SIGNERS_AT_GAS: Final = 22_000
# BatchTaskManager keeps this beside the item's own gas when it starts the last one, to record what failed: 30,000
# and half a gas per byte of calldata, of which there are at most 128 KiB.
RECORDING_GAS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContracts:
    """`batch` None: straight to TaskManager, one operation a transaction. `item_gas`: what BatchTaskManager lets
    an item use. `strict_only`: that batch contract has no try forms (the source's own does not)."""

    task_manager: Address
    batch: Address | None
    item_gas: int = 0
    strict_only: bool = False
    most_per_transaction: int = 120


class Tasks:
    """Implements core.ports.Workload. `read_revert` decodes revert data by the task contracts' errors."""

    def __init__(self, contracts: TaskContracts, *, read_revert: Callable[[bytes], Revert]) -> None:
        self._contracts, self._read_revert = contracts, read_revert

    @property
    def name(self) -> str:
        return NAME

    @property
    def forms(self) -> Sequence[str]:
        return tuple(SINGLE_GAS) if self._contracts.batch is None else tuple(ITEM_GAS)

    @property
    def most_per_transaction(self) -> int:
        return 1 if self._contracts.batch is None else self._contracts.most_per_transaction

    @property
    def strict_only(self) -> bool:
        return self._contracts.strict_only or self._contracts.batch is None

    @property
    def in_turn(self) -> Collection[str]:
        return ()

    def call(self, form: str, operations: Sequence[Operation], *, strict: bool) -> Call:
        payloads = [Payload.unpack(o.payload) for o in operations]
        if self._contracts.batch is None:
            (payload,) = payloads
            return Call(self._contracts.task_manager, batches.single_calldata(form, payload))
        data = batches.batch_calldata(form, payloads, strict=strict or self._contracts.strict_only)
        return Call(self._contracts.batch, data)

    def size(self, operation: Operation) -> int:
        return batches.item_bytes(operation.form, Payload.unpack(operation.payload))

    def gas_guess(self, form: str) -> GasGuess:
        if self._contracts.batch is None:
            return GasGuess(
                per_transaction=SINGLE_OVERHEAD_GAS,
                per_transaction_least=SINGLE_OVERHEAD_GAS_LEAST,
                per_item=SINGLE_GAS[form],
                tail=0,
            )
        tail = self._contracts.item_gas + RECORDING_GAS
        if form == CREATE or self._contracts.strict_only:
            return GasGuess(
                per_transaction=BATCH_OVERHEAD_GAS,
                per_transaction_least=BATCH_OVERHEAD_GAS_LEAST,
                per_item=ITEM_GAS[form],
                # The others' is known of our own batch contract only.
                per_item_least=CREATE_ITEM_GAS_LEAST if form == CREATE else 0,
                tail=tail,
            )
        return GasGuess(
            per_transaction=BATCH_OVERHEAD_GAS + TOGETHER_GAS,
            per_transaction_least=BATCH_OVERHEAD_GAS + TOGETHER_GAS_LEAST,
            per_item=TOGETHER_ITEM_GAS[form],
            per_item_least=TOGETHER_ITEM_GAS_LEAST[form],
            tail=tail,
        )

    def in_common(self, operation: Operation) -> Sequence[InCommon]:
        """Who signed, and as of which block."""
        if operation.form == CREATE or self._contracts.batch is None or self._contracts.strict_only:
            return ()
        payload = Payload.unpack(operation.payload)
        signers = payload.non_signers()
        block = payload.created_block().to_bytes(8, "big")
        return (InCommon(signers, SIGNERS_GAS), InCommon(signers + block, SIGNERS_AT_GAS))

    def read_revert(self, data: bytes) -> Revert:
        return self._read_revert(data)

    def failures(self, revert: Revert, count: int) -> Mapping[int, Revert] | None:
        if revert.selector != BATCH_PARTIAL_FAILURE:
            # A batch may be older than the settings: where several travelled it was no single call.
            return {0: revert} if self._contracts.batch is None and count == 1 else None
        try:
            (items,) = decode_values(["(uint256,bytes32,bytes)[]"], revert.data[4:])
        except Undecodable:
            return None  # cut short on its way, for one
        failed = {index: self._read_revert(reason) for index, _, reason in items}
        return failed if failed and all(index < count for index in failed) else None

    def refuses_all(self, revert: Revert) -> bool:
        return verdicts.refuses_all(revert)

    def effects(self, operations: Sequence[Operation], receipt: Receipt, *, called: Address) -> Sequence[Seen]:
        logs = effects.read_logs(receipt, task_manager=self._contracts.task_manager, batch_contract=called)
        items = [(o.form, o.subject, Payload.unpack(o.payload)) for o in operations]
        return effects.seen_in(logs, items, self._read_revert)

    def questions(self, operation: Operation, revert: Revert) -> Sequence[Call]:
        payload = Payload.unpack(operation.payload)
        if verdicts.needs_recorded_response(operation.form, payload, revert):
            return [self._ask(ALL_TASK_RESPONSES, operation)]
        return []

    def judge(self, operation: Operation, revert: Revert, answers: Sequence[bytes]) -> Judgement:
        judgement = verdicts.judge(operation.form, Payload.unpack(operation.payload), revert, answers)
        if (
            judgement.verdict is Verdict.WAIT
            and revert.name == "TaskMismatch"
            and operation.form != operation.kind
        ):
            # It went on as respond-only, and then a reorg took the task away: it can create that itself.
            return replace(judgement, form=operation.kind)
        return judgement

    def probe(self, operation: Operation) -> Sequence[Call]:
        return [self._ask(ALL_TASK_HASHES, operation), self._ask(ALL_TASK_RESPONSES, operation)]

    def probed(self, operation: Operation, answers: Sequence[bytes]) -> Seen | Judgement:
        task, response = answers
        payload = Payload.unpack(operation.payload)
        if task == verdicts.NOTHING:
            return Seen(Effect.UNSEEN)
        if task != payload.task_hash():
            return Judgement(Verdict.CONFLICT, "another task has this id")
        if operation.kind == CREATE or response == payload.response_hash():
            return Seen(Effect.DONE)
        if response != verdicts.NOTHING:
            return Judgement(Verdict.CONFLICT, "another response to this task is recorded")
        return Judgement(Verdict.WAIT, "the task is recorded without its response: respond only", form=RESPOND)

    def _ask(self, selector: bytes, operation: Operation) -> Call:
        return Call(self._contracts.task_manager, selector + operation.subject)
