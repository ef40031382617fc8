"""Every bad input has its row: the code, the field it names, and what it says. Nothing of it is stored."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.gateway import Gateway, intent, open_gateway, post, submission, task_params
from headrace.api.envelope import Batch, Call, Fault, read_body
from headrace.api.wire import read_quantity
from operators.builders import CHAIN

ZERO = "0x" + "00" * 20
Row = tuple[str, object, str, str]  # method, params, field, part of the message


def task(field: str, says: str, **changes: object) -> Row:
    return "newt_createTask", task_params(**changes), field, says


def with_intent(field: str, says: str, **changes: object) -> Row:
    return "newt_createTask", task_params(intent=intent(**changes)), f"intent.{field}", says


def missing(name: str) -> Row:
    params = task_params()
    del params[name]
    return "newt_createTask", params, name, "missing"


def submitted(
    field: str, says: str, change: Callable[[dict[str, Any]], object], kind: str = "create_and_respond"
) -> Row:
    params = submission(kind)
    change(params)
    return "headrace_submit", params, field, says


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(params: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            params = params[parent]
        params[last] = value

    return change


def take(path: str) -> Callable[[dict[str, Any]], None]:
    return put(path, None)


NOT_ADDRESSES: list[object] = ["0x12", "0x" + "01" * 21, "01" * 20, "0x" + "zz" * 20, 5, True, [], {}, ""]
NOT_QUANTITIES: list[object] = [
    "",
    "0x",
    "0xzz",
    "-1",
    -1,
    1.5,
    True,
    [],
    {},
    "1e3",
    " 1",
    2**256,
    hex(2**256),
    "٣",
]
NOT_DATA: list[object] = ["0x1", "0xzz", "zz", 5, False, [], {}, "0X00", "0x 0"]
NOT_IDS: list[object] = ["", " ", "a b", "ü", "a" * 129, 7, True, [], {}, "\n", "x/create", "job/x"]

TASK_ROWS: list[Row] = [
    missing("policy_client"),
    missing("intent"),
    *(task("policy_client", "not a 20-byte address", policy_client=bad) for bad in NOT_ADDRESSES),
    task("policy_client", "zero address", policy_client=ZERO),
    task("policy_client", "has no policy here", policy_client="0x" + "99" * 20),
    task("policy_client", "checksum", policy_client="0x" + "aB" * 20),
    task("intent", "not an object", intent="0x"),
    task("intent", "not an object", intent=[]),
    *(with_intent("from", "not a 20-byte address", **{"from": bad}) for bad in NOT_ADDRESSES),
    *(with_intent("to", "not a 20-byte address", to=bad) for bad in NOT_ADDRESSES),
    with_intent("from", "zero address", **{"from": ZERO}),
    with_intent("to", "zero address", to=ZERO),
    with_intent("from", "missing", **{"from": None}),
    with_intent("value", "missing", value=None),
    with_intent("chain_id", "missing", chain_id=None),
    *(with_intent("value", "not ", value=bad) for bad in NOT_QUANTITIES),
    *(with_intent("chain_id", "not ", chain_id=bad) for bad in [*NOT_QUANTITIES, 0]),
    *(with_intent("data", "not hex data", data=bad) for bad in [*NOT_DATA, "00"]),
    *(with_intent("function_signature", "not hex data", function_signature=bad) for bad in [*NOT_DATA, "00"]),
    with_intent("data", "at most 1024", data="0x" + "00" * 1025),
    with_intent("gas", "no field here", gas=1),
    with_intent("chain_id", "twice", chainId=1),
    *(task("intent_signature", "not hex data", intent_signature=bad) for bad in NOT_DATA),
    *(task("wasm_args", "not hex data", wasm_args=bad) for bad in NOT_DATA),
    task("wasm_args", "at most 1024", wasm_args="00" * 1000),
    *(task("quorum_number", "not hex data", quorum_number=bad) for bad in NOT_DATA),
    task("quorum_number", "names no quorum", quorum_number="0x"),
    task("quorum_number", "not there", quorum_number="01"),
    task("quorum_number", "ascending", quorum_number="0000"),
    task("quorum_number", "at most 32", quorum_number="00" * 33),
    *(task("quorum_threshold_percentage", "not ", quorum_threshold_percentage=bad) for bad in NOT_QUANTITIES),
    *(
        task("quorum_threshold_percentage", "not within", quorum_threshold_percentage=bad)
        for bad in (0, 101, "0x65", 2**32, 10**30)
    ),
    *(task("timeout", "seconds", timeout=bad) for bad in (0, -1, 121, 120.5, "30", True, [], 2**70)),
    *(task("operation_id", "id", operation_id=bad) for bad in NOT_IDS),
    task("task_id", "no field here", task_id="0x" + "01" * 32),
    (*task("policyClient", "twice", policyClient="0x" + "01" * 20)[:2], "policy_client", "twice"),
    ("newt_sendTask", task_params(deadline=5), "deadline", "no field here"),
    ("newt_createTask", None, "params", "not an object"),
    ("newt_createTask", [], "params", "not an object"),
    ("newt_createTask", [task_params(), 1], "params", "not an object"),
]

SUBMIT_ROWS: list[Row] = [
    *(submitted(name, "missing", take(name)) for name in ("workload", "kind", "payload")),
    *(
        submitted("workload", "none of tasks", put("workload", bad))
        for bad in ("calls", "", "Tasks", 5, [], {}, True)
    ),
    *(
        submitted("kind", "none of create, respond, create_and_respond", put("kind", bad))
        for bad in ("call", "", 5, [], {})
    ),
    *(submitted("operation_id", "id", put("operation_id", bad)) for bad in NOT_IDS),
    *(submitted("chain_id", "not ", put("chain_id", bad)) for bad in [*NOT_QUANTITIES, 1, CHAIN + 1]),
    *(submitted("deadline", "seconds", put("deadline", bad)) for bad in (0, -1, "soon", True, [], 1e300, 2**70)),
    submitted("deadline", "in the past", put("deadline", 1_600_000_000)),
    *(submitted("after", "not an operation id", put("after", bad)) for bad in ("", 5, "a b", [], {})),
    submitted("after", "there is no operation 'nobody'", put("after", "nobody")),
    submitted("after", "itself", lambda p: p.update(after="me", operation_id="me")),
    *(submitted("payload", "not an object", put("payload", bad)) for bad in ("0x", 5, [], True)),
    submitted("payload.task", "missing", take("payload.task")),
    submitted("payload.gas", "no field here", put("payload.gas", 1)),
    submitted("payload.task.gas", "no field here", put("payload.task.gas", 1)),
    submitted("payload.response.gas", "no field here", put("payload.response.gas", 1)),
    submitted("payload.task.task_id", "is zero", put("payload.task.task_id", "0x" + "00" * 32)),
    submitted("payload.task.policy_client", "zero address", put("payload.task.policy_client", ZERO)),
    submitted("payload.task.intent.from", "zero address", put("payload.task.intent.from", ZERO)),
    submitted("payload.task.intent.to", "zero address", put("payload.task.intent.to", ZERO)),
    *(
        submitted(f"payload.task.{name}", "missing", take(f"payload.task.{name}"))
        for name in (
            "task_id",
            "policy_client",
            "task_created_block",
            "quorum_threshold_percentage",
            "intent",
            "quorum_numbers",
            "initialization_timestamp",
        )
    ),
    *(
        submitted("payload.task.task_id", "not ", put("payload.task.task_id", bad))
        for bad in ("0x01", "0x" + "01" * 33, 5)
    ),
    *(
        submitted("payload.task.task_created_block", "not ", put("payload.task.task_created_block", bad))
        for bad in [*NOT_QUANTITIES, 0, 2**32]
    ),
    *(
        submitted(
            "payload.task.initialization_timestamp", "not ", put("payload.task.initialization_timestamp", bad)
        )
        for bad in NOT_QUANTITIES
    ),
    submitted("payload.task.quorum_numbers", "not there", put("payload.task.quorum_numbers", "0x0001")),
    submitted(
        "payload.task.quorum_threshold_percentage", "1 to 100", put("payload.task.quorum_threshold_percentage", 0)
    ),
    submitted("payload.task.wasm_args", "at most 1024", put("payload.task.wasm_args", "0x" + "00" * 1025)),
    submitted("payload.response", "needs one", take("payload.response")),
    submitted("payload.response", "needs one", take("payload.response"), "respond"),
    submitted("payload.response", "carries a task only", lambda p: p.update(kind="create")),
    submitted("payload.response.task_id", "differs", put("payload.response.task_id", "0x" + "01" * 32)),
    submitted(
        "payload.response.policy_client", "differs", put("payload.response.policy_client", "0x" + "01" * 20)
    ),
    submitted(
        "payload.response.intent_hash", "not the hash", put("payload.response.intent_hash", "0x" + "01" * 32)
    ),
    submitted("payload.response.expire_block", "not ", put("payload.response.expire_block", 2**32)),
    submitted(
        "payload.response.evaluation_result",
        "at most 1024",
        put("payload.response.evaluation_result", "0x" + "00" * 1025),
    ),
    *(
        submitted(f"payload.response.{name}", "missing", take(f"payload.response.{name}"))
        for name in ("task_id", "policy_client", "policy_id", "intent_hash", "evaluation_result", "expire_block")
    ),
    submitted("payload.signature_data", "needs 128", take("payload.signature_data")),
    submitted("payload.signature_data", "needs 128", put("payload.signature_data", "0x" + "00" * 127)),
    submitted("payload.signature_data", "at most 4096", put("payload.signature_data", "0x" + "00" * 5000)),
    *(
        submitted("payload.signature_data", "not hex data", put("payload.signature_data", bad))
        for bad in ("00", "0x1", 5)
    ),
    submitted("gas", "no field here", put("gas", 5)),
]

OTHER_ROWS: list[Row] = [
    *(
        (method, params, "operation_id", says)
        for method in ("headrace_getOperation", "headrace_waitOperation", "headrace_cancelOperation")
        for params, says in (
            ({}, "missing"),
            ({"operation_id": 5}, "not an operation id"),
            ({"operation_id": "nobody"}, "there is no operation 'nobody'"),
        )
    ),
    ("headrace_getOperation", {"operation_id": "a", "until": "x"}, "until", "no field here"),
    ("headrace_waitOperation", {"operation_id": "a", "until": "sent"}, "until", "none of mined, final"),
    *(
        ("headrace_waitOperation", {"operation_id": "a", "timeout": t}, "timeout", "seconds")
        for t in (0, 121, "1")
    ),
    *(("headrace_listOperations", {"limit": bad}, "limit", "not ") for bad in (0, 501, -1, "x", 2.5, True)),
    *(
        ("headrace_listOperations", {"cursor": bad}, "cursor", "no cursor")
        for bad in ("", "x", 5, "1.5", "9.1", "0.99999999999999999999", "0.9999999999999999999")
    ),
    ("headrace_listOperations", {"state": "waiting"}, "state", "none of queued, batched, sent, mined, done"),
    ("headrace_listOperations", {"outcome": "ok"}, "outcome", "none of landed"),
    ("headrace_listOperations", {"workload": "calls"}, "workload", "none of tasks"),
    ("headrace_lanes", {"lane": 1}, "lane", "no field here"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", [*TASK_ROWS, *SUBMIT_ROWS, *OTHER_ROWS], ids=lambda row: f"{row[0]} {row[2]}")
async def test_bad_input_is_refused_by_its_field_and_leaves_nothing(shared: Gateway, row: Row) -> None:
    method, params, field, says = row
    error = await shared.error(method, params)
    assert (error["code"], error["data"]["field"]) == (-32602, field), error
    assert error["message"].startswith(f"{field}: ") and says in error["message"], error["message"]
    assert len(error["message"]) < 600
    assert shared.stored() == (0, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_value_stands_in_the_message_shortened(shared: Gateway) -> None:
    error = await shared.error("newt_createTask", task_params(intent=intent(to="0x12")))
    assert error["message"] == "intent.to: '0x12' is not a 20-byte address (0x and 40 hex digits)"
    error = await shared.error("newt_createTask", task_params(intent=intent(to="x" * 100_000)))
    assert len(error["message"]) < 200
    error = await shared.error("newt_createTask", task_params(**{"y" * 100_000: 1}))
    assert len(error["message"]) < 400


# ---- Arbitrary input

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**260), 2**260)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["0x", "0x0", ZERO, "0x" + "11" * 20, "0x" + "22" * 32, "00", "tasks", "create", "1"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
METHODS = [
    "newt_createTask",
    "newt_sendTask",
    "headrace_submit",
    "headrace_getOperation",
    "headrace_waitOperation",
    "headrace_cancelOperation",
    "headrace_listOperations",
    "headrace_lanes",
]


@st.composite
def nearly_right(draw: st.DrawFn) -> object:
    """A request that is right, with one or two things in it replaced, put in or taken out."""
    method = draw(st.sampled_from(METHODS))
    params: Any = {
        "newt_createTask": task_params(timeout=5),
        "newt_sendTask": task_params(operation_id="f"),
        "headrace_submit": submission(seed=7, operation_id="f"),
    }.get(method, {"operation_id": "f"})
    request: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": draw(st.text(max_size=3)),
        "method": method,
        "params": params,
    }
    request = json.loads(json.dumps(request))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = request
        while True:
            key = (
                draw(st.sampled_from(sorted(place)) | st.text(max_size=6)) if place else draw(st.text(max_size=6))
            )
            if isinstance(place.get(key), dict) and draw(st.integers(0, 3)):
                place = place[key]
                continue
            break
        if draw(st.integers(0, 4)):
            place[key] = draw(anything)
        else:
            place.pop(key, None)
    return request


def test_no_json_whatever_is_an_internal_error_and_nothing_refused_is_stored(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        gateway = runner.run(stack.enter_async_context(open_gateway(tmp_path)))

        async def ask(document: object) -> None:
            # Whatever waits for time gets it: the clock is ours.
            # What was said yes to, or given up, before this is stored by itself: let that come first.
            while gateway.desk.running():
                gateway.clock.advance(0.05)
                await asyncio.sleep(0.002)
            await gateway.store.release([])  # behind everything that the store's writer was told to do
            before = gateway.stored()
            asking = asyncio.create_task(post(gateway.app, json.dumps(document).encode()))
            while not asking.done():
                gateway.clock.advance(1)
                await asyncio.wait({asking}, timeout=0.001)
            status, _, body = asking.result()
            assert status in (200, 204), (status, body)
            answer = json.loads(body) if body else []
            answers = answer if isinstance(answer, list) else [answer]
            assert all(a["jsonrpc"] == "2.0" and ("result" in a) != ("error" in a) for a in answers)
            codes = {a["error"]["code"] for a in answers if "error" in a}
            assert codes <= {-32600, -32601, -32602, -32005, -32009, -32615}, answers
            refused = bool(answers) and all("error" in a for a in answers)
            if refused and codes <= {-32600, -32601, -32602}:
                assert gateway.stored() == before, document

        @settings(max_examples=150, deadline=None)
        @given(nearly_right() | anything)
        def story(document: object) -> None:
            runner.run(ask(document))

        try:
            story()
        finally:
            runner.run(stack.aclose())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\0123456789eE.-+ntf u', max_size=60).map(str.encode))
def test_no_bytes_whatever_make_reading_fail(body: bytes) -> None:
    read = read_body(body, depth_max=8, batch_max=4)
    assert isinstance(read, Call | Fault | Batch)
    if isinstance(read, Fault):
        assert read.code in (-32700, -32600) and read.message


def test_a_number_of_json_is_taken_exactly() -> None:
    assert (
        read_quantity(2**256 - 1, "x")
        == read_quantity(str(2**256 - 1), "x")
        == read_quantity(hex(2**256 - 1), "x")
    )
    assert read_quantity("0x0a", "x") == 10
