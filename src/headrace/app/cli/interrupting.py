"""What Ctrl-C means to a load: first no more requests, then the report at once, then the end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from headrace.app.load.stopping import Stop

T = TypeVar("T")


async def with_ctrl_c(work: Callable[[Stop], Awaitable[T]]) -> T:
    """Carries out `work` in the main thread, and hands it what a person asks by Ctrl-C. Raises Abort at the third.

    What `work` started has ended when this returns or raises."""
    stop = Stop()
    working = asyncio.ensure_future(work(stop))
    broken_off = False

    def pressed() -> None:
        nonlocal broken_off
        if stop.now.is_set():
            broken_off = True
            working.cancel()
        stop.ask()
        if not stop.now.is_set():
            click.echo(
                "no more requests; what is under way is waited for. Ctrl-C again: the report now",
                err=True,
            )

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, pressed)
    try:
        return await working
    except asyncio.CancelledError:
        if broken_off:
            raise click.Abort from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
