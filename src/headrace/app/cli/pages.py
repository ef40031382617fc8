"""`--html FILE`: a load run as one page, for commands that offer load.

Promises  what would stop the page from being written is said before the load; plotly is loaded only for a page.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from headrace.app.cli.options import check_writable

if TYPE_CHECKING:
    from headrace.app.page.writing import RunToShow

F = TypeVar("F", bound=Callable[..., Any])

# Where results go, not what is run.
_OUTPUTS: Final = ("html", "json_file", "journal", "serve")


def html_option(command: F) -> F:
    return click.option(
        "--html",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write the run as a page with charts, in one file.",
    )(command)


def check_html(file: Path | None) -> None:
    """Before minutes of work, not after. Raises UsageError where plotly is missing, BadParameter for the file."""
    if file is None:
        return
    if find_spec("plotly") is None:
        raise click.UsageError('--html draws with plotly, which is not installed: pip install "headrace[load]"')
    check_writable(str(file), option="--html")


def write_html(context: click.Context, file: Path | None, runs: Sequence["RunToShow"]) -> None:
    """Raises ClickException where the file can be written no more."""
    from headrace.app.page.writing import write_page
    from headrace.app.report_rows import what_ran

    if file is None:
        return
    try:
        write_page(file, f"Headrace {what_ran(runs[0].report)}", runs, again=again(context))
    except OSError as error:
        raise click.ClickException(f"--html {file}: cannot be written: {error.strerror}") from None


def again(context: click.Context) -> str:
    """The command that was given, less where its results went. Of a URL only the host: the rest may be a key."""
    words = ["headrace", *context.command_path.split()[-_depth(context) :]]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if (
            not isinstance(parameter, click.Option)
            or parameter.name in _OUTPUTS
            or context.get_parameter_source(parameter.name or "") is not ParameterSource.COMMANDLINE
        ):
            continue
        name = parameter.opts[0]
        if parameter.is_flag:
            words.append(name)
        else:
            for one in _each(value):
                words += [name, _text(one)]
    return shlex.join(words)


def _depth(context: click.Context) -> int:
    """How many names lie between the program and this command."""
    depth, parent = 0, context.parent
    while parent is not None:
        depth, parent = depth + 1, parent.parent
    return depth or 1


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return text if text.rstrip("/") == origin else f"{origin}/..."
