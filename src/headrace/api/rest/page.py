"""`/docs`: the OpenAPI document as a page for people.

Promises  one page without scripts, and nothing from elsewhere: it can be read on a machine without a network.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from headrace.api.rest.problems import Kind

# Nothing is loaded, from here or from elsewhere; only the page's own style counts.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c2430;
       background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem }
h3 { font: 600 1rem ui-monospace, monospace; margin-top: 2rem; border-top: 1px solid #d5dbe3; padding-top: 1rem }
code, .method { font-family: ui-monospace, monospace; font-size: .9em }
.method { background: #1f5f8b; color: #fff; border-radius: 3px; padding: .1em .5em; margin-right: .5em }
table { border-collapse: collapse; width: 100%; font-size: .9rem } td, th { text-align: left; vertical-align: top;
        padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e8ecf1 } td:first-child { white-space: nowrap }
.needed { color: #a33 }
@media (prefers-color-scheme: dark) { body { background: #14181e; color: #dde3ea } a { color: #7fb8e0 }
        td, th, h3 { border-color: #303843 } .needed { color: #f08a8a } }
"""


def docs_page(document: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI document as `openapi_document` makes it."""
    info = document["info"]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])}</h1><p>{_words(info['description'])}</p>",
            '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>',
            "<h2>Contents</h2><ul>",
            *(
                f'<li><a href="#{operation["operationId"]}"><code>{method} {escape(path)}</code></a> '
                f"{_words(operation['summary'])}</li>"
                for path, method, operation in _operations(document)
            ),
            "</ul><h2>Requests</h2>",
            *(
                line
                for path, method, operation in _operations(document)
                for line in _operation(path, method, operation)
            ),
            "<h2>Forms</h2>",
            *(line for name, schema in document["components"]["schemas"].items() for line in _form(name, schema)),
            "<h2>Problems</h2><table><tr><th>type</th><th>status</th><th>what it is, what to do</th></tr>",
            *(
                f'<tr id="{kind.value}"><td><code>{kind.value}</code></td><td>{kind.status}</td>'
                f"<td>{_words(kind.title)}. {_words(kind.advice)}</td></tr>"
                for kind in Kind
            ),
            "</table></body></html>",
        ]
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{operation["operationId"]}"><span class="method">{method}</span>{escape(path)}</h3>'
    yield f"<p>{_words(operation['summary'])}</p>"
    if operation["parameters"]:
        yield "<table><tr><th>parameter</th><th>type</th><th></th></tr>"
        for each in operation["parameters"]:
            yield _row(each["name"], each["schema"], each.get("description", ""), needed=each["required"])
        yield "</table>"
    if "requestBody" in operation:
        yield f"<p>Body: {_type(operation['requestBody']['content']['application/json']['schema'])}</p>"
    yield "<table><tr><th>status</th><th>answer</th><th></th></tr>"
    for status, answer in operation["responses"].items():
        ((media, content),) = answer["content"].items()
        kind = _type(content["schema"])
        yield f"<tr><td>{status}</td><td>{kind}</td><td>{_words(answer['description'])}</td></tr>"
        assert media
    yield "</table>"


def _form(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="form-{escape(name)}">{escape(name)}</h3>'
    if "description" in schema:
        yield f"<p>{_words(schema['description'])}</p>"
    if "enum" in schema:
        yield f"<p>{_type(schema)}</p>"
        return
    yield "<table><tr><th>field</th><th>type</th><th></th></tr>"
    for field, each in schema.get("properties", {}).items():
        yield _row(field, each, each.get("description", ""), needed=field in schema.get("required", ()))
    yield "</table>"


def _row(name: str, schema: Mapping[str, Any], about: str, *, needed: bool) -> str:
    mark = ' <span class="needed">needed</span>' if needed else ""
    bounds = _bounds(schema)
    operation = " ".join(part for part in (_words(about), bounds) if part)
    return f"<tr><td><code>{escape(name)}</code>{mark}</td><td>{_type(schema)}</td><td>{operation}</td></tr>"


def _type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f'<a href="#form-{escape(name)}">{escape(name)}</a>'
        case {"anyOf": list(several)}:
            return " or ".join(_type(each) for each in several)
        case {"enum": list(values)}:
            return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict(inner)}:
            return f"object of {_type(inner)}"
        case {"type": str(name)}:
            return escape(name)
        case _:
            return "any JSON"


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {
        "minimum": "least",
        "maximum": "most",
        "maxLength": "at most that many characters:",
        "maxItems": "at most that many:",
        "maxProperties": "at most that many:",
        "pattern": "pattern",
        "default": "default",
    }
    found: dict[str, object] = {}
    for each in (schema, *schema.get("anyOf", ())):
        found |= {name: each[name] for name in words if each.get(name) not in (None, [])}
    return escape("; ".join(f"{words[name]} {value}" for name, value in found.items()))


def _words(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
