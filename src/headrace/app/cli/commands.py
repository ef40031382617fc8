"""The commands, and what their errors say."""

import logging
import os
import sys
from typing import NoReturn

import click

from headrace.app.cli.bench import bench
from headrace.app.cli.demo import demo
from headrace.app.cli.deploy import deploy
from headrace.app.cli.inspect import inspect
from headrace.app.cli.jobs import jobs
from headrace.app.cli.lanes import lanes
from headrace.app.cli.loadtest import loadtest
from headrace.app.cli.operator import operator
from headrace.app.cli.serve import serve
from headrace.app.cli.status import status
from headrace.core.errors import HeadraceError
from headrace.core.ports import NodeTrouble

log = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="headrace")
def headrace() -> None:
    """Takes many small on-chain actions and lands them in few transactions: fast, provably, exactly once.

    \b
    See it work, on this machine, with nothing set up:   headrace demo
    Put the contracts on a chain:                        headrace deploy --config headrace.toml --env NAME
    Run the gateway:                                     headrace serve --config headrace.toml
    What became of a task, and why:                      headrace inspect ID
    Take a key out of work, and back:                    headrace lanes
    Start compute jobs, look after their payments:       headrace jobs
    Measure a claim of the README, in a checkout:        headrace bench
    """


for command in (demo, serve, operator, deploy, loadtest, bench, status, inspect, lanes, jobs):
    headrace.add_command(command)


def run() -> NoReturn:
    try:
        # In this mode click answers with the code of `context.exit`, and with None where a command just returns.
        sys.exit(headrace.main(standalone_mode=False))
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except HeadraceError as error:
        problems = error.data.get("problems")
        if isinstance(problems, list):
            what = error.message.partition(": ")[0]
            _fail([f"{what}: {len(problems)} problem(s)", *(f"  {problem}" for problem in problems)])
        _fail([error.message])
    except NodeTrouble as trouble:
        _fail([f"the chain does not answer: {trouble}"])
    except OSError as error:  # a full disk, mostly; where in the program is for the log
        log.debug("%s", error, exc_info=True)
        _leave_unsaid()
        _fail([str(error)], code=1)


def _fail(lines: list[str], *, code: int = 2) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


def _leave_unsaid() -> None:
    """What stdout would not take is not offered to it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
