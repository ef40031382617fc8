"""`core.ports.Node` on JSON-RPC endpoints.

Owns      the questions we ask of a node, and the forms of its answers.
Promises  what is not a clean answer is NodeTrouble, never a guess; `send` never raises it.
Leaves    which endpoint answers to `chain.endpoints`, node text to `chain.replies`.

Endpoints of one chain may be a block apart: after a fail-over the head may go back, and a block just seen may be
unknown. Callers treat both as a reorg or as trouble that passes. What a node can do (block receipts, block
overrides) is found out once, of whichever endpoint answers: endpoints of one chain should be of one kind.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from headrace.chain import simulation
from headrace.chain.endpoints import Endpoints, RpcError
from headrace.chain.hexes import (
    Malformed,
    address_text,
    data_text,
    keccak,
    quantity_text,
    read_data,
    read_quantity,
    shown,
)
from headrace.chain.log_reading import LogReading
from headrace.chain.receipts import items, read_block, read_receipt
from headrace.chain.replies import (
    read_reply,
    says_no_such_method,
    says_reverted,
    says_unknown_block,
    says_wrong_arguments,
)
from headrace.core.ports import Call, NodeTrouble, Ran, Returned, Reverted
from headrace.core.ports.logs import FoundLog, TopicFilter
from headrace.core.words import (
    Address,
    Block,
    BlockHash,
    BlockNumber,
    ChainId,
    Nonce,
    Receipt,
    Reply,
    TxHash,
)

log = logging.getLogger(__name__)

_REVERT_DEPTH_MAX: Final = 4
_NO_STATE_OVERRIDES: Final[Mapping[str, object]] = {}  # they stand between the block and its overrides
_RETURNS_NUMBER: Final = bytes.fromhex("4360005260206000f3")  # NUMBER, MSTORE at 0, RETURN 32 bytes
_PROBED_NUMBER: Final = 0xB10C_0000


class RpcNode:
    """One chain. Fits `core.ports.logs.LogNode`; `estimate_gas` and `tip_wei` come on top."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._log_reading = LogReading(endpoints.ask)
        self._knows_block_receipts: bool | None = None  # not asked yet
        self._knows_overrides: bool | None = None  # not asked yet
        self._runs_in_turn: bool | None = None  # not asked yet

    async def chain_id(self) -> ChainId:
        return ChainId(await self._quantity("eth_chainId"))

    async def send(self, raw: bytes) -> tuple[Reply, str]:
        expected = keccak(raw)
        try:
            answer = await self._endpoints.ask("eth_sendRawTransaction", data_text(raw))
        except NodeTrouble as trouble:
            return Reply.UNSURE, str(trouble)
        except RpcError as error:
            return read_reply(error.message, error.code), str(error)
        if answer != data_text(expected):
            return (
                Reply.UNSURE,
                f"the node answered {shown(answer)}, the transaction's hash is {data_text(expected)}",
            )
        return Reply.IN_POOL, "accepted"

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
        params: list[object] = [
            _transaction(to=to, data=data, sender=sender, gas=gas),
            "latest" if as_of is None else quantity_text(as_of),
        ]
        overrides: dict[str, object] = {}
        if in_block is not None:
            overrides["number"] = quantity_text(in_block)
        if timestamp is not None:
            overrides["time"] = quantity_text(timestamp)
        if overrides and await self._overrides_work():
            params += [_NO_STATE_OVERRIDES, overrides]
        elif overrides and as_of is None:
            params[-1] = "pending"  # the nearest thing: the block that the node would make now
        elif overrides:
            raise NodeTrouble("eth_call: this node knows no block overrides, and it is asked about an older state")
        try:
            answer = await self._endpoints.ask("eth_call", *params)
        except RpcError as error:
            return _read_revert("eth_call", error)
        return Returned(_clean("eth_call", answer))

    async def can_run_in_turn(self) -> bool:
        """Whether there is an eth_simulateV1 that does what `run_in_turn` needs. Found out once. Raises
        NodeTrouble where nobody answered."""
        if self._runs_in_turn is None:
            head = await self.head()
            in_block = BlockNumber(head.number + 1)
            try:
                answer = await self._endpoints.ask(
                    simulation.METHOD, *simulation.probe(in_block=in_block, timestamp=head.timestamp + 1)
                )
                self._runs_in_turn = simulation.passes_probe(answer, in_block=in_block)
            except (RpcError, Malformed) as refusal:
                log.info("%s is not used: %s", simulation.METHOD, refusal)
                self._runs_in_turn = False
        return self._runs_in_turn

    async def run_in_turn(
        self, calls: Sequence[Call], *, sender: Address, gas: int, in_block: BlockNumber, timestamp: int
    ) -> Sequence[Ran] | None:
        if not await self.can_run_in_turn():
            return None
        asked = simulation.question(calls, sender=sender, gas=gas, in_block=in_block, timestamp=timestamp)
        try:
            return simulation.read_answer(await self._endpoints.ask(simulation.METHOD, *asked), count=len(calls))
        except RpcError as error:
            # Too much gas for its taste, a block that has moved on: no reason not to ask another time.
            self._runs_in_turn = not says_no_such_method(error.message, error.code)
            log.info("%s did not help: %s", simulation.METHOD, error)
        except Malformed as error:
            self._runs_in_turn = False
            log.warning("%s is not used any more, its answer cannot be read: %s", simulation.METHOD, error)
        return None

    async def estimate_gas(self, *, sender: Address, to: Address | None, data: bytes) -> int | Reverted:
        """Gas of one transaction as it would run on the latest state. `to` None creates a contract. Not for
        batches: a node runs the transaction some twenty times for one answer."""
        try:
            answer = await self._endpoints.ask(
                "eth_estimateGas", _transaction(to=to, data=data, sender=sender, gas=None)
            )
        except RpcError as error:
            return _read_revert("eth_estimateGas", error)
        return _clean_quantity("eth_estimateGas", answer)

    async def tip_wei(self) -> int:
        """What the node suggests as priority fee now."""
        return await self._quantity("eth_maxPriorityFeePerGas")

    async def head(self) -> Block:
        block = await self._block("latest")
        if block is None:
            raise NodeTrouble("eth_getBlockByNumber: the node knows no latest block")
        return block

    async def block(self, number: BlockNumber) -> Block | None:
        return await self._block(quantity_text(number))

    async def receipts(self, block: BlockHash) -> Sequence[Receipt] | None:
        if self._knows_block_receipts is not False:
            try:
                answer = await self._endpoints.ask("eth_getBlockReceipts", data_text(block))
            except RpcError as error:
                if says_unknown_block(error.message, error.code):
                    return None
                if not says_no_such_method(error.message, error.code):
                    raise NodeTrouble(f"eth_getBlockReceipts: {error}") from error
                self._knows_block_receipts = False
            else:
                self._knows_block_receipts = True
                return _read_block_receipts(answer, block)
        return await self._receipts_one_by_one(block)

    async def receipt(self, hash: TxHash) -> Receipt | None:
        answer = await self._ask("eth_getTransactionReceipt", data_text(hash))
        # Some nodes give a receipt of a pending transaction, without a block: it is not mined.
        if answer is None or (isinstance(answer, Mapping) and answer.get("blockHash") is None):
            return None
        try:
            receipt = read_receipt(answer)
        except Malformed as error:
            raise NodeTrouble(f"eth_getTransactionReceipt: {error}") from error
        if receipt.transaction != hash:
            raise NodeTrouble(
                f"eth_getTransactionReceipt: asked for {data_text(hash)}, "
                f"got that of {data_text(receipt.transaction)}"
            )
        return receipt

    async def logs(
        self, *, address: Address, topics: TopicFilter, first: BlockNumber, last: BlockNumber
    ) -> Sequence[FoundLog]:
        found = await self._log_reading.logs(address=address, topics=topics, first=first, last=last)
        # A node that is behind answers for the blocks that it has, and says nothing of the others.
        if await self.block(last) is None:
            raise NodeTrouble(f"eth_getLogs: the node does not have block {last} (yet)")
        return found

    async def nonces(self, account: Address) -> tuple[Nonce, Nonce]:
        text = address_text(account)
        latest = await self._quantity("eth_getTransactionCount", text, "latest")
        pending = await self._quantity("eth_getTransactionCount", text, "pending")
        return Nonce(latest), Nonce(pending)

    async def nonce_after(self, account: Address, block: BlockNumber) -> Nonce:
        text = address_text(account)
        return Nonce(await self._quantity("eth_getTransactionCount", text, quantity_text(block)))

    async def balance(self, account: Address) -> int:
        return await self._quantity("eth_getBalance", address_text(account), "latest")

    async def code(self, account: Address) -> bytes:
        return _clean("eth_getCode", await self._ask("eth_getCode", address_text(account), "latest"))

    async def close(self) -> None:
        await self._endpoints.close()

    # ---- How we ask

    async def _ask(self, method: str, *params: object) -> object:
        try:
            return await self._endpoints.ask(method, *params)
        except RpcError as error:
            raise NodeTrouble(f"{method}: {error}") from error

    async def _quantity(self, method: str, *params: object) -> int:
        return _clean_quantity(method, await self._ask(method, *params))

    async def _block(self, which: str) -> Block | None:
        try:
            answer = await self._endpoints.ask("eth_getBlockByNumber", which, False)
        except RpcError as error:
            if says_unknown_block(error.message, error.code):
                return None
            raise NodeTrouble(f"eth_getBlockByNumber: {error}") from error
        if answer is None:
            return None
        try:
            return read_block(answer)
        except Malformed as error:
            raise NodeTrouble(f"eth_getBlockByNumber: {error}") from error

    async def _overrides_work(self) -> bool:
        """Found out once: a node may refuse them, or take no notice."""
        if self._knows_overrides is None:
            probe: tuple[object, ...] = ({"data": data_text(_RETURNS_NUMBER)}, "latest", _NO_STATE_OVERRIDES)
            try:
                answer = await self._endpoints.ask("eth_call", *probe, {"number": quantity_text(_PROBED_NUMBER)})
            except RpcError as error:
                if not says_wrong_arguments(error.message, error.code):
                    raise NodeTrouble(f"eth_call with block overrides: {error}") from error
                answer = None
            self._knows_overrides = answer == data_text(_PROBED_NUMBER.to_bytes(32))
        return self._knows_overrides

    async def _receipts_one_by_one(self, block: BlockHash) -> Sequence[Receipt] | None:
        answer = await self._ask("eth_getBlockByHash", data_text(block), False)
        if answer is None:
            return None
        try:
            hashes = [
                TxHash(read_data(text, f"block.transactions[{index}]", size=32))
                for index, text in enumerate(items(_field(answer, "transactions"), "block.transactions"))
            ]
        except Malformed as error:
            raise NodeTrouble(f"eth_getBlockByHash: {error}") from error
        receipts = []
        for tx_hash in hashes:
            receipt = await self.receipt(tx_hash)
            if receipt is None or receipt.block_hash != block:
                return None  # uncled while we asked
            receipts.append(receipt)
        return receipts


def _transaction(*, to: Address | None, data: bytes, sender: Address | None, gas: int | None) -> dict[str, str]:
    fields = {"data": data_text(data)}
    if to is not None:
        fields["to"] = address_text(to)
    if sender is not None:
        fields["from"] = address_text(sender)
    if gas is not None:
        fields["gas"] = quantity_text(gas)
    return fields


def _read_block_receipts(answer: object, block: BlockHash) -> Sequence[Receipt] | None:
    if answer is None:
        return None
    try:
        receipts = [
            read_receipt(value, f"receipts[{index}]") for index, value in enumerate(items(answer, "receipts"))
        ]
    except Malformed as error:
        raise NodeTrouble(f"eth_getBlockReceipts: {error}") from error
    for receipt in receipts:
        if receipt.block_hash != block:
            raise NodeTrouble(
                f"eth_getBlockReceipts: asked for block {data_text(block)}, "
                f"got receipts of {data_text(receipt.block_hash)}"
            )
    return receipts


def _read_revert(method: str, error: RpcError) -> Reverted:
    """Raises NodeTrouble where the error is not the EVM's."""
    found = _revert_data(error.data, depth=0)
    if found is not None and (found or says_reverted(error.message, error.code)):
        return Reverted(found)
    if says_reverted(error.message, error.code):
        return Reverted(b"")
    raise NodeTrouble(f"{method}: {error}") from error


def _revert_data(value: object, *, depth: int) -> bytes | None:
    """Nodes put it into error.data itself, into error.data.data or into error.data.result; nethermind's and
    openethereum's older form has the word "Reverted" in front."""
    if isinstance(value, str):
        try:
            return read_data(value.removeprefix("Reverted "), "error.data")
        except Malformed:
            return None
    if isinstance(value, Mapping) and depth < _REVERT_DEPTH_MAX:
        for key in ("data", "result", "originalError"):
            if (found := _revert_data(value.get(key), depth=depth + 1)) is not None:
                return found
    return None


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _clean(method: str, answer: object) -> bytes:
    try:
        return read_data(answer, "result")
    except Malformed as error:
        raise NodeTrouble(f"{method}: {error}") from error


def _clean_quantity(method: str, answer: object) -> int:
    try:
        return read_quantity(answer, "result")
    except Malformed as error:
        raise NodeTrouble(f"{method}: {error}") from error
