from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from headrace.core.ports import Returned, Reverted
from headrace.core.words import Address, BlockNumber, Receipt
from headrace.testing import task_abi as abi
from headrace.testing.builders import (
    BATCH_TASK_MANAGER,
    POLICY_CLIENT,
    TASK_MANAGER,
    Builder,
    TaskChain,
    fake_task_chain,
)
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.workloads.tasks.structs import Task, TaskResponse
from testing.signing import signed

LANE, STRANGER = keys_from_seed(9, 2)
B = Builder(1)
GAS = 16_000_000


def task_value(task: Task) -> Any:
    return decode([abi.TASK], task.abi())[0]


def response_value(response: TaskResponse) -> Any:
    return decode([abi.RESPONSE], response.abi())[0]


Item = tuple[Task, TaskResponse, bytes]


def item(**changes: Any) -> Item:
    task = B.task(**changes)
    return task, B.response(task), B.signature_data()


def batch_call(form: str, items: Sequence[Item]) -> bytes:
    lists: list[Any] = [[task_value(task) for task, _, _ in items]]
    if "Respond" in form:
        lists += [[response_value(response) for _, response, _ in items], [data for _, _, data in items]]
    return abi.selector(form) + encode(abi.split_types(form), lists)


def single_call(form: str, *values: Any) -> bytes:
    return abi.selector(form) + encode(abi.split_types(form), values)


class Setting:
    def __init__(self, **other: Any) -> None:
        self.contracts: TaskChain = fake_task_chain([LANE.address], **other)
        self.chain = self.contracts.chain
        self.node = FakeNode(self.chain)
        self.chain.mine(3)

    def send(self, data: bytes, *, gas: int = GAS, to: Address = BATCH_TASK_MANAGER) -> Receipt:
        raw = signed(LANE, self.chain.world.nonce(LANE.address), to=to, data=data, gas=gas)
        refusal = self.chain.offer(raw)
        assert refusal is None, refusal
        self.chain.mine()
        (receipt,) = self.chain.blocks[-1].receipts
        return receipt

    async def simulate(
        self, data: bytes, *, to: Address = BATCH_TASK_MANAGER, sender: Address = LANE.address, gas: int = GAS
    ) -> Returned | Reverted:
        number = BlockNumber(self.chain.head.number + 1)
        return await self.node.call(to=to, data=data, sender=sender, gas=gas, in_block=number)

    async def recorded(self, task: Task) -> tuple[bytes, bytes]:
        answers = []
        for view in (abi.TASK_HASHES, abi.TASK_RESPONSES):
            answer = await self.node.call(to=TASK_MANAGER, data=abi.selector(view) + task.task_id)
            assert isinstance(answer, Returned)
            answers.append(answer.data)
        return answers[0], answers[1]


def failures(answer: Returned | Reverted) -> list[tuple[int, bytes, bytes]]:
    assert isinstance(answer, Reverted)
    assert answer.data[:4].hex() == "19ed9977"
    return list(decode(["(uint256,bytes32,bytes)[]"], answer.data[4:])[0])


def failed_events(receipt: Receipt) -> dict[int, bytes]:
    return {
        int.from_bytes(log.topics[1], "big"): decode(["bytes"], log.data)[0]
        for log in receipt.logs
        if log.topics[0] == abi.ITEM_FAILED
    }


# ---- Selectors that the outside world relies on


def test_selectors_are_those_of_the_source_document() -> None:
    assert abi.error_data("TaskAlreadyExists(bytes32)", bytes(32))[:4].hex() == "2e98c533"
    assert abi.error_data("TaskAlreadyResponded(bytes32)", bytes(32))[:4].hex() == "68905dff"
    assert abi.selector(abi.PARTIAL_FAILURE).hex() == "19ed9977"
    assert abi.selector("InsufficientGasForItem(uint256,bytes32,uint256)").hex() == "06dfb451"
    assert abi.selector("ItemLikelyOutOfGas(uint256,bytes32,uint256)").hex() == "b52cd890"


# ---- Batches


async def test_a_combined_batch_records_tasks_and_responses_with_their_events() -> None:
    s = Setting()
    items = [item() for _ in range(3)]
    assert await s.simulate(batch_call(abi.BATCH_CREATE_AND_RESPOND, items)) == Returned(b"")
    receipt = s.send(batch_call(abi.TRY_CREATE_AND_RESPOND, items))
    assert receipt.ok
    assert not failed_events(receipt)
    assert 450_000 < receipt.gas_used < 800_000
    for task, response, _ in items:
        assert await s.recorded(task) == (task.hash(), response.hash())
    logs = [(log.address, log.topics, log.data) for log in receipt.logs]
    first, answer, _ = items[0]
    client = bytes(12) + POLICY_CLIENT
    assert logs[0] == (TASK_MANAGER, (abi.TASK_CREATED, first.task_id, client), first.hash())
    assert logs[1] == (TASK_MANAGER, (abi.TASK_RESPONDED, first.task_id), answer.hash())


async def test_the_strict_form_does_nothing_when_one_item_fails_and_names_all_that_do() -> None:
    s = Setting()
    good, late, bad = item(), item(created_block=50), item()
    bad = (bad[0], bad[1], B.signature_data(good=False))
    call = batch_call(abi.BATCH_CREATE_AND_RESPOND, [good, late, bad])
    found = failures(await s.simulate(call))
    assert found == [
        (1, late[0].task_id, abi.error_data("TaskCreatedBlockInFuture()")),
        (2, bad[0].task_id, abi.error_data("InvalidBLSSignature()")),
    ]
    receipt = s.send(call)
    assert not receipt.ok
    assert receipt.logs == ()
    assert await s.recorded(good[0]) == (bytes(32), bytes(32))


async def test_the_try_form_commits_the_rest_and_an_item_is_all_or_nothing() -> None:
    s = Setting()
    good, bad = item(), item()
    bad = (bad[0], bad[1], B.signature_data(good=False))
    receipt = s.send(batch_call(abi.TRY_CREATE_AND_RESPOND, [bad, good]))
    assert receipt.ok
    assert failed_events(receipt) == {0: abi.error_data("InvalidBLSSignature()")}
    assert await s.recorded(bad[0]) == (bytes(32), bytes(32))
    assert await s.recorded(good[0]) == (good[0].hash(), good[1].hash())


async def test_create_and_respond_in_separate_batches() -> None:
    s = Setting()
    items = [item() for _ in range(2)]
    assert s.send(batch_call(abi.TRY_CREATE, items)).ok
    assert s.send(batch_call(abi.TRY_RESPOND, items[:1])).ok
    assert await s.recorded(items[0][0]) == (items[0][0].hash(), items[0][1].hash())
    assert await s.recorded(items[1][0]) == (items[1][0].hash(), bytes(32))
    again = failures(await s.simulate(batch_call(abi.BATCH_RESPOND, items)))
    assert again == [(0, items[0][0].task_id, abi.error_data("TaskAlreadyResponded(bytes32)", items[0][1].hash()))]
    twice = failures(await s.simulate(batch_call(abi.BATCH_CREATE, items)))
    assert [reason[:4].hex() for _, _, reason in twice] == ["2e98c533", "2e98c533"]


async def test_two_items_of_one_task_cannot_stand_together() -> None:
    s = Setting()
    one = item()
    found = failures(await s.simulate(batch_call(abi.BATCH_CREATE_AND_RESPOND, [one, one])))
    assert found == [(1, one[0].task_id, abi.error_data("TaskAlreadyExists(bytes32)", one[0].hash()))]


async def test_only_authorised_callers_and_whole_batches() -> None:
    s = Setting()
    good = batch_call(abi.BATCH_CREATE, [item()])
    assert await s.simulate(good, sender=STRANGER.address) == Reverted(abi.error_data("Unauthorized()"))
    assert await s.simulate(batch_call(abi.BATCH_CREATE, [])) == Reverted(abi.error_data("EmptyBatch()"))
    task = task_value(B.task())
    uneven = single_call(abi.BATCH_RESPOND, [task], [], [])
    assert await s.simulate(uneven) == Reverted(abi.error_data("ArrayLengthMismatch()"))
    assert await s.simulate(abi.selector(abi.BATCH_CREATE) + b"garbage") == Reverted(b"")
    assert await s.simulate(b"\x01\x02\x03\x04") == Reverted(b"")
    s.contracts.registry.generators.clear()
    found = failures(await s.simulate(good))
    assert [reason for _, _, reason in found] == [abi.error_data("OnlyTaskGenerator()")]


# ---- Gas


async def test_when_gas_runs_low_the_rest_is_not_tried_and_what_was_done_stays() -> None:
    s = Setting()
    items = [item() for _ in range(5)]
    receipt = s.send(batch_call(abi.TRY_CREATE_AND_RESPOND, items), gas=1_000_000)
    assert receipt.ok
    failed = failed_events(receipt)
    assert sorted(failed) == [2, 3, 4]
    for index, reason in failed.items():
        named_index, task_id, gas_left = decode(["uint256", "bytes32", "uint256"], reason[4:])
        assert reason[:4].hex() == "06dfb451"
        assert (named_index, task_id) == (index, items[index][0].task_id)
        assert gas_left < 600_000
    assert await s.recorded(items[1][0]) == (items[1][0].hash(), items[1][1].hash())


async def test_an_item_that_runs_dry_is_named_so_and_costs_its_neighbours_nothing() -> None:
    hungry = item()
    s = Setting(item_burns={hungry[0].task_id: 10_000_000})
    items = [item(), hungry, item()]
    receipt = s.send(batch_call(abi.TRY_CREATE_AND_RESPOND, items))
    assert receipt.ok
    (reason,) = failed_events(receipt).values()
    assert reason[:4].hex() == "b52cd890"
    assert decode(["uint256", "bytes32", "uint256"], reason[4:]) == (1, hungry[0].task_id, 450_000)
    assert receipt.gas_used > 450_000
    assert await s.recorded(items[2][0]) == (items[2][0].hash(), items[2][1].hash())


async def test_a_transaction_without_gas_for_the_loop_itself_fails_with_no_words() -> None:
    s = Setting()
    one = item()
    call = batch_call(abi.TRY_CREATE_AND_RESPOND, [one])
    burned = s.send(single_call(abi.CREATE, task_value(one[0])), gas=60_000, to=TASK_MANAGER)
    assert (burned.ok, burned.gas_used) == (False, 60_000)
    assert await s.simulate(call, gas=20_000) == Reverted(b"")


# ---- What reorgs do to it


async def test_a_reorg_undoes_what_contracts_recorded_and_old_states_stay_readable() -> None:
    s = Setting()
    one = item()
    s.send(batch_call(abi.TRY_CREATE_AND_RESPOND, [one]))
    height = s.chain.head.number
    assert await s.recorded(one[0]) == (one[0].hash(), one[1].hash())
    before = await s.node.call(
        to=TASK_MANAGER, data=abi.selector(abi.TASK_HASHES) + one[0].task_id, as_of=BlockNumber(height - 1)
    )
    assert before == Returned(bytes(32))
    s.chain.reorg(1)
    assert await s.recorded(one[0]) == (bytes(32), bytes(32))
    s.chain.mine()
    assert await s.recorded(one[0]) == (one[0].hash(), one[1].hash())


async def test_a_call_leaves_no_trace() -> None:
    s = Setting()
    one = item()
    await s.simulate(batch_call(abi.TRY_CREATE_AND_RESPOND, [one]))
    assert await s.recorded(one[0]) == (bytes(32), bytes(32))


# ---- Each check of the task manager, with its own error


def spoiled(task: Task, **intent: Any) -> Task:
    return replace(task, intent=replace(task.intent, **intent))


NOWHERE = Address(bytes(20))
T = B.task()


@pytest.mark.parametrize(
    ("task", "signature", "values"),
    [
        (replace(T, task_id=bytes(32)), "InvalidTaskId()", ()),
        (spoiled(T, from_=NOWHERE), "InvalidIntent()", ()),
        (spoiled(T, to=NOWHERE), "InvalidIntent()", ()),
        (replace(T, quorum_numbers=b""), "InvalidQuorumNumbers(bytes)", (b"",)),
        (replace(T, quorum_numbers=b"\x01" * 40), "InvalidQuorumNumbers(bytes)", (b"\x01" * 32,)),
        (replace(T, threshold_percent=0), "InvalidQuorumThreshold(uint32)", (0,)),
        (replace(T, threshold_percent=101), "InvalidQuorumThreshold(uint32)", (101,)),
        (replace(T, created_block=BlockNumber(0)), "InvalidTaskCreatedBlock()", ()),
        (replace(T, created_block=BlockNumber(4)), "TaskCreatedBlockInFuture()", ()),
        (replace(T, policy_client=NOWHERE), "InvalidPolicyClient()", ()),
    ],
)
async def test_a_wrong_task_is_refused_with_its_own_error(task: Task, signature: str, values: Any) -> None:
    s = Setting()
    answer = await s.simulate(single_call(abi.CREATE, task_value(task)), to=TASK_MANAGER)
    assert answer == Reverted(abi.error_data(signature, *values))


async def test_windows_close_to_the_block() -> None:
    s = Setting()
    task = B.task(created_block=1)
    response = B.response(task, expire_block=1_000)
    create = single_call(abi.CREATE, task_value(task))
    s.chain.mine(65 - s.chain.head.number - 1)  # the next block is 65
    assert await s.simulate(create, to=TASK_MANAGER) == Returned(b"")
    s.send(create, to=TASK_MANAGER)
    late = single_call(abi.CREATE, task_value(B.task(created_block=1)))
    assert await s.simulate(late, to=TASK_MANAGER) == Reverted(abi.error_data("TaskCreatedBlockTooOld()"))
    respond = single_call(abi.RESPOND, task_value(task), response_value(response), B.signature_data())
    s.chain.mine(128 - s.chain.head.number - 1)
    assert await s.simulate(respond, to=TASK_MANAGER) == Returned(b"")
    s.chain.mine()
    too_late = abi.error_data("TaskResponseTooLate(uint32,uint32,uint32)", 1, 128, 129)
    assert await s.simulate(respond, to=TASK_MANAGER) == Reverted(too_late)


async def test_a_wrong_response_is_refused_with_its_own_error() -> None:
    s = Setting()
    task = B.task()
    s.send(single_call(abi.CREATE, task_value(task)), to=TASK_MANAGER)
    good = B.response(task)

    async def answer(response: TaskResponse, data: bytes = B.signature_data(), of: Task = task) -> bytes:
        call = single_call(abi.RESPOND, task_value(of), response_value(response), data)
        result = await s.simulate(call, to=TASK_MANAGER)
        assert isinstance(result, Reverted)
        return result.data

    mismatch = abi.error_data("TaskResponseMismatch()")
    assert await answer(replace(good, task_id=bytes(31) + b"\x01")) == mismatch
    assert await answer(replace(good, policy_client=B.address())) == mismatch
    assert await answer(replace(good, intent_hash=bytes(32))) == mismatch
    expired = abi.error_data("TaskResponseExpired(uint32,uint32)", 4, 5)
    assert await answer(replace(good, expire_block=BlockNumber(4))) == expired
    other_policy = abi.error_data("PolicyMismatch(bytes32,bytes32)", good.policy_id, b"\x01" * 32)
    assert await answer(replace(good, policy_id=b"\x01" * 32)) == other_policy
    assert await answer(good, b"short") == abi.error_data("InvalidSignatureLength(uint256)", 5)
    assert await answer(good, B.signature_data(good=False)) == abi.error_data("InvalidBLSSignature()")
    changed = replace(task, wasm_args=b"else")
    wrong = abi.error_data("TaskMismatch(bytes32,bytes32)", task.hash(), changed.hash())
    assert await answer(good, of=changed) == wrong
    unknown = B.task()
    missing = abi.error_data("TaskMismatch(bytes32,bytes32)", bytes(32), unknown.hash())
    assert await answer(B.response(unknown), of=unknown) == missing


async def test_a_client_with_code_must_be_a_policy_client_and_one_without_is_taken() -> None:
    s = Setting()
    no_code = replace(B.task(), policy_client=B.address())
    assert await s.simulate(single_call(abi.CREATE, task_value(no_code)), to=TASK_MANAGER) == Returned(b"")
    s.contracts.policy_client.policy = None
    answer = await s.simulate(single_call(abi.CREATE, task_value(B.task())), to=TASK_MANAGER)
    assert answer == Reverted(abi.error_data("InterfaceNotSupported()"))
