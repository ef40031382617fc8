"""The process in which locust's users live: `python -m headrace.app.load.locust_users`, for `users_process`.

Owns      locust: when its users come and go, its page. Reads an order from stdin, says on stdout what happens.
Promises  nothing but words on stdout; ends at once when its input ends, as it does when whoever started it dies.
Leaves    what a user does to `locust_user`. Locust's percentiles are not used: its statistics live in buckets,
          ours come from the journal.
"""

import os
import sys
import time
import traceback
from argparse import Namespace
from typing import Any, Final

import gevent
import msgspec
from gevent import Greenlet
from gevent import os as gevent_os
from gevent.event import Event
from locust.env import Environment
from locust.runners import LocalRunner
from locust.stats import stats_history

from headrace.app.load.locust_user import Requests, say, user_class
from headrace.app.load.profile import WebUi
from headrace.app.load.users_words import STOP, TEXT_MAX, Failed, Finished, Order, PageOpened, Word

PAGE_WITHIN_S: Final = 10.0
GRACE_S: Final = 5.0  # beyond a request's own deadline, for the user who makes it to come to its end


class Swarm:
    """One run of locust, from the first user to the last answer."""

    def __init__(self, order: Order) -> None:
        self._profile = order.profile
        self._requests = Requests(order)
        self._done = Event()
        self._users_most = 0
        self._was_busy = False
        self._broken: str | None = None
        self._clock: Greenlet | None = None
        self._environment = Environment(
            user_classes=[user_class(order, self._requests)],
            host=order.url,
            # A request under way when time is up is still answered.
            stop_timeout=order.limits.give_up_s + GRACE_S,
            parsed_options=Namespace(
                num_users=self._profile.users,
                spawn_rate=self._profile.spawn_rate_per_s,
                run_time=None,
                stats_history_enabled=True,
            ),
        )
        events = self._environment.events
        events.test_start.add_listener(self._on_start)
        events.user_error.add_listener(self._on_error)
        events.cpu_warning.add_listener(self._on_cpu_warning)

    def run(self) -> Word:
        """Returns the last word, when time is up or `stop` was called, and the users have gone."""
        runner = self._environment.create_local_runner()
        web_ui = self._profile.web_ui
        watch = gevent.spawn(self._count, runner)
        if web_ui is not None:
            failed = self._open_page(web_ui, runner)
            if failed is not None:
                return failed
        if web_ui is None or web_ui.start:
            runner.start(self._profile.users, self._profile.spawn_rate_per_s)
        self._done.wait()
        self._users_most = max(self._users_most, runner.user_count)
        if self._environment.web_ui is not None:
            self._environment.web_ui.stop()  # first: nobody starts users any more
        runner.quit()
        watch.kill()
        if self._broken is not None:
            return Failed(self._broken)
        return Finished(self._users_most, self._was_busy)

    def stop(self) -> None:
        self._done.set()

    def _on_start(self, **_: Any) -> None:
        if self._clock is None:  # time runs from the first start, whoever starts them again
            self._requests.end_s = time.monotonic() + self._profile.seconds
            self._clock = gevent.spawn_later(self._profile.seconds, self.stop)

    def _on_error(self, *, exception: BaseException, tb: Any, **_: Any) -> None:
        """What a user raises is a mistake of ours: everything of the network's is an answer."""
        self._broken = "".join(traceback.format_exception(type(exception), exception, tb))[-TEXT_MAX:]
        self.stop()

    def _on_cpu_warning(self, **_: Any) -> None:
        self._was_busy = True

    def _count(self, runner: LocalRunner) -> None:
        while True:
            self._users_most = max(self._users_most, runner.user_count)
            gevent.sleep(0.1)

    def _open_page(self, wanted: WebUi, runner: LocalRunner) -> Failed | None:
        page = self._environment.create_web_ui(wanted.host, wanted.port, delayed_start=True)
        gevent.spawn(stats_history, runner)  # its charts
        page.start()
        until_s = time.monotonic() + PAGE_WITHIN_S
        while page.server is None or not page.server.started:
            if page.greenlet is None or page.greenlet.dead or time.monotonic() > until_s:
                error = None if page.greenlet is None else page.greenlet.exception
                why = error or "no answer"
                return Failed(f"locust's page cannot be had at {wanted.host}:{wanted.port}: {why}")
            gevent.sleep(0.01)
        host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
        say(PageOpened(f"http://{host}:{page.server.server_port}/"))
        return None


class Input:
    """Lines from stdin, without standing in the users' way."""

    def __init__(self) -> None:
        gevent_os.make_nonblocking(0)
        self._rest = b""

    def line(self) -> bytes:
        """With its end; empty at the end of the input."""
        while b"\n" not in self._rest:
            chunk = gevent_os.nb_read(0, 1 << 16)
            if not chunk:
                return b""
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line + b"\n"


def _obey(words: Input, swarm: Swarm) -> None:
    while line := words.line():
        if line == STOP:
            swarm.stop()
    os._exit(1)  # nobody is there to be told anything


def main() -> int:
    words = Input()
    swarm = Swarm(msgspec.json.decode(words.line(), type=Order))
    gevent.spawn(_obey, words, swarm)
    last = swarm.run()
    say(last)
    return 0 if isinstance(last, Finished) else 1


if __name__ == "__main__":
    sys.exit(main())
