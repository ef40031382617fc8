"""`headrace jobs`: compute jobs and their payments, at a running gateway."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from headrace.app.cli.options import (
    AddressType,
    check_writable,
    config_option,
    json_option,
    settings_path,
    write_json,
)
from headrace.core.words import Address

if TYPE_CHECKING:
    from headrace.app.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
_PAGE: Final = 500
_REQUEST_BYTES_MAX: Final = 1 << 20
# What is asked for wrongly; the rest cannot be done as things are.
_ASKED_WRONGLY: Final = frozenset({400, 404, 405, 413, 415, 422})


class Moment(click.ParamType[float]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Unix seconds."""
        if isinstance(value, float):
            return value
        try:
            return float(value)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither unix seconds nor a date like 2026-11-21T14:00Z", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def gateway_option(command: F) -> F:
    return click.option("--url", help="The gateway, e.g. http://127.0.0.1:8645. Default: that of the settings.")(
        config_option(command)
    )


@click.group(invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """Start compute jobs, look after them and after their payments.

    A paid job has money locked for it before it runs. When its run is over its payment is due, and a claim run
    takes what it owes, together with others, or gives all of it back.

    \b
    What is there:                        headrace jobs list --status 71
    Start one (JSON of POST /v1/jobs):    headrace jobs start job.json
    How is it paid for, and what is next: headrace jobs show ID
    Claim what is due now:                headrace jobs settle
    A payment that needs a person:        headrace jobs list --payment needs_operator
    \b
      the trouble is gone, claim again:   headrace jobs retry ID
      nothing can be had:                 headrace jobs give-up ID --reason TEXT

    retry and give-up go to the gateway's operator's socket, which only its own user can reach; all others go to
    the port of clients (--url).
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@jobs.command("list")
@click.option("--status", "statuses", multiple=True, type=int, help="In any of these (0 to 71).")
@click.option("--environment", "environments", multiple=True, help="In any of these.")
@click.option("--owner", "owners", multiple=True, type=AddressType(), help="Of any of these.")
@click.option(
    "--from", "created_from", type=Moment(), help="Started at this time or later: unix seconds or a date."
)
@click.option("--payment", "payments", multiple=True, help="Of those, only with a payment in any of these states.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many at most.")
@gateway_option
@json_option
@click.pass_context
def list_(
    context: click.Context,
    statuses: Sequence[int] = (),
    environments: Sequence[str] = (),
    owners: Sequence[Address] = (),
    created_from: float | None = None,
    payments: Sequence[str] = (),
    limit: int = 100,
    url: str | None = None,
    config: Path | None = None,
    json_file: str | None = None,
) -> None:
    """List jobs, newest first."""
    from headrace.app.jobs_shown import jobs_table
    from headrace.core.settlement import SettlementState

    check_writable(json_file)
    known = [state.value for state in SettlementState]
    for payment in payments:
        if payment not in known:
            raise click.BadParameter(f"{payment!r} is none of {', '.join(known)}", param_hint="'--payment'")
    query = [
        *(("status", str(status)) for status in statuses),
        *(("environment", environment) for environment in environments),
        *(("owner", f"0x{owner.hex()}") for owner in owners),
        *((("from", repr(created_from)),) if created_from is not None else ()),
    ]
    found = _run(context, _pages(_url(url, config), query, payments, limit))
    _say_table(found, json_file, "jobs", jobs_table, "no job is like that")


@jobs.command()
@click.argument("id")
@gateway_option
@json_option
@click.pass_context
def show(context: click.Context, id: str, url: str | None, config: Path | None, json_file: str | None) -> None:
    """Tell all of job ID: its run, its payment with every transaction, and what happens next."""
    from headrace.app.jobs_shown import story

    check_writable(json_file)
    gateway, path = _url(url, config), f"/v1/jobs/{_in_path(id)}"

    async def both() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        return await _ask(gateway, "GET", path), await _ask(gateway, "GET", path + "/settlement")

    job, settlement = _run(context, both())
    if json_file is not None:
        write_json({"job": job, "settlement": settlement}, json_file)
    if json_file != "-":
        click.echo("\n".join(story(job, settlement)))


@jobs.command()
@click.argument("file", type=click.File("rb"))
@gateway_option
@json_option
@click.pass_context
def start(
    context: click.Context, file: IO[bytes], url: str | None, config: Path | None, json_file: str | None
) -> None:
    """Start the job that FILE describes (- for stdin), as the body of POST /v1/jobs.

    With an `id` in it the same file twice is one job. What is offered at what price: GET /v1/environments.

    \b
    {"id": "mine-1", "owner": "0x...", "environment": "local", "max_duration_s": 600,
     "algorithm": {"python": "print(6 * 7)"},
     "payment": {"chain_id": 31337, "token": "0x...", "resources": {"cpu": "1"}}}
    """
    check_writable(json_file)
    wish = _read_wish(file)
    job = _run(context, _ask(_url(url, config), "POST", "/v1/jobs", body=wish))
    if json_file is not None:
        write_json(job, json_file)
    if json_file != "-":
        terms = job["terms"]
        money = (
            "free" if terms is None else f"{terms['lock_amount']['tokens']} tokens to lock ({job['settlement']})"
        )
        click.echo(f"job {job['id']}: {job['status']} {job['status_text'].strip()}, {money}")


@jobs.command()
@click.argument("id")
@gateway_option
@json_option
@click.pass_context
def stop(context: click.Context, id: str, url: str | None, config: Path | None, json_file: str | None) -> None:
    """Ask for job ID to be stopped. What it used is billed. Exit 1 if its run is over already."""
    check_writable(json_file)
    answer = _run(context, _ask(_url(url, config), "POST", f"/v1/jobs/{_in_path(id)}/stop", body={}))
    if json_file is not None:
        write_json(answer, json_file)
    if json_file != "-":
        click.echo(f"job {answer['job']['id']}: {answer['detail']}")
    if answer["stop"] == "over":
        context.exit(1)


@jobs.command()
@gateway_option
@json_option
@click.pass_context
def settle(context: click.Context, url: str | None, config: Path | None, json_file: str | None) -> None:
    """Begin a claim run now, unless one goes on. Does not wait for it: `headrace jobs runs` tells how it went."""
    check_writable(json_file)
    answer = _run(context, _ask(_url(url, config), "POST", "/v1/settlement/runs", body={}))
    if json_file is not None:
        write_json(answer, json_file)
    if json_file != "-":
        what = "begins" if answer["begun"] else "goes on already; no other was begun"
        click.echo(f"claim run {answer['run']['id']} {what}")


@jobs.command()
@click.option("--limit", type=click.IntRange(1, _PAGE), default=20, show_default=True, help="So many at most.")
@gateway_option
@json_option
@click.pass_context
def runs(context: click.Context, limit: int, url: str | None, config: Path | None, json_file: str | None) -> None:
    """List claim runs, newest first: why each began, what became of jobs in it, what stood in its way."""
    from headrace.app.jobs_shown import runs_table

    check_writable(json_file)
    query = [("limit", str(limit))]
    answer = _run(context, _ask(_url(url, config), "GET", "/v1/settlement/runs", query=query))
    _say_table(answer["runs"], json_file, "runs", runs_table, "there was no claim run yet")


@jobs.command()
@click.argument("id")
@config_option
@json_option
@click.pass_context
def retry(context: click.Context, id: str, config: Path | None, json_file: str | None) -> None:
    """The payment of job ID, which needs a person, is due again: the coming claim run takes it.

    For when what hindered it is gone: the escrow's address was corrected, the node has caught up.
    """
    check_writable(json_file)
    answer = _run(context, _by_hand(_settings(config), "headrace_retryJob", job=id))
    _say_payment(answer, json_file, "the coming claim run takes it; `headrace jobs settle` begins one now")


@jobs.command("give-up")
@click.argument("id")
@click.option("--reason", required=True, help="Why nothing can be had. It stays with the job.")
@config_option
@json_option
@click.pass_context
def give_up(context: click.Context, id: str, reason: str, config: Path | None, json_file: str | None) -> None:
    """The payment of job ID, which needs a person, ends without proof: nothing can be had.

    For good: no claim run looks at it again. The job keeps the status that it has.
    """
    check_writable(json_file)
    answer = _run(context, _by_hand(_settings(config), "headrace_giveUpJob", job=id, reason=reason))
    _say_payment(answer, json_file, "no claim run looks at it again")


# ---- At the gateway


def _url(given: str | None, config: Path | None) -> str:
    from headrace.app.rest_client import url_of

    if given is not None:
        if not given.startswith(("http://", "https://")):
            raise click.BadParameter(f"{given!r} is no http:// or https:// URL", param_hint="'--url'")
        return given
    return url_of(_settings(config))


def _settings(config: Path | None) -> "Settings":
    from headrace.app.settings import load_settings

    return load_settings(settings_path(config))


async def _ask(url: str, method: str, path: str, **more: Any) -> Any:
    from headrace.app.rest_client import ask

    return await ask(url, method, path, **more)


async def _pages(
    url: str, query: list[tuple[str, str]], payments: Sequence[str], limit: int
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    cursor: str | None = None
    while True:
        size = _PAGE if payments else min(_PAGE, limit - len(found))
        page_query = [*query, ("limit", str(size)), *((("cursor", cursor),) if cursor is not None else ())]
        page = await _ask(url, "GET", "/v1/jobs", query=page_query)
        found += [job for job in page["jobs"] if not payments or job["settlement"] in payments]
        cursor = page["cursor"]
        if cursor is None or len(found) >= limit:
            return found[:limit]


async def _by_hand(settings: "Settings", method: str, **params: str) -> Mapping[str, Any]:
    """At the gateway, else at the store."""
    from headrace.app.control_client import NobodyThere, call_gateway
    from headrace.app.job_office import jobs_at_rest
    from headrace.core.job import JobId

    try:
        return await call_gateway(settings.control_socket, method, params)
    except NobodyThere:
        async with jobs_at_rest(settings) as office:
            id = JobId(params["job"])
            if method == "headrace_retryJob":
                job = await office.retry(id)
            else:
                job = await office.give_up(id, params["reason"])
            return {"job": job.id, "status": int(job.status), "settlement": job.settlement.state.value}


# ---- Words


def _in_path(id: str) -> str:
    from urllib.parse import quote

    if not id or "/" in id:
        raise click.BadParameter(f"{id!r} is no job's id", param_hint="'ID'")
    return quote(id, safe="")


def _read_wish(file: IO[bytes]) -> object:
    content = file.read(_REQUEST_BYTES_MAX + 1)
    if len(content) > _REQUEST_BYTES_MAX:
        raise click.BadParameter(f"has more than {_REQUEST_BYTES_MAX} bytes", param_hint="'FILE'")
    try:
        wish = json.loads(content)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON: {error}", param_hint="'FILE'") from None
    if not isinstance(wish, dict):
        raise click.BadParameter("is no JSON object", param_hint="'FILE'")
    return wish


Answer = TypeVar("Answer")


def _run(context: click.Context, work: Awaitable[Answer]) -> Answer:
    """What cannot be done as things are ends with 1, what is asked for wrongly with 2."""
    from headrace.app.rest_client import Refused
    from headrace.core.errors import FixTheRequest, TryLater

    async def wait() -> Answer:
        return await work

    try:
        return asyncio.run(wait())
    except Refused as refused:
        click.echo(refused.message, err=True)
        context.exit(2 if refused.status in _ASKED_WRONGLY else 1)
    except (FixTheRequest, TryLater) as refused:
        click.echo(refused.message, err=True)
        context.exit(2 if "field" in refused.data else 1)


def _say_table(
    rows: Sequence[Mapping[str, Any]],
    json_file: str | None,
    name: str,
    table: Callable[[Sequence[Mapping[str, Any]]], Any],
    nothing: str,
) -> None:
    from rich.console import Console

    if json_file is not None:
        write_json({name: list(rows)}, json_file)
    if json_file != "-":
        if rows:
            Console().print(table(rows))
        else:
            click.echo(nothing)


def _say_payment(answer: Mapping[str, Any], json_file: str | None, then: str) -> None:
    if json_file is not None:
        write_json(answer, json_file)
    if json_file != "-":
        click.echo(f"job {answer['job']}: its payment is {answer['settlement']}; {then}")
