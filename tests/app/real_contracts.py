"""The project's own contracts on a real chain, with one operator whose signatures are real."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from headrace.attest import bls
from headrace.attest.possession import prove_possession
from headrace.core.words import Address
from headrace.testing.anvil import Anvil

INTENT = "(address,address,uint256,bytes,uint256,bytes)"
TASK = f"(bytes32,address,uint32,uint32,{INTENT},bytes,bytes,bytes,uint256)"
RESPONSE = "(bytes32,address,bytes32,bytes32,bytes,uint32)"
BATCH = f"tryBatchCreateAndRespondToTasks({TASK}[],{RESPONSE}[],bytes[])"
ATTESTATION = keccak(
    text="HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
)


@dataclass(frozen=True)
class RealContracts:
    anvil: Anvil
    operator: bls.SecretKey
    registry: bytes
    task_manager: bytes
    batch_task_manager: bytes

    async def record(self, ids: list[bytes], *, badly_signed: frozenset[bytes] = frozenset()) -> bytes:
        """Creates and responds to tasks in one transaction, keeping what succeeds. Returns its hash."""
        reference = await self.anvil.height()
        tasks, responses, signatures = [], [], []
        for id_ in ids:
            intent = (b"\x0a" * 20, b"\x0b" * 20, 1, b"\x12\x34", 31337, b"f()")
            task = (id_, b"\x0c" * 20, reference, 67, intent, b"", b"", b"\x00", 1)
            response = (
                id_,
                b"\x0c" * 20,
                bytes(32),
                keccak(encode([INTENT], [intent])),
                b"\x01",
                reference + 1_000,
            )
            hashes = [keccak(encode([TASK], [task])), keccak(encode([RESPONSE], [response]))]
            if id_ in badly_signed:
                hashes.reverse()
            digest = keccak(
                encode(
                    ["bytes32", "uint256", "address", "bytes32", "bytes32"],
                    [ATTESTATION, 31337, self.task_manager, *hashes],
                )
            )
            tasks.append(task)
            responses.append(response)
            signatures.append(bls.sign(self.operator, digest) + bytes(32))
        data = encode([f"{TASK}[]", f"{RESPONSE}[]", "bytes[]"], [tasks, responses, signatures])
        return await _send(self.anvil, self.batch_task_manager, keccak(text=BATCH)[:4] + data)


async def deploy_real_contracts(anvil: Anvil) -> RealContracts:
    """Mines a few blocks to do it."""
    owner = anvil.keys[0].address
    registry = await _deploy(anvil, "OperatorRegistry", encode(["address"], [owner]))
    task_manager = await _deploy(anvil, "TaskManager", encode(["address", "address"], [registry, owner]))
    batch = await _deploy(anvil, "BatchTaskManager", encode(["address", "address"], [task_manager, owner]))
    await _send(anvil, registry, keccak(text="addTaskGenerator(address)")[:4] + encode(["address"], [batch]))
    key = bls.SecretKey.generate()
    operator = anvil.keys[1].address
    proof = prove_possession(key, chain=anvil.chain, registry=Address(registry), operator=operator)
    await _send(
        anvil,
        registry,
        keccak(text="registerOperator(address,bytes,uint96,bytes)")[:4]
        + encode(["address", "bytes", "uint96", "bytes"], [operator, key.public_key.to_bytes(), 100, proof]),
    )
    await anvil.mine(2)
    return RealContracts(anvil, key, registry, task_manager, batch)


async def _deploy(anvil: Anvil, name: str, arguments: bytes) -> bytes:
    artifact = json.loads(resources.files("headrace.chain").joinpath("artifacts", f"{name}.json").read_text())
    bytecode = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    hash_ = await _send(anvil, None, bytecode + arguments)
    await anvil.mine()
    receipt: dict[str, Any] = await anvil.rpc.ask("eth_getTransactionReceipt", "0x" + hash_.hex())
    assert receipt["status"] == "0x1", name
    return bytes.fromhex(receipt["contractAddress"][2:])


async def _send(anvil: Anvil, to: bytes | None, data: bytes) -> bytes:
    transaction = {"from": "0x" + anvil.keys[0].address.hex(), "data": "0x" + data.hex(), "gas": hex(12_000_000)}
    if to is not None:
        transaction["to"] = "0x" + to.hex()
    return bytes.fromhex((await anvil.rpc.ask("eth_sendTransaction", transaction))[2:])
