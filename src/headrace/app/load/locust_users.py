"""The process in which locust's users live: `python -m headrace.app.load.locust_users`, for `users_process`.

Owns      locust: its users, their pace, its page. Reads an order from stdin, says on stdout what happens.
Promises  a request that was begun is said before it is sent, and its end is said whatever ends it; nothing but
          words on stdout; ends at once when its input ends, which it does when whoever started it dies.
Leaves    judging replies and trying again to `request` and `replies`, which the open loop follows, too.
          Locust's percentiles are not used: its statistics live in buckets, ours come from the journal.
"""

import math
import os
import random
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
from geventhttpclient.useragent import RetriesExceeded
from locust import FastHttpUser, constant_pacing, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner
from locust.stats import stats_history

from headrace.app.load.journal import Accepted, Entry, Refused, Unanswered, as_json
from headrace.app.load.profile import WebUi
from headrace.app.load.replies import AskAgain, read_reply
from headrace.app.load.request import CONNECT_MAX_S, Asked, Tries, operation_name, request_body
from headrace.app.load.task_source import TaskSource
from headrace.app.load.users_words import (
    STOP,
    TEXT_MAX,
    Answered,
    Began,
    Failed,
    Finished,
    Order,
    PageOpened,
    Word,
)

PAGE_WITHIN_S: Final = 10.0
# A user whose pacing divides the time is due again in the very moment it is up, and is not let in: 10 users with a
# pacing of 15 s make 200 requests in 300 s, not 201 to 210. A timer may be this early.
WAKES_EARLY_S: Final = 0.005
GRACE_S: Final = 5.0  # beyond a request's own deadline, for the user who makes it to come to its end
_HEADERS: Final = {"content-type": "application/json"}


def say(word: Word) -> None:
    """A line on stdout. All greenlets are of one thread, and nothing switches in between."""
    line = msgspec.json.encode(word) + b"\n"
    while line:
        line = line[os.write(1, line) :]


class Requests:
    """Makes one request after another for whichever user comes: the next task, the next id."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._source = TaskSource(order.clients, chain_id=order.chain_id, seed=order.seed)
        self._chance = random.Random(order.seed)  # noqa: S311 - spreads retries, keeps no secret
        self._made = 0
        self.end_s = math.inf  # on the monotonic clock

    def make(self, user: FastHttpUser) -> None:
        """Returns when the answer is there, or will not come. Raises StopUser when time is up."""
        if time.monotonic() >= self.end_s - WAKES_EARLY_S:
            raise StopUser
        order = self._order
        wish = self._source.next()
        operation_id = operation_name(order.run_id, self._made)
        self._made += 1
        body = request_body(wish, operation_id, order.method, order.limits.timeout_s).decode()
        scheduled_at_s = time.monotonic()
        tries = Tries(scheduled_at_s, sent_at_s=scheduled_at_s, limits=order.limits, chance=self._chance)
        say(
            Began(
                operation_id=operation_id,
                kind=wish.kind,
                policy_client=wish.policy_client,
                scheduled_at_s=scheduled_at_s,
            )
        )
        asked = tries.give_up("the user was stopped before an answer")
        try:
            asked = self._ask(user, body, tries)
        finally:  # also when locust ends the user in the middle
            entry = Entry(
                operation_id=operation_id,
                kind=wish.kind,
                policy_client=wish.policy_client,
                scheduled_at_s=scheduled_at_s,
                sent_at_s=asked.sent_at_s,
                answered_at_s=asked.answered_at_s,
                attempts=asked.attempts,
                answer=_bounded(asked.answer),
            )
            say(Answered(dict(as_json(entry))))

    def _ask(self, user: FastHttpUser, body: str, tries: Tries) -> Asked:
        while True:
            reply = self._try(user, body, tries.deadline_s)
            judged = tries.judge(reply, time.monotonic())
            if isinstance(judged, Asked):
                return judged
            gevent.sleep(judged)

    def _try(self, user: FastHttpUser, body: str, deadline_s: float) -> Accepted | Refused | AskAgain:
        try:
            with gevent.Timeout(max(deadline_s - time.monotonic(), 0.001)):
                return self._post(user, body)
        except gevent.Timeout:  # locust takes it for a failed request, where it comes to it first
            return AskAgain("no reply in time")

    def _post(self, user: FastHttpUser, body: str) -> Accepted | Refused | AskAgain:
        order = self._order
        with user.client.request(
            "POST", order.url, name=order.method.value, data=body, headers=_HEADERS, catch_response=True
        ) as response:
            reply: Accepted | Refused | AskAgain
            try:
                content = response.content or b""
            except FAILURE_EXCEPTIONS as error:
                reply = AskAgain(_why(error))
            else:
                if response.status_code == 0:  # what locust says where there was no reply at all
                    reply = AskAgain(_why(response.error))
                else:
                    reply = read_reply(order.method, response.status_code, content)
            # What its page shows is what we make of a reply: a refusal may come with HTTP 200.
            match reply:
                case Accepted():
                    response.success()
                case Refused(message=why) | AskAgain(reason=why):
                    response.failure(why[:TEXT_MAX])
            return reply


def _why(error: BaseException) -> str:
    if isinstance(error, RetriesExceeded):  # there are none: it wraps a timeout, or a connection that broke
        return f"no reply: {error.kw_text.removeprefix('original=')}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _bounded(answer: Accepted | Refused | Unanswered) -> Accepted | Refused | Unanswered:
    match answer:
        case Refused(code=code, message=message):
            return Refused(code, message[:TEXT_MAX])
        case Unanswered(reason=reason):
            return Unanswered(reason[:TEXT_MAX])
        case _:
            return answer


def user_class(order: Order, requests: Requests) -> type[FastHttpUser]:
    """Someone who asks for a task, waits for the answer, and asks again in their own time."""

    class TaskUser(FastHttpUser):
        host = order.url
        wait_time = constant_pacing(order.profile.pacing_s)
        network_timeout = order.limits.silence_max_s
        connection_timeout = CONNECT_MAX_S
        insecure = False  # certificates are checked, as by the open loop
        concurrency = 1

        @task
        def ask_for_a_task(self) -> None:
            requests.make(self)

    return TaskUser


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
