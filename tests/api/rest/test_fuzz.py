"""Whatever JSON comes: never a 5xx that is ours, never anything but JSON or a problem."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from api.rest.house import ALL_STATUSES, OWNER, TOKEN, House, hexed, payment, wish

pytestmark = pytest.mark.asyncio(loop_scope="module")

_texts = some.text(max_size=40) | some.sampled_from(
    ["", "a", "0x", hexed(OWNER), hexed(TOKEN), "1", "-1", "1e9", "NaN", "\x00", "small", "0.5", "../..", "%00"]
)
_numbers = (
    some.integers(-(2**70), 2**70)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.sampled_from([*ALL_STATUSES, 31337, 1.7e9, 2**63, 2**31])
)
_json = some.recursive(
    some.none() | some.booleans() | _numbers | _texts,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_PLACES = [*wish("a"), "queue_max_wait_s", "nope"]
_UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_quick = settings(max_examples=150, deadline=None, suppress_health_check=_UNHURRIED)
_SILENT = ["/v1/jobs/events-free/stop", "/v1/settlement/runs", "/v1/jobs/no/stop"]


def acceptable(status: int, raw: bytes, headers: dict[str, str]) -> None:
    """503 only where the service says in words that it passes, which here is an event before a lock."""
    assert status < 500 or (status == 503 and b"before its lock" in raw), (status, raw)
    body = json.loads(raw)
    if status >= 400:
        assert headers["content-type"] == "application/problem+json" and body["status"] == status, raw
        assert body["detail"] and len(body["detail"]) < 2000


async def try_it(house: House, method: str, path: str, body: object) -> None:
    # As hypothesis may make texts that no UTF-8 has: those go as escapes.
    reply = await house.ask(method, path, raw=json.dumps(body).encode())
    acceptable(reply.status, reply.raw, reply.headers)


@_quick
@given(body=_json)
async def test_any_json_for_a_start(shared: House, body: Any) -> None:
    await try_it(shared, "POST", "/v1/jobs", body)


@_quick
@given(changes=some.dictionaries(some.sampled_from(_PLACES), _json, max_size=3))
async def test_a_good_start_with_anything_in_some_of_its_places(shared: House, changes: dict[str, Any]) -> None:
    await try_it(shared, "POST", "/v1/jobs", wish("fuzz") | changes)


@_quick
@given(
    changes=some.dictionaries(some.sampled_from([*payment(), "nope"]), _json, max_size=2),
    amounts=some.dictionaries(_texts, _texts | _json, max_size=3),
)
async def test_a_good_start_with_anything_in_its_payment(
    shared: House, changes: dict[str, Any], amounts: dict[str, Any]
) -> None:
    await try_it(shared, "POST", "/v1/jobs", wish(..., payment=payment(resources=amounts) | changes))


@_quick
@given(
    event=some.fixed_dictionaries(
        {"status": some.sampled_from(ALL_STATUSES) | _json},
        optional={"at": _numbers | _json, "detail": _json, "exit_code": _numbers, "out_of_memory": _json},
    )
)
async def test_any_event_for_jobs_that_are_there(shared: House, event: dict[str, Any]) -> None:
    for name, changes in (("free", {"payment": ...}), ("paid", {})):
        await shared.ask("POST", "/v1/jobs", wish(f"events-{name}", **changes))
        await try_it(shared, "POST", f"/v1/jobs/events-{name}/events", event)


@_quick
@given(body=_json, path=some.sampled_from(_SILENT))
async def test_any_json_where_nothing_has_to_be_said(shared: House, body: Any, path: str) -> None:
    await try_it(shared, "POST", path, body)


@_quick
@given(
    query=some.lists(
        some.tuples(
            some.sampled_from(["environment", "status", "owner", "from", "limit", "cursor", "x"]),
            _texts | _numbers.map(str) | some.sampled_from(["1.0_1", "1_", "_1", "1e5_1", "0,71", ",", "1" * 400]),
        ),
        max_size=4,
    ),
    path=some.sampled_from(["/v1/jobs", "/v1/settlement/runs", "/v1/environments", "/v1/jobs/events-free"]),
)
async def test_any_query(shared: House, query: list[tuple[str, str]], path: str) -> None:
    pairs = [(name, value.encode(errors="replace")) for name, value in query]
    reply = await shared.ask("GET", path, query=pairs)
    acceptable(reply.status, reply.raw, reply.headers)


@_quick
@given(raw=some.binary(max_size=200))
async def test_any_bytes(shared: House, raw: bytes) -> None:
    reply = await shared.ask("POST", "/v1/jobs", raw=raw or b"{")
    acceptable(reply.status, reply.raw, reply.headers)
