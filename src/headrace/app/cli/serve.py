"""`headrace serve`"""

import logging
import sys
from pathlib import Path

import click
import uvloop

from headrace.app.cli.options import config_option, settings_path


@click.command()
@config_option
def serve(config: Path | None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Waits for the chain if it is not there yet (/readyz says why). Refuses to start, naming every problem and its
    fix, where the contracts or the lanes do not fit the settings.
    """
    from headrace.app.gateway import run_gateway
    from headrace.app.settings import load_settings

    settings = load_settings(settings_path(config))
    logging.basicConfig(
        level=settings.gateway.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    uvloop.run(run_gateway(settings))
