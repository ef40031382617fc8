"""Options that several commands share, and where a command looks for settings that nobody named."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headrace.core.words import Address

F = TypeVar("F", bound=Callable[..., Any])

DEFAULTS = (Path("headrace.toml"), Path(".headrace/latest/headrace.toml"))


class AddressType(click.ParamType[Address]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        from headrace.chain.hexes import Malformed, read_address

        if isinstance(value, bytes):
            return Address(value)
        try:
            return read_address(value, "address")
        except Malformed as error:
            self.fail(str(error), param, ctx)


class ListenType(click.ParamType[str]):
    """HOST:PORT, as given."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        host, _, port = str(value).rpartition(":")
        if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8089 or [::1]:0.", param, ctx)
        return str(value)


class FiniteRange(click.FloatRange):
    """Neither nan nor infinite, which compare as if they were in range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


# Of a rate and of seconds: their product is a number of requests that can be counted.
LOAD_RANGE = FiniteRange(min=0, max=1_000_000, min_open=True)


def config_option(command: F) -> F:
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="HEADRACE_CONFIG",
        help="The settings file. Default: ./headrace.toml, else that of the latest demo in this folder.",
    )(command)


def json_option(command: F) -> F:
    return click.option(
        "--json", "json_file", metavar="FILE", help="Write the result as JSON to FILE (- for stdout)."
    )(command)


def settings_path(given: Path | None) -> Path:
    """Raises UsageError where there is none."""
    if given is not None:
        return given
    for path in DEFAULTS:
        if path.exists():
            return path
    raise click.UsageError("no settings: name the file with --config (there is no ./headrace.toml)")


def write_json(value: object, file: str) -> None:
    text = json.dumps(value, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def check_writable(file: str | None, *, option: str = "--json") -> None:
    """Before minutes of work, not after. Raises BadParameter."""
    if file is None or file == "-":
        return
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()  # not touch(): a folder can be touched
    except OSError as error:
        raise click.BadParameter(f"{file}: cannot be written: {error.strerror}", param_hint=option) from None
