"""What is wrong is refused with its place and its value, and leaves nothing behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.gateway import with_limits
from api.rest.house import NOW, OWNER, PAYEE, PAYER, House, Reply, hexed, open_house, payment, wish
from headrace.core.errors import NeedsOperator, TryLater

OTHER = hexed(b"\x77" * 20)


async def refused(
    house: House, method: str, path: str, body: object = None, *, status: int, says: str, **more: Any
) -> Mapping[str, Any]:
    before = house.stored()
    reply: Reply = await house.ask(method, path, body, **more)
    assert house.stored() == before, "something was stored"
    assert reply.headers["content-type"] == "application/problem+json", reply
    problem = reply.json
    assert (reply.status, problem["status"]) == (status, status), reply
    assert says in problem["detail"], problem
    return dict(problem)


@pytest.mark.parametrize(
    ("changes", "status", "field", "says"),
    [
        # Of another type or shape than the form's.
        ({"owner": 5}, 400, "owner", "5: Expected `str`, got `int`"),
        ({"owner": ...}, 400, "owner", "owner: is missing"),
        ({"nope": 1}, 400, "nope", "nope: is no field here; there are owner, environment"),
        ({"payment": []}, 400, "payment", "a list: Expected `object | null`, got `array`"),
        ({"payment": payment(nope=1)}, 400, "payment.nope", "payment.nope: is no field here"),
        ({"payment": payment(token_decimals=18)}, 400, "payment.token_decimals", "is no field here"),
        ({"payment": payment(token=...)}, 400, "payment.token", "payment.token: is missing"),
        ({"payment": payment(resources={})}, 400, "payment.resources", "Expected `object` of length >= 1"),
        (
            {"payment": payment(resources={f"r{n}": "1" for n in range(33)})},
            400,
            "payment.resources",
            "Expected `object` of length <= 32",
        ),
        ({"payment": payment(resources={"cpu": 2})}, 400, "payment.resources[...]", "Expected `str`, got `int`"),
        ({"algorithm": "rm -rf"}, 400, "algorithm", "'rm -rf': Expected `object`, got `str`"),
        # Durations.
        ({"max_duration_s": -1}, 400, "max_duration_s", "-1: Expected `int` >= 1"),
        ({"max_duration_s": 0}, 400, "max_duration_s", "0: Expected `int` >= 1"),
        ({"max_duration_s": 31 * 86_400 + 1}, 400, "max_duration_s", "2678401: Expected `int` <= 2678400"),
        ({"max_duration_s": 1.5}, 400, "max_duration_s", "1.5: Expected `int | null`, got `float`"),
        ({"queue_max_wait_s": -5}, 400, "queue_max_wait_s", "-5: Expected `int` >= 0"),
        ({"queue_max_wait_s": 10**30}, 400, "queue_max_wait_s", "Expected `int` <="),
        # Who and what.
        ({"owner": "0x12"}, 422, "owner", "owner: '0x12' is not a 20-byte address"),
        ({"owner": "0x" + "00" * 20}, 422, "owner", "owner: is the zero address"),
        ({"owner": "0x" + "aB" * 20}, 422, "owner", "has a wrong checksum (EIP-55)"),
        ({"environment": "nowhere"}, 422, "environment", "environment: 'nowhere' is not offered"),
        ({"id": "a b"}, 422, "id", "id: 'a b' is no name"),
        ({"id": "x" * 97}, 422, "id", "is no name: 1 to 96"),
        ({"id": ""}, 422, "id", "id: '' is no name"),
        ({"metadata": "m" * 1023}, 422, "metadata", "metadata: 1025 characters; 1024 are possible"),
        ({"algorithm": {"a": "x" * 262_144}}, 422, "algorithm", "bytes; 262144 are possible"),
        # Money.
        ({"payment": payment(chain_id=1)}, 422, "payment.chain_id", "chain 1 is unknown"),
        ({"payment": payment(chain_id=0)}, 400, "payment.chain_id", "0: Expected `int` >= 1"),
        ({"payment": payment(chain_id="31337")}, 400, "payment.chain_id", "'31337': Expected `int`, got `str`"),
        ({"payment": payment(token=OTHER)}, 422, "payment.token", "this token is not taken"),
        ({"payment": payment(token="USDC")}, 422, "payment.token", "payment.token: 'USDC' is not a 20-byte"),
        ({"payment": payment(payer=hexed(PAYEE))}, 422, None, "payer and payee are both"),
        *(
            ({"payment": payment(resources={"cpu": text})}, 422, "resources.cpu.amount", f"{text!r} is no decimal")
            for text in ("two", "-1", "1e3", "NaN", "", ".5", "1,5", "0x2", "1" * 31, "0." + "0" * 30 + "1", "١")
        ),
        ({"payment": payment(resources={"cpu": "0"})}, 422, None, "its resources cost nothing; start it as"),
        ({"payment": payment(resources={"c pu": "1"})}, 422, "resource", "'c pu' is no name"),
        ({"payment": payment(resources={"cpu": {"amount": "1", "price": "x"}})}, 400, None, "Expected `str`"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict | str) else None,
)
async def test_a_start_that_is_wrong_is_refused_by_name_and_nothing_is_stored(
    house: House, changes: dict[str, object], status: int, field: str | None, says: str
) -> None:
    problem = await refused(house, "POST", "/v1/jobs", wish("a", **changes), status=status, says=says)
    if field is not None:
        assert problem["field"] == field
    assert problem["type"] in ("/docs#malformed", "/docs#fix-the-request")


async def test_an_id_that_belongs_to_another_request_is_refused(house: House) -> None:
    await house.start("a")
    for changes in ({"max_duration_s": 3601}, {"metadata": None}, {"payment": ...}, {"owner": hexed(PAYER)}):
        problem = await refused(
            house, "POST", "/v1/jobs", wish("a", **changes), status=409, says="already here, with other content"
        )
        assert problem["type"] == "/docs#other-content" and problem["more"] == {"job": "a"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "owner: is missing"),
        (b"{", "is not valid JSON"),
        (b"nope", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[]", "the body: a list: Expected `object`, got `array`"),
        (b"null", "the body: null: Expected `object`, got `null`"),
        (b'"text"', "the body: 'text': Expected `object`, got `str`"),
        (b"[" * 100_000, "nests deeper than 32 levels"),
        (b'{"algorithm":' + b'{"a":' * 40 + b"1" + b"}" * 41, "nests deeper than 32 levels"),
        (b'{"owner": "\\ud800"}', "is not valid JSON"),
        (b'{"max_duration_s": 1e999}', "is not valid JSON"),
        (b'{"max_duration_s": ' + b"9" * 5000 + b"}", "is not valid JSON"),
    ],
    ids=lambda value: value[:30].decode(errors="replace") if isinstance(value, bytes) else None,
)
async def test_a_body_that_is_no_form_is_refused(house: House, body: bytes, says: str) -> None:
    await refused(house, "POST", "/v1/jobs", raw=body, status=400, says=says)


async def test_a_body_must_say_that_it_is_json(house: House) -> None:
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        await refused(
            house, "POST", "/v1/jobs", wish("a"), headers=headers, status=415, says="only application/json is read"
        )
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    reply = await house.ask("POST", "/v1/jobs", wish("a"), headers=headers)
    assert reply.status == 201


async def test_a_body_over_the_bound_is_refused(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits=with_limits(body_bytes_max=1000)) as house:
        problem = await refused(
            house, "POST", "/v1/jobs", wish("a", algorithm={"a": "x" * 1000}), status=413, says="than 1000 bytes"
        )
        assert problem["type"] == "/docs#too-large"


async def test_over_the_bound_of_requests_at_once_one_is_told_to_come_back(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits=with_limits(calls_max=0)) as house:
        reply = await house.ask("GET", "/v1/jobs")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")


# ---- Events


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 400, "status: is missing"),
        ({"status": 99}, 400, "status: 99: Invalid enum value 99"),
        ({"status": "10"}, 400, "'10': Expected `int`, got `str`"),
        ({"status": 10.5}, 400, "10.5: Expected `int`, got `float`"),
        ({"status": True}, 400, "true: Expected `int`, got `bool`"),
        ({"status": 10, "at": "now"}, 400, "'now': Expected `float | null`"),
        ({"status": 10, "at": -1}, 400, "-1: Expected `float` >= 0"),
        ({"status": 10, "at": 1e300}, 400, "Expected `float` <="),
        ({"status": 10, "at": NOW + 3600}, 422, "check the compute engine's clock"),
        ({"status": 10, "detail": "x" * 1001}, 400, "Expected `str` of length <= 1000"),
        ({"status": 10, "exit_code": 2**31}, 400, "2147483648: Expected `int` <= 2147483647"),
        ({"status": 10, "nope": 1}, 400, "nope: is no field here; there are status, at"),
        ({"status": 40, "at": NOW}, 422, "is in 0 (Job started), and 40 (Running algorithm) does not follow"),
        ({"status": 71, "at": NOW}, 422, "does not follow; what follows: 1 (Job queued)"),
        ({"status": 70, "at": NOW}, 422, "does not follow"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else None,
)
async def test_an_event_that_is_wrong_or_skips_a_state_is_refused(
    house: House, body: dict[str, object], status: int, says: str
) -> None:
    await house.start("f", payment=...)
    await refused(house, "POST", "/v1/jobs/f/events", body, status=status, says=says)


async def test_an_event_after_the_end_is_refused(house: House) -> None:
    await house.start("f", payment=...)
    await house.report("f", 10, 11)
    await refused(house, "POST", "/v1/jobs/f/events", {"status": 20}, status=422, says="comes too late")


async def test_an_end_before_its_beginning_is_refused(house: House) -> None:
    await house.start("f", payment=...)
    await house.report("f", 10, 20, 30, 40)
    body = {"status": 60, "at": NOW + 10}
    await refused(house, "POST", "/v1/jobs/f/events", body, status=422, says="at: ")


@pytest.mark.parametrize("name", ["nope", "%20", "a'b", "x" * 5000, "\u2603", "..", "a\x00b"])
async def test_a_job_that_is_not_there_is_not_found_whatever_its_name(house: House, name: str) -> None:
    for method, rest, body in [
        ("GET", "", None),
        ("GET", "/settlement", None),
        ("GET", "/results", None),
        ("GET", "/results/0", None),
        ("POST", "/stop", None),
        ("POST", "/events", {"status": 10}),
    ]:
        problem = await refused(house, method, f"/v1/jobs/{name}{rest}", body, status=404, says="there is no job")
        assert problem["type"] == "/docs#unknown" and len(problem["detail"]) < 300


async def test_a_stop_takes_nothing_but_an_empty_object(house: House) -> None:
    await house.start("f", payment=...)
    await refused(house, "POST", "/v1/jobs/f/stop", {"now": True}, status=400, says="now: is no field here")


# ---- Queries


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"status": "x"}, "status[0]: 'x': Expected `int`"),
        ({"status": "99"}, "status[0]: '99': Invalid enum value 99"),
        ({"status": ""}, "status[0]: '': Expected `int`"),
        ({"status": "-1"}, "Invalid enum value -1"),
        ({"status": "0,,1"}, "status[1]: ''"),
        ({"status": ",".join("0" * 101)}, "Expected `array` of length <= 100"),
        ({"environment": ",".join(f"e{n}" for n in range(101))}, "Expected `array` of length <= 100"),
        ({"owner": ",".join([hexed(OWNER)] * 101)}, "Expected `array` of length <= 100"),
        ({"environment": "e" * 201}, "environment: 'eee"),
        ({"environment": ""}, "environment: '' is no name"),
        ({"from": "yesterday"}, "from: 'yesterday': Expected `float | null`"),
        ({"from": "nan"}, "from: 'nan': Expected `float`"),
        ({"from": "inf"}, "from: 'inf': Expected `float`"),
        ({"from": "-1"}, "from: '-1': Expected `float` >= 0"),
        ({"limit": "0"}, "limit: '0': Expected `int` >= 1"),
        ({"limit": "501"}, "limit: '501': Expected `int` <= 500"),
        ({"limit": "many"}, "limit: 'many': Expected `int`"),
        ({"limit": "9" * 5000}, "limit: '999"),
        ({"cursor": "nan_1"}, "cursor: 'nan_1' is none that an earlier page ended with"),
        ({"cursor": "1.0_" + "9" * 30}, "is none that an earlier page ended with"),
        ({"cursor": "'; drop"}, "is none that an earlier page ended with"),
        ({"sort": "id"}, "sort: is no field here; there are environment, status, owner, from, limit, cursor"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_query_that_is_wrong_is_refused(house: House, query: dict[str, str], says: str) -> None:
    await refused(house, "GET", "/v1/jobs", query=query, status=400, says=says)


async def test_a_single_value_that_is_there_twice_is_refused(house: House) -> None:
    query = [("limit", 1), ("limit", 2)]
    await refused(house, "GET", "/v1/jobs", query=query, status=400, says="limit: is there twice")


async def test_an_owner_that_is_no_address_is_refused(house: House) -> None:
    await refused(house, "GET", "/v1/jobs", query={"owner": "me"}, status=422, says="owner: 'me' is not a 20-byte")


async def test_what_takes_no_query_says_so(house: House) -> None:
    await refused(house, "GET", "/v1/environments", query={"x": 1}, status=400, says="x: is no field here")
    for cursor, says in (("0", "Expected `int` >= 1"), (str(2**63), "Expected `int` <="), ("x", "'x'")):
        await refused(house, "GET", "/v1/settlement/runs", query={"cursor": cursor}, status=400, says=says)


# ---- Paths, methods, and what is not the client's fault


async def test_an_unknown_path_and_a_wrong_method_are_told_in_words(house: House) -> None:
    for path in ("/v1/", "/v1/nope", "/v1/jobs/", "/v1/jobs/a/b/c/d", "/v1/webhooks"):
        await refused(house, "GET", path, status=404, says="there is nothing at")
    reply = await house.ask("DELETE", "/v1/jobs")
    assert (reply.status, reply.headers["allow"]) == (405, "POST, GET")
    assert "there are POST, GET" in reply.json["detail"]


async def test_what_needs_time_or_a_person_is_503_and_only_what_passes_says_when(house: House) -> None:
    house.cashier.trouble = TryLater("the chain does not answer", retry_after_s=2.5)
    reply = await house.ask("POST", "/v1/jobs", wish("a"))
    assert (reply.status, reply.headers["retry-after"], reply.json["type"]) == (503, "3", "/docs#try-later")
    house.cashier.trouble = NeedsOperator("the lane has no coin", lane=b"\x01\x02")
    reply = await house.ask("POST", "/v1/jobs", wish("a"))
    assert (reply.status, reply.json["type"]) == (503, "/docs#needs-operator")
    assert "retry-after" not in reply.headers
    assert reply.json["more"] == {"lane": "0x0102"}


async def test_a_bug_is_told_by_an_incident_and_nothing_of_it_gets_out(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.cashier.trouble = RuntimeError("secret inside")
    reply = await house.ask("POST", "/v1/jobs", wish("a"))
    assert (reply.status, reply.json["type"]) == (500, "/docs#bug")
    assert b"secret" not in reply.raw
    assert reply.json["incident"] in caplog.text and "secret inside" in caplog.text


async def test_a_page_from_elsewhere_may_not_ask(house: House) -> None:
    reply = await house.ask("GET", "/v1/jobs", headers={"origin": "http://elsewhere", "host": "here"})
    assert reply.status == 403


# ---- Gateways without a part


async def test_without_settlement_every_path_says_so_and_what_would_add_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, without_jobs=True) as house:
        for method, path in [("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/v1/x"), ("GET", "/docs")]:
            reply = await house.ask(method, path)
            assert (reply.status, reply.json["type"]) == (404, "/docs#no-settlement")
            for words in ("this gateway has no settlement", "[settlement]"):
                assert words in reply.json["detail"]


async def test_without_tasks_their_methods_say_so_and_what_would_add_them(house: House) -> None:
    for method in ("newt_createTask", "newt_sendTask"):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
        error = (await house.ask("POST", "/rpc", request)).json["error"]
        assert error["code"] == -32602
        assert "takes no tasks" in error["message"] and "[operators]" in error["message"]
    request = {"jsonrpc": "2.0", "id": 1, "method": "headrace_cancelOperation", "params": {"operation_id": "x"}}
    error = (await house.ask("POST", "/rpc", request)).json["error"]
    assert "there is no operation 'x'" in error["message"]
