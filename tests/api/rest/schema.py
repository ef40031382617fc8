"""Checks a value against a schema of an OpenAPI document: as much of JSON Schema as ours uses, and no more.

A keyword that is not known here fails: a schema must not promise what nobody checks.
"""

import re
from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_ABOUT = {"title", "description", "default", "format"}


def problems(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "$") -> list[str]:
    """Empty: it fits."""
    if "$ref" in schema:
        target: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(value, target, document, at)
    found: list[str] = []
    for keyword, wanted in schema.items():
        match keyword:
            case _ if keyword in _ABOUT:
                pass
            case "type":
                if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
                    return [f"{at}: {value!r} is no {wanted}"]
            case "enum":
                found += [] if value in wanted else [f"{at}: {value!r} is none of {wanted}"]
            case "anyOf":
                fits = any(not problems(value, each, document, at) for each in wanted)
                found += [] if fits else [f"{at}: {value!r} fits none of {wanted}"]
            case "pattern":
                fits = isinstance(value, str) and re.search(wanted, value)
                found += [] if fits else [f"{at}: {value!r} does not match {wanted}"]
            case "minimum":
                found += [] if value >= wanted else [f"{at}: {value} < {wanted}"]
            case "maximum":
                found += [] if value <= wanted else [f"{at}: {value} > {wanted}"]
            case "minLength" | "minItems" | "minProperties":
                found += [] if len(value) >= wanted else [f"{at}: {len(value)} < {wanted}"]
            case "maxLength" | "maxItems" | "maxProperties":
                found += [] if len(value) <= wanted else [f"{at}: {len(value)} > {wanted}"]
            case "items":
                for index, each in enumerate(value):
                    found += problems(each, wanted, document, f"{at}[{index}]")
            case "required":
                found += [f"{at}.{name} is missing" for name in wanted if name not in value]
            case "properties":
                for name in value.keys() & wanted.keys():
                    found += problems(value[name], wanted[name], document, f"{at}.{name}")
            case "additionalProperties":
                others = [name for name in value if name not in schema.get("properties", {})]
                for name in others:
                    if wanted is False:
                        found.append(f"{at}.{name} is no field")
                    elif isinstance(wanted, Mapping):
                        found += problems(value[name], wanted, document, f"{at}.{name}")
            case _:
                found.append(f"{at}: the keyword {keyword!r} is not known to this check")
    return found
