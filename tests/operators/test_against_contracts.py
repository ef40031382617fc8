"""Operators, aggregator and the real contracts on a real chain: what we certify, TaskManager accepts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from headrace.attest.possession import possession_digest, prove_possession
from headrace.chain.artifacts import load
from headrace.core.words import Address, BlockNumber
from headrace.operators.aggregator import Aggregator, Certificate, Member
from headrace.operators.clients import InProcessOperator
from headrace.operators.operator import Operator
from headrace.operators.policies import Policies, Policy
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.clock import HandClock
from headrace.testing.rpc_client import RpcRefused
from headrace.workloads.tasks.encoding import RESPONSE, TASK
from headrace.workloads.tasks.structs import Task, TaskResponse, attestation_digest
from operators.builders import KEYS, POLICY, address_of, make_task, with_

STAKES = (40, 30, 20, 10)


@dataclass
class Contracts:
    """The deployed contracts, spoken to from anvil's first account, which owns them and generates tasks."""

    anvil: Anvil
    registry: Address
    task_manager: Address
    client: Address

    async def send(self, to: Address | None, data: bytes) -> dict[str, Any]:
        """Raises RpcRefused with the revert's data."""
        fields = {"from": f"0x{self.anvil.keys[0].address.hex()}", "data": f"0x{data.hex()}", "gas": hex(2**24)}
        if to is not None:
            fields["to"] = f"0x{to.hex()}"
            await self.anvil.rpc.ask("eth_call", fields, "latest")
        hash = await self.anvil.rpc.ask("eth_sendTransaction", fields)
        await self.anvil.mine()
        receipt: dict[str, Any] = await self.anvil.rpc.ask("eth_getTransactionReceipt", hash)
        assert receipt["status"] == "0x1", receipt
        return receipt

    async def deploy(self, name: str, *arguments: object) -> Address:
        receipt = await self.send(None, load(name).init_code(*arguments))
        return Address(bytes.fromhex(receipt["contractAddress"][2:]))

    async def ask(self, to: Address, signature: str, *arguments: object) -> bytes:
        call = {"to": f"0x{to.hex()}", "data": f"0x{calldata(signature, *arguments).hex()}"}
        return bytes.fromhex((await self.anvil.rpc.ask("eth_call", call, "latest"))[2:])

    async def reference_block(self) -> BlockNumber:
        """The head, and one block on it: a call sees the head's own number, and a task's block must be below."""
        head = BlockNumber(int(await self.anvil.rpc.ask("eth_blockNumber"), 16))
        await self.anvil.mine()
        return head


def calldata(signature: str, *arguments: object) -> bytes:
    """`name(types)`; structs as ABI-encoded tuples would have them."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + (encode(split(types), arguments) if arguments else b"")


def split(types: str) -> list[str]:
    found, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def fields(struct: Task | TaskResponse, kind: str) -> object:
    return decode([kind], struct.abi())[0]


@pytest.fixture
async def contracts() -> AsyncIterator[Contracts]:
    nothing = Address(bytes(20))
    async with start_anvil() as anvil:
        contracts = Contracts(anvil, nothing, nothing, nothing)
        owner = anvil.keys[0].address
        contracts.registry = await contracts.deploy("OperatorRegistry", owner)
        contracts.task_manager = await contracts.deploy("TaskManager", contracts.registry, owner)
        contracts.client = await contracts.deploy("PolicyClient", keccak(text=POLICY))
        await contracts.send(contracts.registry, calldata("addTaskGenerator(address)", owner))
        for index, stake in enumerate(STAKES):
            possession = prove_possession(
                KEYS[index], chain=anvil.chain, registry=contracts.registry, operator=address_of(index)
            )
            public_key = KEYS[index].public_key.to_bytes()
            register = "registerOperator(address,bytes,uint96,bytes)"
            await contracts.send(
                contracts.registry, calldata(register, address_of(index), public_key, stake, possession)
            )
        await anvil.mine(2)
        yield contracts


def aggregator_of(contracts: Contracts, *indexes: int) -> Aggregator:
    """All four are members; only these have the policy, the others refuse to sign for lack of it."""
    policy = Policy.of(client=contracts.client, name="test", expression=POLICY, expire_after_blocks=50)
    members = [
        Member(
            index=index,
            address=address_of(index),
            public_key=KEYS[index].public_key.to_bytes(),
            stake=stake,
            client=InProcessOperator(
                Operator(
                    key=KEYS[index],
                    address=address_of(index),
                    chain=contracts.anvil.chain,
                    task_manager=contracts.task_manager,
                    policies=Policies([policy] if index in indexes else []),
                )
            ),
        )
        for index, stake in enumerate(STAKES)
    ]
    return Aggregator(members, chain=contracts.anvil.chain, task_manager=contracts.task_manager, clock=HandClock())


async def certify(contracts: Contracts, task: Task, *indexes: int) -> Certificate:
    aggregator = aggregator_of(contracts, *indexes)
    certificate = await aggregator.collect(task, deadline=aggregator._clock.now() + 30)
    aggregator.close()
    assert isinstance(certificate, Certificate)
    return certificate


async def respond(contracts: Contracts, task: Task, certificate: Certificate, signature_data: bytes) -> None:
    respond = calldata(
        f"respondToTask({TASK},{RESPONSE},bytes)",
        fields(task, TASK),
        fields(certificate.response, RESPONSE),
        signature_data,
    )
    await contracts.send(contracts.task_manager, respond)


def selector(error: str) -> str:
    return f"0x{keccak(text=error)[:4].hex()}"


async def test_the_contract_accepts_what_the_operators_certify(contracts: Contracts) -> None:
    base = with_(make_task(), policy_client=contracts.client)
    for number, signers in enumerate([(0, 1, 2, 3), (0, 1), (0, 2, 3)], start=1):
        task = with_(base, task_id=number.to_bytes(32, "big"), created_block=await contracts.reference_block())
        await contracts.send(contracts.task_manager, calldata(f"createNewTask({TASK})", fields(task, TASK)))
        assert await contracts.ask(contracts.task_manager, "allTaskHashes(bytes32)", task.task_id) == task.hash()
        certificate = await certify(contracts, task, *signers)
        assert await contracts.ask(
            contracts.task_manager,
            f"attestationDigest({TASK},{RESPONSE})",
            fields(task, TASK),
            fields(certificate.response, RESPONSE),
        ) == attestation_digest(
            chain=contracts.anvil.chain,
            task_manager=contracts.task_manager,
            task_hash=task.hash(),
            response_hash=certificate.response_hash,
        )
        await respond(contracts, task, certificate, certificate.signature_data)
        recorded = await contracts.ask(contracts.task_manager, "allTaskResponses(bytes32)", task.task_id)
        assert recorded == certificate.response_hash


async def test_the_contract_refuses_a_changed_certificate(contracts: Contracts) -> None:
    task = with_(make_task(), policy_client=contracts.client, created_block=await contracts.reference_block())
    await contracts.send(contracts.task_manager, calldata(f"createNewTask({TASK})", fields(task, TASK)))
    certificate = await certify(contracts, task, 0, 1)
    signature, bitmap = certificate.signature_data[:96], certificate.signature_data[96:]
    assert bitmap == (0b1100).to_bytes(32, "big")
    for changed, error in (
        (signature + bytes(32), "InvalidBLSSignature()"),
        (signature + (0b1000).to_bytes(32, "big"), "InvalidBLSSignature()"),
        (signature + (0b1110).to_bytes(32, "big"), "InsufficientQuorumStake()"),
        (signature, "InvalidSignatureLength(uint256)"),
    ):
        with pytest.raises(RpcRefused) as refused:
            await respond(contracts, task, certificate, changed)
        assert str(refused.value.data).startswith(selector(error))
    await respond(contracts, task, certificate, certificate.signature_data)


async def test_a_removed_operator_is_no_member_any_more(contracts: Contracts) -> None:
    await contracts.send(contracts.registry, calldata("removeOperator(address)", address_of(3)))
    await contracts.anvil.mine(1)
    task = with_(
        make_task(threshold=100), policy_client=contracts.client, created_block=await contracts.reference_block()
    )
    await contracts.send(contracts.task_manager, calldata(f"createNewTask({TASK})", fields(task, TASK)))
    aggregator = aggregator_of(contracts, 0, 1, 2)
    members = [
        Member(
            index=member.index,
            address=member.address,
            public_key=member.public_key,
            stake=member.stake if member.index != 3 else 0,
            client=member.client,
        )
        for member in aggregator.members
    ]
    aggregator.replace_members(members, task.created_block)
    certificate = await aggregator.collect(task, deadline=aggregator._clock.now() + 30)
    aggregator.close()
    assert isinstance(certificate, Certificate)
    await respond(contracts, task, certificate, certificate.signature_data)


async def test_the_registry_asks_for_the_possession_that_we_prove(contracts: Contracts) -> None:
    key = KEYS[9]
    wire = key.public_key.to_bytes()
    digest = possession_digest(
        chain=contracts.anvil.chain,
        registry=contracts.registry,
        operator=address_of(9),
        public_key=key.public_key,
    )
    asked = await contracts.ask(contracts.registry, "possessionDigest(address,bytes)", address_of(9), wire)
    assert asked == digest
    others = prove_possession(
        KEYS[8], chain=contracts.anvil.chain, registry=contracts.registry, operator=address_of(9)
    )
    register = "registerOperator(address,bytes,uint96,bytes)"
    with pytest.raises(RpcRefused) as refused:
        await contracts.send(contracts.registry, calldata(register, address_of(9), wire, 1, others))
    assert str(refused.value.data).startswith(selector("OperatorRegistry_InvalidPossession()"))
