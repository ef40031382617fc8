"""`headrace inspect`"""

import asyncio
from pathlib import Path

import click

from headrace.app.cli.options import check_writable, config_option, json_option, settings_path, write_json


@click.command()
@click.argument("id")
@config_option
@json_option
@click.pass_context
def inspect(context: click.Context, id: str, config: Path | None, json_file: str | None) -> None:
    """Tell the whole story of ID: what happened, in order, why, and what was done about it.

    \b
    An operation or a task:   its id
    A transaction:            its hash (of any attempt), the id of its batch, its nonce, or LANE/NONCE
    A lane:                   its address; where it stands, and what was done to it by hand

    Reads the store, so it works beside a running gateway and after it died.
    """
    from headrace.app.inspecting import Story, as_json, as_text, stories_of
    from headrace.app.settings import load_settings
    from headrace.store import open_reader

    check_writable(json_file)
    settings = load_settings(settings_path(config))

    async def read() -> list[Story]:
        async with open_reader(settings.store.path) as reader:
            return await stories_of(id, reader)

    stories = asyncio.run(read())
    if not stories:
        click.echo(
            f"{settings.store.path} has no operation, task, batch, transaction, nonce or lane {id}", err=True
        )
        context.exit(1)
    if json_file is not None:
        write_json(as_json(stories), json_file)
    if json_file != "-":
        click.echo("\n\n".join(as_text(story) for story in stories))
