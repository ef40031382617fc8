"""Objects of a request, read field by field.

Owns      the names of an object's fields: snake_case, their camelCase aliases, and those that are ignored.
Promises  a field nobody knows is refused by name; null is as good as absent.
"""

from collections.abc import Mapping
from typing import Final

from headrace.api.wire import shown, wrong

_NAME_CHARACTERS_MAX: Final = 60


class Fields:
    """What an object holds, by the snake_case names of its fields. `path` is the object's own."""

    __slots__ = ("_found", "path")

    def __init__(self, found: Mapping[str, object], path: str) -> None:
        self._found, self.path = found, path

    def get(self, name: str) -> object | None:
        return self._found.get(name)

    def need(self, name: str) -> object:
        """Raises FixTheRequest where it is absent."""
        value = self._found.get(name)
        if value is None:
            raise wrong(self.at(name), "is missing")
        return value

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Shape:
    """The fields an object may have. `ignored` are tolerated and never looked at."""

    def __init__(self, *names: str, ignored: tuple[str, ...] = ()) -> None:
        self.names = names
        self._plain = frozenset(names)
        self._by_alias = {alias: name for name in names for alias in (name, _camel(name))}
        self._ignored = frozenset(alias for name in ignored for alias in (name, _camel(name)))

    def read(self, value: object, path: str) -> Fields:
        """Raises FixTheRequest for what is no object, for unknown fields, and for one that is there twice."""
        if not isinstance(value, dict):
            raise wrong(path, f"{shown(value)} is not an object")
        if self._plain.issuperset(value) and None not in value.values():
            return Fields(value, path)  # nearly always, and quicker to see at once than field by field
        found: dict[str, object] = {}
        for alias, inner in value.items():
            name = self._by_alias.get(alias)
            if name is None:
                if alias in self._ignored:
                    continue
                here = alias[:_NAME_CHARACTERS_MAX]
                raise wrong(
                    f"{path}.{here}" if path else here, f"is no field here; there are {', '.join(self.names)}"
                )
            if inner is None:
                continue
            if name in found:
                raise wrong(f"{path}.{name}" if path else name, f"is there twice, as {name} and {_camel(name)}")
            found[name] = inner
        return Fields(found, path)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
