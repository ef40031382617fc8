import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from headrace.attest import bls
from headrace.core.errors import FixTheRequest, OtherContent, PolicyRefused, TryLater
from headrace.core.operation import Stage
from headrace.core.ports import EvaluationNews
from headrace.core.words import Address
from headrace.operators.evaluation import Answer, Refused, result_of
from headrace.testing.clock import settle
from headrace.workloads.tasks.operations import operation_of
from headrace.workloads.tasks.payload import Payload
from headrace.workloads.tasks.structs import attestation_digest
from operators.builders import CHAIN, CLIENT, KEYS, TASK_MANAGER, address_of, until
from operators.office import (
    FORBIDDEN_REQUEST,
    ID,
    OPERATORS,
    REQUEST,
    WINDOWS,
    Office,
    Traced,
    create,
    head_at,
    make_request,
    open_office,
)


async def timed_out(office: Office, waiting: "asyncio.Task[Answer]", *, after_s: float) -> TryLater:
    """The caller's time passes while operators are being asked."""
    await until(lambda: office.asked() >= OPERATORS)
    office.clock.advance(after_s)
    with pytest.raises(TryLater) as late:
        await waiting
    return late.value


# ---- The answer


async def test_the_answer_is_a_certificate_that_the_contract_would_take(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        answer = await create(office)
    assert answer.operation == ID
    task, response, signature = answer.task, answer.response, answer.result.signature_data
    assert (task.policy_client, task.intent, task.created_block) == (CLIENT, REQUEST.intent, 100)
    asked = REQUEST.content("newt_createTask")
    assert task.task_id == keccak(CHAIN.to_bytes(32, "big") + TASK_MANAGER + asked + b"order-1")
    assert (response.task_id, response.intent_hash) == (task.task_id, task.intent.hash())
    signers = [i for i in range(OPERATORS) if address_of(i) in answer.result.signers]
    assert int.from_bytes(signature[96:], "big") == sum(1 << i for i in range(OPERATORS) if i not in signers)
    digest = attestation_digest(
        chain=CHAIN, task_manager=TASK_MANAGER, task_hash=task.hash(), response_hash=response.hash()
    )
    assert bls.verify(bls.aggregate_keys(KEYS[i].public_key for i in signers), digest, signature[:96])


async def test_the_task_is_stored_before_an_operator_sees_it(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        answer = await create(office)
        seen = [stored for clerk in office.clerks for stored in clerk.stored_when_asked]
        assert seen
        assert set(seen) == {answer.task.abi()}


async def test_the_certificate_and_what_records_it_are_one_commit(tmp_path: Path) -> None:
    async with open_office(tmp_path, recording="separate") as office:
        traced = Traced(office.store)
        answer = await create(office)
        assert traced.commits("evaluations", "operations") == [
            {"evaluations"},  # the task, before anybody sees it
            {"evaluations", "operations"},
        ]
        assert result_of(await office.evaluation(ID)) == answer.result
        assert len(await office.operations()) == 2


async def test_the_operation_carries_the_certificate_and_the_engine_hears_of_it(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        answer = await create(office)
        (operation,) = await office.operations()
        assert (operation.id, operation.kind, operation.after) == (ID, "create_and_respond", None)
        assert operation.subject == answer.task.task_id
        assert operation.deadline_block == min(100 + WINDOWS.creation, answer.response.expire_block)
        carried = Payload.unpack(operation.payload)
        expected = Payload(answer.task.abi(), answer.response.abi(), answer.result.signature_data)
        assert carried == expected
        assert office.noticed == [1]


async def test_recorded_separately_the_respond_has_the_id_and_comes_after_its_create(tmp_path: Path) -> None:
    async with open_office(tmp_path, recording="separate") as office:
        await create(office)
        respond, first = await office.operations()
        assert (first.id, first.kind, first.after) == ("order-1/create", "create", None)
        assert (respond.id, respond.kind, respond.after) == (ID, "respond", first.id)
        assert respond.wait_until == office.clock.now() + 60
        account = await office.store.account(ID)
        assert account is not None
        assert account.stage is Stage.WAITING
        assert office.noticed == [1], "only the create is ready"


async def test_each_step_is_told_in_order(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        answer = await create(office)
        news = [n for n in office.news if isinstance(n, EvaluationNews)]
        assert [(n.what, n.subject) for n in news] == [
            ("evaluating", answer.task.task_id),
            ("certified", answer.task.task_id),
        ]
        assert news[1].data["signature_data"] == answer.result.signature_data


# ---- The same id


async def test_the_same_id_gives_the_same_task_and_the_same_certificate(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        first = await create(office)
        office.head = head_at(120)
        office.clock.advance(60)
        asked = office.asked()
        assert await create(office) == first
        assert office.asked() == asked
        assert len(await office.operations()) == 1


async def test_the_same_id_gives_the_same_after_a_restart(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        first = await create(office)
    async with open_office(tmp_path, at_block=140) as office:
        assert await create(office) == first
        assert office.asked() == 0
        assert office.noticed == []


async def test_a_gateway_that_lost_its_store_gives_the_same_request_the_same_task_id(tmp_path: Path) -> None:
    async with open_office(tmp_path / "lost") as office:
        first = await create(office)
        assert (await create(office, "order-2")).task.task_id != first.task.task_id
    async with open_office(tmp_path / "new", at_block=140) as office:
        assert (await create(office)).task.task_id == first.task.task_id


async def test_without_an_id_each_request_is_one_of_its_own(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        one = await office.desk.create(REQUEST, operation=None, timeout_s=30)
        two = await office.desk.create(REQUEST, operation=None, timeout_s=30)
        assert one.operation != two.operation
        assert one.task.task_id != two.task.task_id
        assert await create(office, one.operation) == one


@pytest.mark.parametrize(
    "change",
    [
        {"intent": replace(REQUEST.intent, value=6)},
        {"intent_signature": b"\x06" * 65},
        {"wasm_args": b"{}"},
        {"quorum_numbers": b"\0\1"},
        {"threshold_percent": 66},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_other_content_under_an_id_is_refused_and_nothing_is_stored(
    tmp_path: Path, change: dict[str, object]
) -> None:
    async with open_office(tmp_path) as office:
        first = await create(office)
        before = await office.evaluation(ID)
        with pytest.raises(OtherContent, match="'order-1' is already used for something else"):
            await create(office, request=make_request(**change))
        assert await office.evaluation(ID) == before
        assert len(await office.operations()) == 1
        assert await create(office) == first


async def test_an_id_of_newt_create_task_is_none_of_newt_send_task(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        await create(office)
        with pytest.raises(OtherContent):
            await office.desk.send(REQUEST, operation=ID)


async def test_the_id_of_a_submitted_operation_is_refused(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        answer = await create(office, "other")
        submitted = operation_of(
            id=ID,
            chain=CHAIN,
            kind="create",
            task=replace(answer.task, task_id=b"\x77" * 32),
            response=None,
            signature_data=b"",
            windows=WINDOWS,
            received_at=office.clock.now(),
        )
        await office.store.add_operations([submitted])
        with pytest.raises(OtherContent):
            await create(office)
        assert await office.store.evaluation(ID) is None


async def test_two_callers_of_one_id_share_one_evaluation(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        both = [asyncio.create_task(create(office)) for _ in range(2)]
        await until(lambda: office.asked() == OPERATORS)
        await settle()
        assert office.desk.running() == 1
        office.let_answer()
        one, two = await asyncio.gather(*both)
        assert one == two
        assert office.asked() == OPERATORS
        assert office.noticed == [1]


async def test_one_of_two_callers_may_leave_without_harm_to_the_other(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        staying = asyncio.create_task(create(office))
        leaving = asyncio.create_task(create(office))
        await until(lambda: office.asked() == OPERATORS)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        office.let_answer()
        assert (await staying).operation == ID
        assert office.asked() == OPERATORS


# ---- A no


async def test_a_refusal_names_who_said_it_and_is_remembered(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        with pytest.raises(PolicyRefused, match="policy 'test' says no") as first:
            await create(office, request=FORBIDDEN_REQUEST)
        asked = office.asked()
        with pytest.raises(PolicyRefused) as again:
            await create(office, request=FORBIDDEN_REQUEST)
        assert (again.value.message, again.value.data) == (first.value.message, first.value.data)
        assert first.value.data["operation_id"] == ID
        assert first.value.data["operator_errors"]
        assert office.asked() == asked
        assert isinstance(result_of(await office.evaluation(ID)), Refused)
        assert await office.operations() == []
    async with open_office(tmp_path) as office:
        with pytest.raises(PolicyRefused) as later:
            await create(office, request=FORBIDDEN_REQUEST)
        assert later.value.data == first.value.data
        assert office.asked() == 0


async def test_a_client_without_a_policy_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    stranger = make_request(policy_client=Address(b"\xdd" * 20))
    async with open_office(tmp_path) as office:
        for asking in (create(office, request=stranger), office.desk.send(stranger, operation=ID)):
            with pytest.raises(FixTheRequest, match=r"policy_client: 0x(dd){20} has no policy here"):
                await asking
        assert await office.store.evaluation(ID) is None


@pytest.mark.parametrize("percent", [0, 101])
async def test_a_threshold_is_a_percentage(tmp_path: Path, percent: int) -> None:
    async with open_office(tmp_path) as office:
        with pytest.raises(FixTheRequest, match=f"{percent} is not within 1 to 100"):
            await create(office, request=make_request(threshold_percent=percent))
        assert await office.store.evaluation(ID) is None


# ---- Later


async def test_before_the_first_block_is_seen_a_task_has_no_reference(tmp_path: Path) -> None:
    async with open_office(tmp_path, at_block=None) as office:
        with pytest.raises(TryLater, match="the chain has not been reached yet"):
            await create(office)
        assert await office.store.evaluation(ID) is None
        office.head = head_at(100)
        assert (await create(office)).operation == ID


async def test_a_full_engine_takes_no_tasks(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.full = TryLater("the lanes do not keep up", retry_after_s=5.0)
        with pytest.raises(TryLater, match="the lanes do not keep up"):
            await create(office)
        assert await office.store.evaluation(ID) is None


async def test_a_caller_whose_time_is_up_frees_its_slot_at_once_and_may_ask_again(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        waiting = asyncio.create_task(create(office, timeout_s=1))
        late = await timed_out(office, waiting, after_s=1)
        assert office.desk.running() == 0
        task = (await office.evaluation(ID)).task
        assert late.data["operation_id"] == ID
        office.let_answer()
        office.head = head_at(110)
        answer = await create(office)
        assert answer.task.abi() == task, "the task keeps its block, its time and its id"
        assert len(await office.operations()) == 1


async def test_a_caller_that_hangs_up_frees_its_slot(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        waiting = asyncio.create_task(create(office))
        await until(lambda: office.asked() == OPERATORS)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert office.desk.running() == 0
        assert result_of(await office.evaluation(ID)) is None


async def test_who_asks_while_an_evaluation_is_being_given_up_gets_one_of_its_own(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        leaving = asyncio.create_task(create(office))
        await until(lambda: office.asked() == OPERATORS)
        coming = asyncio.create_task(create(office))
        leaving.cancel()
        office.let_answer()
        assert (await coming).operation == ID


async def test_an_answer_that_is_saved_when_its_caller_leaves_is_told_all_the_same(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.counter.may_conclude.clear()
        waiting = asyncio.create_task(create(office, timeout_s=1))
        await until(lambda: office.counter.concluding == 1)
        office.clock.advance(1)
        with pytest.raises(TryLater):
            await waiting
        office.counter.may_conclude.set()
        await until(lambda: office.desk.running() == 0)
        assert office.noticed == [1], "the engine must hear of what is in its store"
        assert (await create(office)).result == result_of(await office.evaluation(ID))
        assert office.asked() == OPERATORS


async def test_more_evaluations_than_the_bound_are_put_off(tmp_path: Path) -> None:
    async with open_office(tmp_path, evaluations_max=2) as office:
        office.keep_quiet()
        all_ = [asyncio.create_task(create(office, f"order-{i}")) for i in range(5)]
        refused = 0
        async with asyncio.timeout(20):
            for done in asyncio.as_completed(all_):
                with pytest.raises(TryLater, match="2 evaluations are under way, that is the most"):
                    await done
                refused += 1
                if refused == 3:
                    break
        await until(lambda: office.desk.running() == 2)
        again = asyncio.create_task(create(office, "order-0"))  # needs no slot: it shares one
        office.let_answer()
        assert (await again).operation == "order-0"
        assert [answer.operation for answer in await asyncio.gather(*all_[:2])] == ["order-0", "order-1"]
        assert (await create(office, "order-4")).operation == "order-4"
