"""The fakes play the same scenes as the real thing: same calls, same answers.

On one side anvil, behind the strict proxy, with the compiled contracts and real BLS signatures; on the other the
fake chain with the fake contracts at the same addresses.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode

from headrace.attest import bls
from headrace.attest.possession import prove_possession
from headrace.core.ports import Returned, Reverted
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.testing import task_abi as abi
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.builders import POLICY, Builder
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_contracts import FakeBatchTaskManager, FakePolicyClient, FakeRegistry, FakeTaskManager
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import TestKey, keys_from_mnemonic
from headrace.testing.rpc_client import RpcClient, RpcRefused, open_rpc
from headrace.testing.strict_proxy import start_strict_proxy
from headrace.workloads.tasks.structs import Task, TaskResponse, attestation_digest
from testing.signing import GWEI, hexed, signed
from testing.test_fake_contracts import batch_call, response_value, single_call, task_value

CHAIN = ChainId(31337)
GAS = 12_000_000
ETHER = 10**18
Item = tuple[Task, TaskResponse, bytes]


class Real:
    """The real chain, as a lane sees it."""

    def __init__(self, anvil: Anvil, rpc: RpcClient) -> None:
        self.anvil, self.rpc, self.lane = anvil, rpc, anvil.keys[0]
        self.nonce = 0

    async def send(self, to: Address | None, data: bytes) -> dict[str, Any]:
        raw = signed(self.lane, self.nonce, to=to or b"", data=data, gas=GAS)
        tx_hash = await self.rpc.ask("eth_sendRawTransaction", hexed(raw))
        self.nonce += 1
        await self.anvil.mine()
        receipt: dict[str, Any] = await self.rpc.ask("eth_getTransactionReceipt", tx_hash)
        return receipt

    async def deploy(self, name: str, types: list[str], *values: Any) -> Address:
        artifact = json.loads((files("headrace.chain") / "artifacts" / f"{name}.json").read_text())
        receipt = await self.send(None, bytes.fromhex(artifact["bytecode"][2:]) + encode(types, values))
        assert receipt["status"] == "0x1", name
        return Address(bytes.fromhex(receipt["contractAddress"][2:]))

    async def do(self, to: Address, signature: str, *values: Any) -> None:
        receipt = await self.send(to, single_call(signature, *values))
        assert receipt["status"] == "0x1", signature

    async def call(self, to: Address, data: bytes, in_block: int) -> Returned | Reverted:
        call = {"from": hexed(self.lane.address), "to": hexed(to), "data": hexed(data), "gas": hex(GAS)}
        try:
            answer = await self.rpc.ask("eth_call", call, "latest", {}, {"number": hex(in_block)})
        except RpcRefused as refused:
            assert isinstance(refused.data, str), refused
            return Reverted(bytes.fromhex(refused.data[2:]))
        return Returned(bytes.fromhex(answer[2:]))


@dataclass
class Stage:
    real: Real
    fake: FakeNode
    manager: Address
    batch: Address
    client: Address
    no_client: Address  # has code, and is no policy client
    operators: list[bls.SecretKey]
    builder: Builder

    @property
    def next_block(self) -> int:
        return self.fake.chain.head.number + 1

    def item(self, *, data_bytes: int = 68, expire_block: int | None = None) -> Item:
        task = self.builder.task(created_block=self.next_block - 2, data_bytes=data_bytes)
        response = self.builder.response(task, expire_block=expire_block)
        return task, response, self.certificate(task, response)

    def certificate(self, task: Task, response: TaskResponse) -> bytes:
        digest = attestation_digest(
            chain=CHAIN, task_manager=self.manager, task_hash=task.hash(), response_hash=response.hash()
        )
        return bls.aggregate_signatures(bls.sign(key, digest) for key in self.operators) + bytes(32)

    async def same_call(self, to: Address, data: bytes) -> Returned | Reverted:
        real = await self.real.call(to, data, self.next_block)
        fake = await self.fake.call(
            to=to, data=data, sender=self.real.lane.address, gas=GAS, in_block=BlockNumber(self.next_block)
        )
        assert fake == real
        return fake

    async def same_transaction(self, to: Address, data: bytes) -> list[tuple[Any, ...]]:
        """Answers with the logs."""
        raw = signed(self.real.lane, self.real.nonce, to=to, data=data, gas=GAS)
        assert self.fake.chain.offer(raw) is None
        real = await self.real.send(to, data)
        self.fake.mine()
        (receipt,) = self.fake.chain.blocks[-1].receipts
        assert receipt.ok is (real["status"] == "0x1")
        assert hexed(receipt.transaction) == real["transactionHash"]
        assert receipt.block == int(real["blockNumber"], 16)
        logs = [
            (
                Address(bytes.fromhex(log["address"][2:])),
                tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
                bytes.fromhex(log["data"][2:]),
            )
            for log in real["logs"]
        ]
        assert [(log.address, log.topics, log.data) for log in receipt.logs] == logs
        # Plausible gas, not exact: a plan that holds here must hold there.
        assert 0.6 < receipt.gas_used / int(real["gasUsed"], 16) < 1.6
        return logs


@contextlib.asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    async with (
        start_anvil() as anvil,
        start_strict_proxy(anvil.http_url) as proxy,
        open_rpc(proxy.http_url) as rpc,
    ):
        real = Real(anvil, rpc)
        lane = real.lane.address
        registry = await real.deploy("OperatorRegistry", ["address"], lane)
        manager = await real.deploy("TaskManager", ["address", "address"], registry, lane)
        batch = await real.deploy("BatchTaskManager", ["address", "address"], manager, lane)
        client = await real.deploy("PolicyClient", ["bytes32"], POLICY)
        operators = [bls.SecretKey.from_bytes(bytes(31) + bytes([7 + i])) for i in range(3)]
        for i, key in enumerate(operators):
            operator = Address(bytes([i + 1]) * 20)
            proof = prove_possession(key, chain=CHAIN, registry=registry, operator=operator)
            register = "registerOperator(address,bytes,uint96,bytes)"
            await real.do(registry, register, operator, key.public_key.to_bytes(), 100, proof)
        for generator in (batch, lane):
            await real.do(registry, "addTaskGenerator(address)", generator)
        await anvil.mine()
        chain = FakeChain(
            balances={lane: 1_000 * ETHER},
            contracts={
                registry: FakeRegistry({batch, lane}),
                manager: FakeTaskManager(registry),
                batch: FakeBatchTaskManager(manager, {lane}),
                client: FakePolicyClient(POLICY),
            },
        )
        chain.mine(await anvil.height())
        chain.world.set_nonce(lane, type(chain.world.nonce(lane))(real.nonce))
        builder = Builder(5, policy_client=client)
        yield Stage(real, FakeNode(chain), manager, batch, client, registry, operators, builder)


# ---- The contracts


async def test_the_fake_contracts_say_and_record_what_the_real_ones_do() -> None:
    async with open_stage() as s:
        good = [s.item(data_bytes=size) for size in (0, 68, 500)]
        combined = batch_call(abi.BATCH_CREATE_AND_RESPOND, good)
        assert await s.same_call(s.batch, combined) == Returned(b"")
        logs = await s.same_transaction(s.batch, batch_call(abi.TRY_CREATE_AND_RESPOND, good))
        assert len(logs) == 6
        for task, response, _ in good:
            for view, expected in ((abi.TASK_HASHES, task.hash()), (abi.TASK_RESPONSES, response.hash())):
                answer = await s.same_call(s.manager, abi.selector(view) + task.task_id)
                assert answer == Returned(expected)
        # Again: each is refused for what is there.
        for form in (abi.BATCH_CREATE, abi.BATCH_RESPOND, abi.BATCH_CREATE_AND_RESPOND):
            assert isinstance(await s.same_call(s.batch, batch_call(form, good)), Reverted)
        # Separate: create, then respond.
        item = s.item()
        await s.same_transaction(s.batch, batch_call(abi.TRY_CREATE, [item]))
        await s.same_transaction(s.batch, batch_call(abi.TRY_RESPOND, [item, good[0]]))
        # Straight to the task manager, the one-at-a-time way.
        alone = s.item()
        await s.same_transaction(s.manager, single_call(abi.CREATE, task_value(alone[0])))
        respond = single_call(abi.RESPOND, task_value(alone[0]), response_value(alone[1]), alone[2])
        await s.same_transaction(s.manager, respond)


async def test_the_fake_contracts_refuse_with_the_real_ones_words_in_the_real_ones_order() -> None:
    async with open_stage() as s:
        base, _, _ = s.item()
        nowhere = Address(bytes(20))
        odd_tasks = [
            replace(base, task_id=bytes(32)),
            replace(base, task_id=bytes(32), quorum_numbers=b""),
            replace(base, intent=replace(base.intent, from_=nowhere)),
            replace(base, intent=replace(base.intent, to=nowhere), threshold_percent=0),
            replace(base, quorum_numbers=b""),
            replace(base, quorum_numbers=b"\x01" * 40),
            replace(base, quorum_numbers=b"\x00\x00", threshold_percent=0),
            replace(base, threshold_percent=0),
            replace(base, threshold_percent=101, created_block=BlockNumber(0)),
            replace(base, created_block=BlockNumber(0)),
            replace(base, created_block=BlockNumber(s.next_block)),
            replace(base, created_block=BlockNumber(s.next_block + 9), policy_client=nowhere),
            replace(base, policy_client=nowhere),
            replace(base, policy_client=s.no_client),
            replace(base, policy_client=s.builder.address()),
            base,
        ]
        for task in odd_tasks:
            await s.same_call(s.manager, single_call(abi.CREATE, task_value(task)))
        task, response, signature = item = s.item()
        await s.same_transaction(s.batch, batch_call(abi.TRY_CREATE, [item]))
        odd_responses = [
            (task, replace(response, task_id=bytes(31) + b"\x01"), signature),
            (task, replace(response, policy_client=nowhere), signature),
            (task, replace(response, intent_hash=bytes(32)), signature),
            (task, replace(response, expire_block=BlockNumber(s.next_block - 1)), signature),
            (task, replace(response, policy_id=bytes(32)), signature),
            (task, response, signature[:-1]),
            (task, response, b"\xff" + signature[1:]),
            (replace(task, wasm_args=b"else"), response, signature),
            (base, s.builder.response(base), signature),
            item,
        ]
        for odd in odd_responses:
            values = (task_value(odd[0]), response_value(odd[1]), odd[2])
            await s.same_call(s.manager, single_call(abi.RESPOND, *values))
        await s.same_call(s.batch, batch_call(abi.BATCH_RESPOND, odd_responses))
        fresh = s.item()
        mixed = [item, fresh, (fresh[0], fresh[1], b""), s.item()]
        answer = await s.same_call(s.batch, batch_call(abi.BATCH_CREATE_AND_RESPOND, mixed))
        assert isinstance(answer, Reverted)
        (failed,) = decode(["(uint256,bytes32,bytes)[]"], answer.data[4:])
        assert [index for index, _, _ in failed] == [0, 2]
        await s.same_transaction(s.batch, batch_call(abi.TRY_CREATE_AND_RESPOND, mixed))
        await s.same_transaction(s.batch, batch_call(abi.BATCH_CREATE_AND_RESPOND, [item]))


async def test_batches_that_are_no_batches_and_windows_that_are_over() -> None:
    async with open_stage() as s:
        first, second = s.item(expire_block=10_000), s.item()
        await s.same_transaction(s.batch, batch_call(abi.TRY_CREATE, [first]))
        await s.same_call(s.batch, batch_call(abi.BATCH_CREATE, []))
        await s.same_call(s.batch, single_call(abi.BATCH_RESPOND, [task_value(first[0])], [], []))
        await s.same_call(s.batch, single_call(abi.TRY_RESPOND, [], [], [b""]))
        for blocks in (63, 1, 62, 1):
            await s.real.anvil.mine(blocks)
            s.fake.mine(blocks)
            await s.same_call(s.batch, batch_call(abi.BATCH_CREATE, [second]))
            await s.same_call(s.batch, batch_call(abi.BATCH_RESPOND, [first]))


# ---- The chain


async def test_the_fake_chain_mines_what_the_real_one_mines() -> None:
    """The same transactions, offered in the same order: same answers, same order in the blocks, same receipts."""
    keys = keys_from_mnemonic("test test test test test test test test test test test junk", 3)
    async with (
        start_anvil(base_fee_wei=GWEI, gas_limit=10_000_000, accounts=3) as anvil,
        start_strict_proxy(anvil.http_url) as proxy,
        open_rpc(proxy.http_url) as rpc,
    ):
        chain = FakeChain(
            balances={key.address: 10_000 * ETHER for key in keys}, gas_limit=10_000_000, base_fee_wei=GWEI
        )
        chain.set_next_base_fee(GWEI)  # anvil's first block has the base fee of its genesis
        for offered in scenes(keys):
            for raw in offered:
                refusal = chain.offer(raw)
                try:
                    await rpc.ask("eth_sendRawTransaction", hexed(raw))
                    assert refusal is None
                except RpcRefused as refused:
                    assert refusal is not None
                    # Not the numbers: anvil does not tell them all.
                    assert refusal.message.split(":")[0] == refused.message.split(":")[0]
                    assert refusal.code == refused.code
            await anvil.mine()
            chain.mine()
            await assert_same_head(chain, rpc, keys)
        await anvil.mine(3)
        chain.mine(3)
        await assert_same_head(chain, rpc, keys)
        await anvil.reorg(2)
        chain.reorg(2, forget=True)
        # Anvil's base fee goes on from the blocks that were replaced.
        await assert_same_head(chain, rpc, keys, base_fee=False)


def scenes(keys: tuple[TestKey, ...]) -> list[list[bytes]]:
    a, b, c = keys
    dearer = {"maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": 3 * GWEI}
    return [
        [
            signed(a, 0),
            signed(a, 0),
            signed(a, 0, value=1),
            signed(b, 0, value=7),
            signed(a, 1, gas=2**24 + 1),
            signed(a, 1, gas=10_000_001),
            signed(a, 2),
            signed(c, 0, value=10_000 * ETHER),
            signed(c, 0, gas=20_000),
            signed(c, 0, data=b"\xff" * 1_000, gas=60_000),
        ],
        [
            signed(a, 0),
            signed(a, 1),
            signed(b, 1, **dearer),  # in both fees: anvil goes by the max fee, not by the tip
            signed(c, 0, data=b"\x01" * 150_000, gas=7_000_000),
            signed(c, 0, data=b"\x01" * 100_000, gas=7_000_000),
        ],
        [signed(a, 3), signed(a, 3, **dearer), signed(a, 3), signed(c, 1, data=b"\x01" * 100_000, gas=7_000_000)],
        [],
    ]


async def assert_same_head(
    chain: FakeChain, rpc: RpcClient, keys: tuple[TestKey, ...], *, base_fee: bool = True
) -> None:
    block = await rpc.ask("eth_getBlockByNumber", "latest", False)
    head, content = chain.head, chain.blocks[-1]
    assert int(block["number"], 16) == head.number
    assert block["transactions"] == [hexed(transaction.hash) for transaction in content.transactions]
    assert int(block["gasUsed"], 16) == head.gas_used
    if base_fee:
        assert int(block["baseFeePerGas"], 16) == head.base_fee_wei
    for receipt in content.receipts:
        real = await rpc.ask("eth_getTransactionReceipt", hexed(receipt.transaction))
        assert int(real["status"], 16) == receipt.ok
        assert int(real["gasUsed"], 16) == receipt.gas_used
        assert int(real["effectiveGasPrice"], 16) == receipt.gas_price_wei
    for key in keys:
        for tag, nonce in (
            ("latest", chain.world.nonce(key.address)),
            ("pending", chain.pool.next_nonce(key.address, chain.world)),
        ):
            assert int(await rpc.ask("eth_getTransactionCount", hexed(key.address), tag), 16) == nonce
        assert int(await rpc.ask("eth_getBalance", hexed(key.address), "latest"), 16) == chain.world.balance(
            key.address
        )
