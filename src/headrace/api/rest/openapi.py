"""The OpenAPI 3.1 document of `/v1`, made from the endpoints and their forms.

Promises  nothing in it is written twice: what is checked is what is documented.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import msgspec.inspect
from msgspec import Struct

from headrace.api.rest.endpoint import Answer, Endpoint
from headrace.api.rest.problems import MEDIA_TYPE, Kind, ProblemForm

_REF: Final = "#/components/schemas/{name}"
_INTRODUCTION: Final = (
    "Compute jobs and their settlement. Times are unix seconds. Amounts of a token are decimal text: "
    "`units` of its smallest unit, `tokens` of whole ones. Errors are problem details (RFC 9457)."
)


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    forms = _forms(endpoints)
    schemas, components = msgspec.json.schema_components(list(forms), ref_template=_REF)
    references = dict(zip(forms, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _described(endpoint, references)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "Headrace /v1", "version": version, "description": _INTRODUCTION},
        "paths": paths,
        "components": {"schemas": components},
    }


def _forms(endpoints: Sequence[Endpoint]) -> list[type[Struct]]:
    forms: dict[type[Struct], None] = {ProblemForm: None}
    for endpoint in endpoints:
        found = [endpoint.body, *(answer.form for answer in endpoint.answers.values())]
        forms |= {form: None for form in found if form is not None}
    return list(forms)


def _described(endpoint: Endpoint, references: Mapping[type[Struct], Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_of_path(endpoint), *_of_query(endpoint.query)],
        "responses": {
            **{str(status): _success(answer, references) for status, answer in endpoint.answers.items()},
            **_problems(endpoint.all_problems, references),
        },
    }
    if endpoint.body is not None:
        described["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(endpoint.body)),
            "content": {"application/json": {"schema": references[endpoint.body]}},
        }
    return described


def _of_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": what, "schema": {"type": "string"}}
        for name, what in endpoint.parameters.items()
    ]


def _of_query(query: type[Struct]) -> list[dict[str, Any]]:
    # Inline: a query is no object that is sent, it only is one in here.
    (reference,), components = msgspec.json.schema_components([query], ref_template="{name}")
    schema = components[reference["$ref"]]
    parameters = []
    for name, each in schema["properties"].items():
        described = {key: value for key, value in _inlined(each, components).items() if key != "description"}
        parameter = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": described,
        }
        if "description" in each:
            parameter["description"] = each["description"]
        parameters.append(parameter)
    return parameters


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    match schema:
        case {"$ref": str(name)}:
            return _inlined(components[name], components)
        case dict():
            return {key: _inlined(value, components) for key, value in schema.items()}
        case list():
            return [_inlined(value, components) for value in schema]
        case _:
            return schema


def _success(answer: Answer, references: Mapping[type[Struct], Any]) -> dict[str, Any]:
    if answer.form is None:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": references[answer.form]}}
    return {"description": answer.means, "content": content}


def _problems(kinds: Sequence[Kind], references: Mapping[type[Struct], Any]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(f"{kind.title}. {kind.advice}")
    return {
        str(status): {
            "description": " Or: ".join(said),
            "content": {MEDIA_TYPE: {"schema": references[ProblemForm]}},
        }
        for status, said in sorted(by_status.items())
    }
