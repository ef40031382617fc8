"""What one of locust's users does: asks for a task, waits for the answer, and asks again in their own time.

Promises  a request that was begun is said before it is sent, and its end is said whatever ends it.
Leaves    judging replies and trying again to `request` and `replies`, which the open loop follows, too; users'
          coming and going to `locust_users`. Loaded in the process of locust's users only.
"""

import math
import os
import random
import time
from typing import Final

import gevent
import msgspec
from gevent import GreenletExit
from geventhttpclient.useragent import RetriesExceeded
from locust import FastHttpUser, constant_pacing, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.exception import StopUser

from headrace.app.load import replies
from headrace.app.load.journal import Accepted, Entry, Refused, Unanswered, as_json
from headrace.app.load.replies import AskAgain, read_reply
from headrace.app.load.request import CONNECT_MAX_S, Asked, Tries, operation_name, request_body
from headrace.app.load.task_source import TaskSource
from headrace.app.load.users_words import TEXT_MAX, Answered, Began, Order, Word

# A user whose pacing divides the time is due again in the very moment it is up, and is not let in: 10 users with a
# pacing of 15 s make 200 requests in 300 s, not 201 to 210. A timer may be this early.
WAKES_EARLY_S: Final = 0.005
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
        # In a greenlet of its own, which locust does not know: it ends a user whom it takes for waiting at once,
        # and this one may have woken in the very moment. What was begun is answered, then the user goes.
        asking = gevent.spawn(self._ask, user, body, tries)
        try:
            asked = asking.get()
        except GreenletExit:
            asked = asking.get()
            raise
        finally:
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
                case Accepted() | Refused(code=replies.POLICY_REFUSED):
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
