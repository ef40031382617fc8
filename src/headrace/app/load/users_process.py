"""Has locust's users offer a load, in a process of their own, and keeps the journal of what they say.

Owns      that process: its start, its end, what it says when it fails.
Promises  entries arrive as they happen; each request that was begun ends as exactly one entry, however this ends;
          the process dies with ours. gevent, which locust needs and which changes the standard library beneath all
          that is loaded later, never comes near our loop.
Leaves    what a user does to `locust_users`.
"""

import asyncio
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Final, assert_never

import msgspec

from headrace.app.load.journal import Entry, Journal, Unanswered, from_json
from headrace.app.load.stopping import Stop
from headrace.app.load.users_words import (
    LINE_BYTES_MAX,
    STOP,
    Answered,
    Began,
    Failed,
    Finished,
    Order,
    PageOpened,
    Word,
)
from headrace.testing.child_process import start_child

# -P: a `locust.py` in the folder that somebody happens to be in is not locust.
COMMAND: Final = (sys.executable, "-P", "-m", "headrace.app.load.locust_users")
LAST_LINES: Final = 20
_decoder = msgspec.json.Decoder(Word)


class LocustMissing(Exception):
    """Users need locust, and it is not installed. The message says how to get it."""


class UsersFailed(Exception):
    """The users' process could not go on. The message has its last words."""


def require_locust() -> None:
    """Looks for it without loading it. Raises LocustMissing."""
    if importlib.util.find_spec("locust") is None:
        raise LocustMissing(
            'users are made by locust, which is not installed: pip install "headrace[load]". '
            "An open loop (--rate) does without."
        )


async def offer_by_users(
    order: Order,
    journal: Journal,
    *,
    stop: Stop | None = None,
    on_page: Callable[[str], None] = lambda url: None,
) -> Finished:
    """Returns when the profile's time is up or `stop.no_more` was asked for, and every request that was begun is
    in the journal. `on_page` gets the address of locust's page, where one was ordered.

    Raises LocustMissing, UsersFailed."""
    require_locust()
    listening = _Listening(journal, on_page)
    code: int | None = None
    async with start_child(
        COMMAND,
        env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
        read_max=LINE_BYTES_MAX,
        talks=True,
    ) as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        last_lines: deque[str] = deque(maxlen=LAST_LINES)
        try:
            async with asyncio.TaskGroup() as tasks:
                helping = [tasks.create_task(_keep(child.stderr, last_lines), name="users' stderr")]
                if stop is not None:
                    helping.append(tasks.create_task(_pass_on(stop, child.stdin), name="users' stop"))
                child.stdin.write(msgspec.json.encode(order) + b"\n")
                last = await listening.until_last(child.stdout)
                if last is None:
                    code = await child.wait()
                    await asyncio.wait(helping[:1], timeout=1.0)  # its last words are in the pipe
                for task in helping:
                    task.cancel()
        finally:
            listening.close()
    match last:
        case Finished():
            return last
        case Failed(why=why):
            raise UsersFailed(why)
        case None:
            said = "\n".join(last_lines) or "it said nothing"
            raise UsersFailed(f"the process of locust's users ended with {code} before its time: {said}")
        case _:
            assert_never(last)


class _Listening:
    def __init__(self, journal: Journal, on_page: Callable[[str], None]) -> None:
        self._journal = journal
        self._on_page = on_page
        self._open: dict[str, Began] = {}

    async def until_last(self, words: asyncio.StreamReader) -> Finished | Failed | None:
        """None: it fell silent without a last word."""
        while line := await words.readline():
            word = _decoder.decode(line)
            match word:
                case Began():
                    self._open[word.operation_id] = word
                    self._journal.offer(word.scheduled_at_s)
                case Answered(entry=entry):
                    self._close(from_json(entry))
                case PageOpened(url=url):
                    self._on_page(url)
                case Finished() | Failed():
                    return word
                case _:
                    assert_never(word)
        return None

    def close(self) -> None:
        """Requests whose end nobody told: the process was ended first."""
        for began in list(self._open.values()):
            self._close(
                Entry(
                    operation_id=began.operation_id,
                    kind=began.kind,
                    policy_client=began.policy_client,
                    scheduled_at_s=began.scheduled_at_s,
                    sent_at_s=began.scheduled_at_s,
                    answered_at_s=None,
                    attempts=1,
                    answer=Unanswered("the run was ended before an answer"),
                )
            )

    def _close(self, entry: Entry) -> None:
        del self._open[entry.operation_id]
        self._journal.close_entry(entry)


async def _keep(stderr: asyncio.StreamReader, last_lines: "deque[str]") -> None:
    while chunk := await stderr.read(1 << 16):
        last_lines.extend(line for line in chunk.decode(errors="replace").splitlines() if line.strip())


async def _pass_on(stop: Stop, words: asyncio.StreamWriter) -> None:
    await stop.no_more.wait()
    words.write(STOP)
