"""JSON-RPC 2.0 to the letter."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from api.gateway import Gateway, open_gateway, post, submission, task_params, until, with_limits
from headrace.api import gateway_app
from headrace.api.body import nests_deeper
from headrace.api.services import LaneReport
from headrace.core.errors import NeedsOperator

LANES = b'{"jsonrpc":"2.0","id":1,"method":"headrace_lanes"}'


async def ask(gateway: Gateway, body: bytes | str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    status, _, answer = await post(gateway.app, body.encode() if isinstance(body, str) else body, headers=headers)
    return status, answer


@pytest.mark.parametrize(
    "id",
    [
        '"a"',
        "1",
        "-7",
        "0",
        "null",
        "1.0",
        "1e2",
        "123456789012345678901234567890",
        '"\\u0041\\n\\""',
        '""',
        '"ü"',
    ],
)
async def test_an_id_comes_back_byte_for_byte(gateway: Gateway, id: str) -> None:
    for method, outcome in (("headrace_lanes", '"result":'), ("nothing", '"error":')):
        status, body = await ask(gateway, f'{{"jsonrpc":"2.0", "id" : {id} ,"method":"{method}"}}')
        assert status == 200
        assert body.decode().startswith(f'{{"jsonrpc":"2.0","id":{id},{outcome}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[1,",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"method":"headrace_lanes"} trailing',
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b'{"a":"\\ud800"}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":01}',
        b"\x00",
        b'\xef\xbb\xbf{"jsonrpc":"2.0"}',
        LANES[:-1],
    ],
)
async def test_what_is_not_json_is_a_parse_error_with_a_null_id(gateway: Gateway, body: bytes) -> None:
    status, answer = await ask(gateway, body)
    document = json.loads(answer)
    assert (status, document["id"], document["error"]["code"]) == (200, None, -32700)


@pytest.mark.parametrize(
    ("body", "id", "says"),
    [
        ("1", None, "no JSON-RPC object"),
        ('"a"', None, "no JSON-RPC object"),
        ("null", None, "no JSON-RPC object"),
        ("{}", None, "jsonrpc: null"),
        ('{"id":5}', 5, "jsonrpc: null"),
        ('{"jsonrpc":2,"id":5,"method":"x"}', 5, "jsonrpc: 2"),
        ('{"jsonrpc":"1.0","id":"q","method":"x"}', "q", "jsonrpc: '1.0'"),
        ('{"jsonrpc":"2.0","id":5}', 5, "method: null"),
        ('{"jsonrpc":"2.0","id":5,"method":["x"]}', 5, "method: a list"),
        ('{"jsonrpc":"2.0","id":5,"method":"headrace_lanes","params":3}', 5, "params: 3"),
        ('{"jsonrpc":"2.0","id":5,"method":"headrace_lanes","params":"x"}', 5, "params: 'x'"),
        ('{"jsonrpc":"2.0","id":[1],"method":"headrace_lanes"}', None, "id:"),
        ('{"jsonrpc":"2.0","id":{},"method":"headrace_lanes"}', None, "id:"),
        ('{"jsonrpc":"2.0","id":true,"method":"headrace_lanes"}', None, "id:"),
        ('{"jsonrpc":"2.0","id":8,"method":"headrace_lanes","params":{"a":' + "1" * 5000 + "}}", 8, "$.params"),
        ("[]", None, "empty"),
        ("[" + ",".join(["1"] * 101) + "]", None, "101 requests, at most 100"),
        ("[" * 10_000, None, "nests deeper than 32"),
        ('{"a":' * 10_000, None, "nests deeper than 32"),
        ("[" * 33 + "]" * 33, None, "nests deeper than 32"),
    ],
)
async def test_what_is_no_request_is_an_invalid_request(
    gateway: Gateway, body: str, id: object, says: str
) -> None:
    status, answer = await ask(gateway, body)
    document = json.loads(answer)
    assert (status, document["id"], document["error"]["code"]) == (200, id, -32600)
    assert says in document["error"]["message"]


async def test_an_unknown_method_is_told_which_there_are(gateway: Gateway) -> None:
    for name in ("newt_createTasks", "", "rpc.discover", "x" * 10_000):
        error = await gateway.error(name)
        assert error["code"] == -32601 and len(error["message"]) < 400
        assert "newt_createTask, newt_sendTask, headrace_submit, headrace_getOperation" in error["message"]


async def test_a_batch_is_answered_in_order_with_notifications_left_out(gateway: Gateway) -> None:
    items = [
        LANES.decode(),
        '{"jsonrpc":"2.0","method":"headrace_lanes"}',
        "7",
        '{"jsonrpc":"2.0","id":"two","method":"nothing"}',
        '{"jsonrpc":"2.0","method":"nothing"}',
        "[]",
    ]
    status, answer = await ask(gateway, f" [{','.join(items)}]")
    documents = json.loads(answer)
    assert status == 200
    assert [(d["id"], d.get("error", {}).get("code")) for d in documents] == [
        (1, None),
        (None, -32600),
        ("two", -32601),
        (None, -32600),
    ]


async def test_a_notification_is_carried_out_and_not_answered(gateway: Gateway) -> None:
    request = json.dumps({"jsonrpc": "2.0", "method": "headrace_submit", "params": submission()})
    assert await ask(gateway, request) == (204, b"")
    assert await ask(gateway, f"[{request},{request}]") == (204, b"")
    assert gateway.stored() == (0, 1)  # each is an operation of its own, but the task id is taken


async def test_calls_of_a_batch_are_carried_out_side_by_side(gateway: Gateway) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "newt_createTask", "params": task_params(operation_id=f"op-{n}")}
        for n in range(5)
    ]
    gateway.keep_operators_quiet()
    asking = asyncio.create_task(ask(gateway, json.dumps(calls)))
    await until(lambda: gateway.operators[0].asked == 5)
    gateway.let_operators_answer()
    _, answer = await asking
    assert [d["result"]["operation_id"] for d in json.loads(answer)] == [f"op-{n}" for n in range(5)]


async def test_any_content_type_will_do(gateway: Gateway) -> None:
    for kind in ("text/plain", "application/xml", ""):
        assert (await ask(gateway, LANES, {"content-type": kind}))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_other_http_methods_are_not_allowed(gateway: Gateway, method: str) -> None:
    status, headers, body = await post(gateway.app, b"", method=method)
    assert (status, headers["allow"]) == (405, "POST")
    assert json.loads(body)["error"]["code"] == -32600


async def test_a_bug_is_an_incident_with_its_traceback_in_the_log_only(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> list[LaneReport]:
        raise ZeroDivisionError("the secret reason")

    gateway.app = gateway_app(replace(gateway.services, lanes=broken))
    with caplog.at_level(logging.ERROR):
        error = await gateway.error("headrace_lanes")
    assert error["code"] == -32603
    assert error["data"]["incident"] in error["message"] and "secret" not in json.dumps(error)
    assert error["data"]["incident"] in caplog.text and "the secret reason" in caplog.text


async def test_errors_keep_the_code_of_who_must_act_and_their_data(gateway: Gateway) -> None:
    async def broke() -> list[LaneReport]:
        data = {"balance_wei": 2**70, "lane": b"\x01", "why": (None, {"a": 1.5}), "path": Path("x")}
        raise NeedsOperator("lane is empty", **data)

    gateway.app = gateway_app(replace(gateway.services, lanes=broke))
    error = await gateway.error("headrace_lanes")
    assert error == {
        "code": -32010,
        "message": "lane is empty",
        "data": {"balance_wei": 2**70, "lane": "0x01", "why": [None, {"a": 1.5}], "path": "x"},
    }


async def test_with_all_hands_full_a_call_is_told_to_come_back(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, limits=with_limits(calls_max=2)) as gateway:
        gateway.keep_operators_quiet()
        under_way = [asyncio.create_task(gateway.call("newt_createTask", task_params())) for _ in range(2)]
        await until(lambda: gateway.operators[0].asked == 2)
        status, headers, body = await post(gateway.app, LANES)
        error = json.loads(body)["error"]
        assert (status, headers["retry-after"]) == (503, "1")
        assert (error["code"], error["data"]["retry_after_s"]) == (-32005, 1.0)
        gateway.let_operators_answer()
        await asyncio.gather(*under_way)
        status, _, body = await post(gateway.app, b"[" + b",".join([LANES] * 5) + b"]")
        codes = [answer.get("error", {}).get("code") for answer in json.loads(body)]
        assert codes == [None, None, -32005, -32005, -32005]
        assert (await gateway.call("headrace_lanes")) == {"lanes": []}


@pytest.mark.parametrize(
    ("body", "deeper"),
    [
        (b"[[[[", False),
        (b"[[[[[", True),
        (b'{"a":[{"b":[1]}]}', False),
        (b'{"a":[{"b":[[1]]}]}', True),
        (b"[[],[],[],[],[],[]]", False),
        (b'["[[[[[[","{{{{{{","\\"[[[[[[[","\\\\",[]]', False),
        (b'["\\\\",[[[[]]]]]', True),
        (b'["unfinished [[[[[[[[', False),
        (b'"\\' * 50_000, False),
        (b'"' * 100_001 + b"[[[[[", False),
        (b"]" * 10 + b"[" * 13, False),
    ],
)
def test_nesting_is_counted_outside_of_strings(body: bytes, deeper: bool) -> None:
    assert nests_deeper(body, 4) is deeper


async def test_submissions_of_a_batch_are_answered_as_each_alone_would_be(tmp_path: Path) -> None:
    first = submission(operation_id="first", seed=1)
    wishes = [
        first,
        submission(operation_id="second", seed=2),
        first,  # again
        submission(operation_id="first", seed=3),  # other content
        submission(operation_id="third", seed=2),  # its task is taken
        submission(operation_id="fourth", seed=4, after="second"),
        submission(operation_id="fifth", seed=5, after="nobody"),
        submission(operation_id="sixth", seed=6, kind="nonsense"),
        [submission(operation_id="seventh", seed=7)],  # parameters in a list
        submission(operation_id="eighth", seed=8, deadline=1.0),
    ]
    calls = [{"jsonrpc": "2.0", "id": n, "method": "headrace_submit", "params": p} for n, p in enumerate(wishes)]
    unknown = {"jsonrpc": "2.0", "id": "x", "method": "nothing"}
    (tmp_path / "batch").mkdir(), (tmp_path / "alone").mkdir()
    async with open_gateway(tmp_path / "batch") as gateway:
        _, body = await ask(gateway, json.dumps([*calls[:4], unknown, *calls[4:]]))
        together = json.loads(body)
        assert together.pop(4)["error"]["code"] == -32601
    async with open_gateway(tmp_path / "alone") as gateway:
        alone = [json.loads((await ask(gateway, json.dumps(call)))[1]) for call in calls]
    assert together == alone
    assert [d.get("error", {}).get("code") for d in alone] == [
        *(None, None, None, -32009, -32009, None, -32602, -32602, None, -32602)
    ]


async def test_a_bug_in_one_submission_of_a_batch_is_no_matter_of_the_others(gateway: Gateway) -> None:
    class Broken:
        kinds = ("create",)

        def accept(self, submission: object) -> object:
            raise ZeroDivisionError

    services = replace(gateway.services, acceptors={**gateway.services.acceptors, "broken": Broken()})
    gateway.app = gateway_app(services)
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "headrace_submit", "params": params}
        for n, params in enumerate((submission(), submission("create", workload="broken"), submission()))
    ]
    _, body = await ask(gateway, json.dumps(calls))
    assert [d.get("error", {}).get("code") for d in json.loads(body)] == [None, -32603, None]


async def test_a_batch_of_submissions_takes_as_many_hands_as_it_has_calls(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, limits=with_limits(calls_max=2)) as gateway:
        calls = [
            {"jsonrpc": "2.0", "id": n, "method": "headrace_submit", "params": submission()} for n in range(3)
        ]
        _, body = await ask(gateway, json.dumps(calls))
        assert [d.get("error", {}).get("code") for d in json.loads(body)] == [None, None, -32005]
        assert gateway.stored() == (0, 2)
