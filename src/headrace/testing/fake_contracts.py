"""The task contracts as Python objects: the same calls, checks, errors, events and gas rules as the Solidity ones.

Owns      what TaskManager, BatchTaskManager, OperatorRegistry and a policy client answer and record.
Promises  checks in the contracts' order with the contracts' errors; a batch item is all or nothing, and gets what
          the 63/64 rule leaves it; state lives in the world alone, so that reverts and reorgs undo it.
Leaves    signatures: there is no BLS here. Signature data counts as good if it is 128 bytes and does not begin
          with 0xff. Settings are fields of the objects, to be changed by the test, not by the owner's calls.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from headrace.core.words import Address
from headrace.testing import task_abi as abi
from headrace.testing.fake_world import FakeRevert, Frame
from headrace.testing.task_abi import error

_ZERO: Final = "0x" + "00" * 20
_SIGNATURE_BYTES: Final = 128
_CHECKS_GAS: Final = 9_000  # of one task or response, beside what is counted by itself
_SIGNATURE_GAS: Final = 118_000  # EIP-2537: two points mapped, one pairing check
_TOGETHER_GAS: Final = 120_000  # the one pairing of a batch, and asking who signs
_TOGETHER_EACH_GAS: Final = 20_000  # two points mapped, and multiplied by a factor
_BYTE_GAS: Final = 3  # copying and hashing a body


@dataclass(slots=True)
class FakeRegistry:
    """Who may record tasks."""

    generators: set[Address] = field(default_factory=set)
    code: bytes = b"\xfe registry"

    def run(self, frame: Frame, data: bytes) -> bytes:
        if data[:4] != abi.selector("isTaskGenerator(address)"):
            raise FakeRevert
        frame.burn(2_100)
        (account,) = abi.arguments("isTaskGenerator(address)", data)
        return _word(_raw(account) in self.generators)


@dataclass(slots=True)
class FakePolicyClient:
    """`policy` None: a contract that is no policy client. `burns`: gas its answers cost."""

    policy: bytes | None
    burns: int = 0
    code: bytes = b"\xfe policy client"

    def run(self, frame: Frame, data: bytes) -> bytes:
        frame.burn(500 + self.burns)
        if self.policy is None or data[:4] != abi.selector("policyId()"):
            raise FakeRevert
        return self.policy


@dataclass(slots=True)
class FakeTaskManager:
    """`item_burns`: gas that a task of this id costs beyond the usual (to make one run dry)."""

    registry: Address
    creation_window: int = 64
    response_window: int = 128
    item_burns: Mapping[bytes, int] = field(default_factory=dict)
    code: bytes = b"\xfe task manager"

    def run(self, frame: Frame, data: bytes) -> bytes:
        called = data[:4]
        if called == abi.selector(abi.TASK_HASHES):
            return frame.load(b"task" + data[4:36]) or bytes(32)
        if called == abi.selector(abi.TASK_RESPONSES):
            return frame.load(b"response" + data[4:36]) or bytes(32)
        if called == abi.selector("taskCreationBufferWindow()"):
            return _word(self.creation_window)
        if called == abi.selector("taskResponseWindowBlock()"):
            return _word(self.response_window)
        if called == abi.selector("registry()"):
            return bytes(12) + self.registry
        _, allowed = frame.call(self.registry, abi.selector("isTaskGenerator(address)") + bytes(12) + frame.sender)
        if int.from_bytes(allowed, "big") != 1:
            raise error("OnlyTaskGenerator()")
        if called == abi.selector(abi.CREATE):
            (task,) = abi.arguments(abi.CREATE, data)
            self._create(frame, task)
        elif called == abi.selector(abi.RESPOND):
            task, response, signature_data = abi.arguments(abi.RESPOND, data)
            existing = frame.load(b"response" + task[0])
            if existing is not None:
                raise error("TaskAlreadyResponded(bytes32)", existing)
            task_hash = _hash(frame, abi.TASK, task)
            recorded = frame.load(b"task" + task[0]) or bytes(32)
            if recorded != task_hash:
                raise error("TaskMismatch(bytes32,bytes32)", recorded, task_hash)
            self._respond(frame, task, response, signature_data)
        elif called == abi.selector(abi.CREATE_AND_RESPOND):
            task, response, signature_data = abi.arguments(abi.CREATE_AND_RESPOND, data)
            self._create(frame, task)
            self._respond(frame, task, response, signature_data)
        else:
            raise FakeRevert
        return b""

    def _create(self, frame: Frame, task: Any) -> None:
        task_id, client, created, threshold, intent, *_ = task
        quorum_numbers = task[7]
        number = frame.block.number
        frame.burn(_CHECKS_GAS + self.item_burns.get(task_id, 0))
        if task_id == bytes(32):
            raise error("InvalidTaskId()")
        existing = frame.load(b"task" + task_id)
        if existing is not None:
            raise error("TaskAlreadyExists(bytes32)", existing)
        if _ZERO in (intent[0], intent[1]):
            raise error("InvalidIntent()")
        if quorum_numbers != b"\x00":
            raise error("InvalidQuorumNumbers(bytes)", quorum_numbers[:32])
        if not 1 <= threshold <= 100:
            raise error("InvalidQuorumThreshold(uint32)", threshold)
        if created == 0:
            raise error("InvalidTaskCreatedBlock()")
        if created >= number:
            raise error("TaskCreatedBlockInFuture()")
        if number - created > self.creation_window:
            raise error("TaskCreatedBlockTooOld()")
        if client == _ZERO:
            raise error("InvalidPolicyClient()")
        _policy_of(frame, _raw(client))
        task_hash = _hash(frame, abi.TASK, task)
        frame.store(b"task" + task_id, task_hash)
        frame.emit((abi.TASK_CREATED, task_id, bytes(12) + _raw(client)), task_hash)

    def _respond(self, frame: Frame, task: Any, response: Any, signature_data: bytes) -> None:
        task_id, client, created, _, intent, *_ = task
        number = frame.block.number
        frame.burn(_CHECKS_GAS)
        if (response[0], response[1], response[3]) != (task_id, client, _hash(frame, abi.INTENT, intent)):
            raise error("TaskResponseMismatch()")
        if number >= created + self.response_window:
            raise error("TaskResponseTooLate(uint32,uint32,uint32)", created, self.response_window, number)
        if response[5] < number:
            raise error("TaskResponseExpired(uint32,uint32)", response[5], number)
        policy = _policy_of(frame, _raw(client))
        if policy not in (None, response[2]):
            raise error("PolicyMismatch(bytes32,bytes32)", policy, response[2])
        if len(signature_data) != _SIGNATURE_BYTES:
            raise error("InvalidSignatureLength(uint256)", len(signature_data))
        if created >= number:
            raise error("InvalidReferenceBlocknumber()")
        if signature_data not in frame.proven:
            frame.burn(_SIGNATURE_GAS)
            if signature_data[0] == 0xFF:
                raise error("InvalidBLSSignature()")
        response_hash = _hash(frame, abi.RESPONSE, response)
        frame.store(b"response" + task_id, response_hash)
        frame.emit((abi.TASK_RESPONDED, task_id), response_hash)


@dataclass(slots=True)
class FakeBatchTaskManager:
    """`callers`: its owner and those it authorised. `item_gas`: the most that one item may use."""

    task_manager: Address
    callers: Collection[Address]
    item_gas: int = 450_000
    code: bytes = b"\xfe batch task manager"

    def run(self, frame: Frame, data: bytes) -> bytes:
        called = data[:4]
        if called == abi.selector("itemGas()"):
            return _word(self.item_gas)
        if called == abi.selector("taskManager()"):
            return bytes(12) + self.task_manager
        if called == abi.selector("isAuthorized(address)"):
            return _word(Address(data[16:36]) in self.callers)
        if called not in _FORMS:
            raise FakeRevert
        batch, one, strict = _FORMS[called]
        if frame.sender not in self.callers:
            raise error("Unauthorized()")
        lists = abi.arguments(batch, data)
        if len({len(items) for items in lists}) > 1:
            raise error("ArrayLengthMismatch()")
        if not lists[0]:
            raise error("EmptyBatch()")
        calls = [
            (item[0][0], abi.selector(one) + encode(abi.split_types(one), item))
            for item in zip(*lists, strict=True)
        ]
        if one != abi.CREATE:
            self._prove_together(frame, lists[2], calldata_bytes=len(data))
        failures = self._run_items(frame, calls, calldata_bytes=len(data), strict=strict)
        if strict and failures:
            raise error(abi.PARTIAL_FAILURE, failures)
        return b""

    def _prove_together(self, frame: Frame, signature_datas: list[bytes], *, calldata_bytes: int) -> None:
        """As the batch contract has TaskManager do it, without the call itself."""
        count = len(signature_datas)
        needed = 150_000 + 50_000 * count + self.item_gas + self.item_gas // 63 + 20_000 + 10_000 * count
        if count < 2 or frame.gas_left < needed + 9 * calldata_bytes // 2:
            return
        frame.burn(_TOGETHER_GAS + _TOGETHER_EACH_GAS * count)
        frame.proven.update(data for data in signature_datas if len(data) == _SIGNATURE_BYTES and data[0] != 0xFF)

    def _run_items(
        self, frame: Frame, calls: list[tuple[bytes, bytes]], *, calldata_bytes: int, strict: bool
    ) -> list[tuple[int, bytes, bytes]]:
        failures: list[tuple[int, bytes, bytes]] = []
        starved = False
        for index, (task_id, call) in enumerate(calls):
            before = frame.gas_left
            to_finish = 20_000 + calldata_bytes // 2 + 10_000 * (len(calls) - index)
            starved = starved or before < self.item_gas + self.item_gas // 63 + to_finish
            if starved:
                reason = abi.error_data("InsufficientGasForItem(uint256,bytes32,uint256)", index, task_id, before)
            else:
                frame.burn(_BYTE_GAS * len(call))
                ok, reason = frame.call(self.task_manager, call, gas_max=self.item_gas)
                if ok:
                    continue
                spent = before - frame.gas_left
                if not reason and spent >= self.item_gas - self.item_gas // 16:
                    reason = abi.error_data(
                        "ItemLikelyOutOfGas(uint256,bytes32,uint256)", index, task_id, self.item_gas
                    )
            failures.append((index, task_id, reason[:512]))
            if not strict:
                topics = (abi.ITEM_FAILED, index.to_bytes(32, "big"), task_id)
                frame.emit(topics, encode(["bytes"], [reason[:512]]))
        return failures


# Per selector: the batch call, the call of one item, and whether it is the strict form.
_FORMS: Final = {
    abi.selector(batch): (batch, one, strict)
    for batch, one, strict in (
        (abi.BATCH_CREATE, abi.CREATE, True),
        (abi.BATCH_RESPOND, abi.RESPOND, True),
        (abi.BATCH_CREATE_AND_RESPOND, abi.CREATE_AND_RESPOND, True),
        (abi.TRY_CREATE, abi.CREATE, False),
        (abi.TRY_RESPOND, abi.RESPOND, False),
        (abi.TRY_CREATE_AND_RESPOND, abi.CREATE_AND_RESPOND, False),
    )
}


def _policy_of(frame: Frame, client: Address) -> bytes | None:
    """None: an address without code, which is taken as it is."""
    if client not in frame.contracts:
        return None
    ok, answer = frame.call(client, abi.selector("policyId()"), gas_max=30_000)
    if not ok or len(answer) < 32:
        raise error("InterfaceNotSupported()")
    return answer


def _hash(frame: Frame, type: str, value: object) -> bytes:
    encoded = encode([type], [value])
    frame.burn(_BYTE_GAS * len(encoded))
    return keccak(encoded)


def _word(number: int) -> bytes:
    return int(number).to_bytes(32, "big")


def _raw(address: str) -> Address:
    return Address(bytes.fromhex(address[2:]))
