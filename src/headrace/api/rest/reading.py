"""From bytes and queries to forms: what does not fit is refused with its place and its value.

Owns      how a body is read as JSON, and how a query's texts become numbers and lists.
Promises  nothing of a form that is not whole and within its bounds; every refusal is `Malformed`.
Leaves    the bounds themselves to the forms.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Struct

from headrace.api.body import nests_deeper
from headrace.api.rest.problems import Malformed
from headrace.api.wire import shown

Form = TypeVar("Form", bound=Struct)

_QUERY_PARTS_MAX: Final = 1_000
_AT: Final = re.compile(r"(.*?)(?: - at (?:key in )?`\$(.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_NAMED: Final = re.compile(r"(?:unknown|required) field `(.*?)`", re.DOTALL)


def read_json(body: bytes, form: type[Form], *, depth_max: int) -> Form:
    """An absent body is an empty object. Raises Malformed."""
    if nests_deeper(body, depth_max):
        raise Malformed(f"the body nests deeper than {depth_max} levels")
    try:
        content = msgspec.json.decode(body.strip() or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}") from None
    return _converted(content, form, strict=True)


def read_query(pairs: Sequence[tuple[str, str]], form: type[Form]) -> Form:
    """`pairs` as they came, decoded. What the form has as a list may be repeated, or have commas between its
    values. Raises Malformed."""
    lists = _lists(form)
    if len(pairs) > _QUERY_PARTS_MAX:
        raise Malformed(f"the query has {len(pairs)} parameters; {_QUERY_PARTS_MAX} are read")
    content: dict[str, object] = {}
    for name, value in pairs:
        if name in lists:
            values = content.setdefault(name, [])
            assert isinstance(values, list)
            values += value.split(",")
        elif name in content:
            raise Malformed(f"{name}: is there twice", field=name)
        else:
            content[name] = value
    return _converted(content, form, strict=False)


def compact(value: object) -> str:
    """The same JSON always as the same text, so that its digest does not hang on spaces and the order of keys."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _lists(form: type[Struct]) -> set[str]:
    info = msgspec.inspect.type_info(form)
    assert isinstance(info, msgspec.inspect.StructType), form
    kinds = {each.encode_name: each.type for each in info.fields}
    bare = {n: kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind for n, kind in kinds.items()}
    return {name for name, kind in bare.items() if isinstance(kind, msgspec.inspect.ListType)}


def _converted(content: object, form: type[Form], *, strict: bool) -> Form:
    try:
        return msgspec.convert(content, form, strict=strict)
    except msgspec.ValidationError as error:
        raise _malformed(content, form, str(error)) from None


def _malformed(content: object, form: type[Struct], said: str) -> Malformed:
    match = _AT.fullmatch(said)
    assert match is not None, said
    problem, path = match[1], match[2] or ""
    value: object = content
    names: list[str] = []
    for step in _STEP.finditer(path):
        name = step[1] or step[2]
        names.append(name if step[1] else f"[{name}]")
        if isinstance(value, dict):
            value = value.get(name, _HIDDEN)
        elif isinstance(value, list) and name.isdecimal():
            value = value[int(name)]
        else:
            value = _HIDDEN
    field = ".".join(names).replace(".[", "[")
    if (named := _NAMED.search(problem)) is not None:
        inner = f"{field}.{named[1][:60]}" if field else named[1][:60]
        if "unknown" in problem:
            return Malformed(f"{inner}: is no field here{_known(field, form)}", field=inner)
        return Malformed(f"{inner}: is missing", field=inner)
    said_of = "" if value is _HIDDEN else f"{shown(value)}: "
    where = f"{field}: " if field else "the body: "
    return Malformed(f"{where}{said_of}{problem}", **({"field": field} if field else {}))


_HIDDEN: Final = object()


def _known(field: str, form: type[Struct]) -> str:
    if field:
        return ""
    return f"; there are {', '.join(f.encode_name for f in msgspec.structs.fields(form))}"
