"""newt_createTask and newt_sendTask, with real operators, a real certificate and a real store."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from api.gateway import FORBIDDEN_INTENT, Gateway, open_gateway, submission, task_params, until
from headrace.api.reading import OperationBook
from headrace.api.task_forms import TaskForms, read_response
from headrace.attest import bls
from headrace.core.operation import Account
from headrace.core.words import OperationId
from headrace.workloads.tasks.structs import attestation_digest
from operators.builders import CHAIN, CLIENT, KEYS, TASK_MANAGER

RESULT = {
    "task_id",
    "status",
    "aggregation_response",
    "task",
    "task_response",
    "reference_block",
    "expiration",
    "signature_data",
    "operator_errors",
    "error",
    "timestamp",
    "operation_id",
}


async def test_a_task_is_answered_with_a_certificate_that_verifies(gateway: Gateway) -> None:
    result = await gateway.call("newt_createTask", task_params(operation_id="one"))
    assert set(result) == RESULT
    assert (result["status"], result["error"], result["operator_errors"]) == ("success", None, [])
    assert (result["operation_id"], result["reference_block"], result["expiration"]) == ("one", 100, 150)
    forms = TaskForms(quorums=b"\0", threshold_percent=67)
    task = forms.read_task(result["task"], "task")  # what we write we can read
    response = read_response(result["task_response"], "task_response")
    assert (task.policy_client, response.task_id, response.intent_hash) == (
        CLIENT,
        task.task_id,
        task.intent.hash(),
    )
    digest = attestation_digest(
        chain=CHAIN, task_manager=TASK_MANAGER, task_hash=task.hash(), response_hash=response.hash()
    )
    bitmap = int(result["signature_data"][-64:], 16)
    signers = [KEYS[i].public_key for i in range(3) if not bitmap >> i & 1]
    signature = bytes.fromhex(result["signature_data"][2:])[:96]
    assert bls.verify(bls.aggregate_keys(signers), digest, signature)
    account = await gateway.store.account(OperationId("one"))
    assert account is not None and account.operation.subject == task.task_id


async def test_the_same_id_gives_the_same_answer_and_asks_nobody_again(gateway: Gateway) -> None:
    first = await gateway.call("newt_createTask", task_params(operation_id="one"))
    asked = [operator.asked for operator in gateway.operators]
    gateway.clock.advance(100)
    assert await gateway.call("newt_createTask", task_params(operation_id="one")) == first
    assert [operator.asked for operator in gateway.operators] == asked
    assert gateway.stored() == (1, 1)


async def test_the_same_id_with_other_content_is_refused(gateway: Gateway) -> None:
    await gateway.call("newt_createTask", task_params(operation_id="one"))
    for method, params in (
        ("newt_createTask", task_params(operation_id="one", quorum_threshold_percentage=68)),
        ("newt_sendTask", task_params(operation_id="one")),
        ("headrace_submit", submission(operation_id="one")),
    ):
        error = await gateway.error(method, params)
        assert (error["code"], error["data"]) == (-32009, {"operation_id": "one"})
        assert "'one'" in error["message"]
    assert gateway.stored() == (1, 1)


@pytest.mark.parametrize("method", ["newt_createTask", "newt_sendTask"])
async def test_the_id_of_a_submitted_operation_is_no_id_for_a_task_request(gateway: Gateway, method: str) -> None:
    await gateway.call("headrace_submit", submission(operation_id="mine"))
    error = await gateway.error(method, task_params(operation_id="mine"))
    assert error["code"] == -32009
    assert gateway.stored() == (0, 1)


async def test_without_an_id_each_request_is_a_task_of_its_own(gateway: Gateway) -> None:
    results = [await gateway.call("newt_createTask", task_params()) for _ in range(2)]
    assert len({result["task_id"] for result in results}) == len({r["operation_id"] for r in results}) == 2


async def test_a_refusal_of_the_policy_is_named_and_reads_as_rejected(gateway: Gateway) -> None:
    error = await gateway.error("newt_createTask", task_params(operation_id="no", intent=FORBIDDEN_INTENT))
    assert error["code"] == -32615
    assert error["data"]["operation_id"] == "no"
    assert {e["operator_address"][:4] for e in error["data"]["operator_errors"]} == {"0xee"}
    operation = await gateway.call("headrace_getOperation", {"operation_id": "no"})
    assert (operation["state"], operation["outcome"]) == ("done", "rejected")
    assert operation["reason"] == error["message"]
    assert (
        await gateway.error("newt_createTask", task_params(operation_id="no", intent=FORBIDDEN_INTENT))
    ) == error


async def test_no_quorum_in_time_is_try_later_and_the_id_keeps_its_task(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    asking = asyncio.create_task(gateway.error("newt_createTask", task_params(operation_id="slow", timeout=2)))
    await until(lambda: gateway.operators[0].asked == 1)
    gateway.clock.advance(2)
    error = await asking
    assert (error["code"], error["data"]["operation_id"]) == (-32005, "slow")
    assert error["data"]["retry_after_s"] > 0
    gateway.let_operators_answer()
    result = await gateway.call("newt_createTask", task_params(operation_id="slow"))
    assert result["task_id"] == error["data"]["task_id"]


async def test_send_task_says_yes_when_the_task_is_durable(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    result = await gateway.call("newt_sendTask", task_params(operation_id="later"))
    assert set(result) == {"task_id", "subscription_topic", "message", "timestamp", "operation_id"}
    assert result["subscription_topic"] == f"newton.task.{result['task_id']}"
    assert gateway.stored() == (1, 0)
    operation = await gateway.call("headrace_getOperation", {"operation_id": "later"})
    assert (operation["state"], operation["outcome"], operation["transaction"]) == ("queued", None, None)
    assert operation["kind"] == "create_and_respond"
    assert await gateway.call("newt_sendTask", task_params(operation_id="later")) == result
    gateway.let_operators_answer()
    await until(lambda: gateway.stored() == (1, 1))


async def test_what_the_sdk_sends_besides_is_tolerated_in_either_spelling(gateway: Gateway) -> None:
    extras = {
        "proof_cid": "bafy",
        "include_validate_calldata": False,
        "direct_broadcast": True,
        "identity_domain": None,
        "encryptedDataRefs": ["a"],
        "user_signature": "0x",
        "appPubkey": 5,
    }
    params = task_params(**extras, quorum_number="00", quorumThresholdPercentage="0x43", timeout=30.5)
    params["policyClient"] = params.pop("policy_client")
    result = await gateway.call("newt_createTask", params)
    assert result["task"]["quorum_threshold_percentage"] == 67
    assert (await gateway.call("newt_sendTask", [task_params(timeout=30)]))["task_id"]


async def test_equal_requests_in_other_forms_are_one_request(gateway: Gateway) -> None:
    plain = task_params(operation_id="one")
    other = task_params(operation_id="one", wasm_args="0x7b7d", quorum_number="0x00")
    other["intent"] = {**plain["intent"], "value": 5, "chain_id": str(CHAIN)}  # type: ignore[dict-item]
    assert await gateway.call("newt_createTask", plain) == await gateway.call("newt_createTask", other)


async def test_before_the_chain_is_reached_and_with_a_full_house_it_is_try_later(gateway: Gateway) -> None:
    gateway.head = None
    assert (await gateway.error("newt_createTask", task_params()))["code"] == -32005
    gateway.head, gateway.full = None, True
    for method, params in (("newt_sendTask", task_params()), ("headrace_submit", submission())):
        error = await gateway.error(method, params)
        assert (error["code"], error["data"]["retry_after_s"]) == (-32005, 5.0)
    assert gateway.stored() == (0, 0)


async def test_an_operation_is_found_even_if_its_row_comes_between_our_two_looks(gateway: Gateway) -> None:
    await gateway.call("newt_createTask", task_params(operation_id="one"))

    class LooksTooEarly:
        """The first look at operations was before the commit."""

        looks = 0

        async def account(self, operation: OperationId) -> Account | None:
            self.looks += 1
            return None if self.looks == 1 else await gateway.store.account(operation)

        list_accounts = gateway.store.list_accounts

    book = OperationBook(replace(gateway.services, reader=LooksTooEarly()))
    assert isinstance(await book.find(OperationId("one")), Account)


async def test_recorded_separately_the_request_ends_as_a_respond(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, recording="separate") as gateway:
        await gateway.call("newt_createTask", task_params(operation_id="one"))
        operation = await gateway.call("headrace_getOperation", {"operation_id": "one"})
        create = await gateway.call("headrace_getOperation", {"operation_id": "one/create"})
        assert (operation["kind"], create["kind"]) == ("respond", "create")
        error = await gateway.error("headrace_submit", submission(operation_id="two/create"))
        assert error["data"]["field"] == "operation_id"
