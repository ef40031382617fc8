"""The document, the page and the routes say the same, and real answers are as they say."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from api.rest.house import GOOD, House, Reply, open_house, wish
from api.rest.schema import problems
from api.rest.test_results import archive
from api.rest.test_settlement import PROOF, change, claiming
from headrace.api.rest.problems import Kind
from headrace.core.settlement import Claimed


async def document_of(house: House) -> Any:
    return await house.get("/openapi.json")


def fits(reply: Reply, method: str, path: str, document: Mapping[str, Any]) -> None:
    """`path` as in the document."""
    described = document["paths"][path][method.lower()]["responses"]
    assert str(reply.status) in described, (method, path, reply)
    ((media, content),) = described[str(reply.status)]["content"].items()
    assert reply.headers["content-type"] == media
    if media != "application/octet-stream":
        assert problems(reply.json, content["schema"], document) == []


async def test_every_route_is_in_the_document_and_the_document_has_no_other(house: House) -> None:
    document = await document_of(house)
    routes = [route for route in house.app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]
    doors = {
        (route.path, method): route.endpoint.__self__.by_method[method]  # type: ignore[attr-defined]
        for route in routes
        if route.path.startswith("/v1/") and route.path != "/v1/{rest:path}"
        for method in route.endpoint.__self__.by_method  # type: ignore[attr-defined]
    }
    described = {
        (path, method.upper()): said
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    }
    assert doors.keys() == described.keys()
    assert {key: door.name for key, door in doors.items()} == {k: s["operationId"] for k, s in described.items()}
    assert set(re.findall(r"\{(\w+)\}", " ".join(document["paths"]))) == {"id", "index"}


async def test_the_surface_that_others_rely_on_is_there(house: House) -> None:
    paths = (await document_of(house))["paths"]
    assert {(m.upper(), path) for path, methods in paths.items() for m in methods} >= {
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/{id}"),
        ("POST", "/v1/jobs/{id}/events"),
        ("POST", "/v1/jobs/{id}/stop"),
        ("GET", "/v1/jobs/{id}/settlement"),
        ("POST", "/v1/settlement/runs"),
        ("GET", "/v1/settlement/runs"),
    }
    parameters = [each["name"] for each in paths["/v1/jobs"]["get"]["parameters"]]
    assert parameters == ["environment", "status", "owner", "from", "limit", "cursor"]


async def test_the_document_is_whole(house: House) -> None:
    document = await document_of(house)
    assert document["openapi"] == "3.1.0" and document["info"]["version"]
    names = set(document["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document))) <= names
    operations = [said["operationId"] for methods in document["paths"].values() for said in methods.values()]
    assert len(operations) == len(set(operations))


async def test_real_answers_are_as_the_document_says(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        document = await document_of(house)

        async def checked(method: str, path: str, template: str, body: object = None, **query: object) -> None:
            fits(await house.ask(method, path, body, query=query), method, template, document)

        await checked("POST", "/v1/jobs", "/v1/jobs", wish("a"))
        await checked("POST", "/v1/jobs", "/v1/jobs", wish("a", payment=...))  # 409
        await checked("POST", "/v1/jobs", "/v1/jobs", wish("b", owner="x"))  # 422
        await checked("POST", "/v1/jobs", "/v1/jobs", {"owner": 1})  # 400
        await checked("POST", "/v1/jobs", "/v1/jobs", wish("f", payment=..., metadata=...))
        await checked("POST", "/v1/jobs/a/events", "/v1/jobs/{id}/events", {"status": 10})  # 503
        await house.started_and_locked("a")
        for status in GOOD:
            event = {"status": status, "at": house.clock.now(), "exit_code": 1 if status == 71 else None}
            await checked("POST", "/v1/jobs/a/events", "/v1/jobs/{id}/events", event)
            await checked("GET", "/v1/jobs/a", "/v1/jobs/{id}")
            await checked("GET", "/v1/jobs/a/settlement", "/v1/jobs/{id}/settlement")
            house.clock.advance(60)
        await checked("POST", "/v1/jobs/f/stop", "/v1/jobs/{id}/stop")
        await checked("GET", "/v1/jobs", "/v1/jobs", limit=1)
        await checked("GET", "/v1/jobs", "/v1/jobs", limit="x")
        await checked("GET", "/v1/jobs/f/settlement", "/v1/jobs/{id}/settlement")
        await checked("GET", "/v1/jobs/nope/settlement", "/v1/jobs/{id}/settlement")
        await change(house, "a", claiming("a", 1), Claimed(1, PROOF))
        await checked("GET", "/v1/jobs/a/settlement", "/v1/jobs/{id}/settlement")
        await checked("POST", "/v1/settlement/runs", "/v1/settlement/runs")
        await checked("GET", "/v1/settlement/runs", "/v1/settlement/runs")
        await checked("GET", "/v1/environments", "/v1/environments")
        await checked("GET", "/v1/jobs/a/results", "/v1/jobs/{id}/results")  # 404
    (tmp_path / "2").mkdir()
    async with open_house(tmp_path / "2", engine=archive(tmp_path)) as house:
        await house.start("f", payment=...)
        fits(await house.ask("GET", "/v1/jobs/f/results"), "GET", "/v1/jobs/{id}/results", document)
        fits(await house.ask("GET", "/v1/jobs/f/results/0"), "GET", "/v1/jobs/{id}/results/{index}", document)


async def test_requests_that_are_taken_fit_the_document_too(house: House) -> None:
    document = await document_of(house)
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert problems(wish("a"), body, document) == []
    assert problems(wish(..., payment=..., metadata=[1]), body, document) == []
    assert problems(wish("a", owner="me"), body, document) and problems({}, body, document)


def test_the_check_of_schemas_finds_what_does_not_fit() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
    closed = schema | {"additionalProperties": False}
    assert problems({"a": 1}, closed, {}) == []
    for wrong in ({}, {"a": 0}, {"a": "1"}, {"a": True}, {"a": 1, "b": 2}, []):
        assert problems(wrong, closed, {}), wrong
    assert problems(1, {"multipleOf": 2}, {}) == ["$: the keyword 'multipleOf' is not known to this check"]


# ---- The page


async def test_the_page_shows_every_operation_form_and_problem(house: House) -> None:
    reply = await house.ask("GET", "/docs")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page, document = reply.raw.decode(), await document_of(house)
    for path, methods in document["paths"].items():
        assert path in page
        for said in methods.values():
            assert f'<h3 id="{said["operationId"]}">' in page
    for name in document["components"]["schemas"]:
        assert f'id="form-{name}"' in page
    for link in set(re.findall(r'href="#([^"]+)"', page)):
        assert f'id="{link}"' in page


@pytest.mark.parametrize("kind", Kind)
async def test_the_type_of_a_problem_leads_to_its_place_on_the_page(house: House, kind: Kind) -> None:
    assert f'id="{kind.value}"' in (await house.ask("GET", "/docs")).raw.decode()
    assert kind.title and kind.advice.endswith(".")


async def test_the_page_loads_nothing_and_runs_nothing(house: House) -> None:
    reply = await house.ask("GET", "/docs")
    page = reply.raw.decode()
    assert not re.findall(r"https?://|//[a-z]|<script|<link|<img|@import|url\(", page)
    assert set(re.findall(r'(?:href|src)="([^"#][^"]*)"', page)) == {"/openapi.json"}
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
