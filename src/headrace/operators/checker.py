"""Checks signatures in a thread of its own, as many at once as are waiting.

Owns      the thread, and the quorums that wait while it works.
Promises  every waiter gets its own result or the error of its check; who gives up leaves nothing but work begun.
Leaves    the check itself to `operators.keyring`, the bound on waiters to the aggregator's slots.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from headrace.operators.keyring import Checked, Quorum, check_all

# A batch holds up whoever comes next for some 7 ms.
PER_BATCH_MAX: Final = 32


class Checker:
    """Used from one event loop."""

    def __init__(self) -> None:
        # One thread is enough for three thousand checks a second; the loop has its turns between their steps.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="check")
        self._waiting: list[tuple[Quorum, asyncio.Future[Checked]]] = []
        self._busy = self._closed = False

    async def check(self, quorum: Quorum) -> Checked:
        """Raises RuntimeError when closed; CancelledError if it is closed meanwhile."""
        if self._closed:
            raise RuntimeError("the checker is closed")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Checked] = loop.create_future()
        self._waiting.append((quorum, result))
        # Not at once: others may become ready in this very turn of the loop.
        loop.call_soon(self._start)
        return await result

    def close(self) -> None:
        self._closed = True
        for _, result in self._waiting:
            result.cancel()
        self._waiting.clear()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        if self._busy or self._closed:
            return
        waiting = [(quorum, result) for quorum, result in self._waiting if not result.done()]
        batch, self._waiting = waiting[:PER_BATCH_MAX], waiting[PER_BATCH_MAX:]
        if not batch:
            return
        self._busy = True
        work = asyncio.get_running_loop().run_in_executor(self._worker, check_all, [quorum for quorum, _ in batch])
        work.add_done_callback(lambda done: self._finish([result for _, result in batch], done))

    def _finish(self, results: "list[asyncio.Future[Checked]]", work: "asyncio.Future[list[Checked]]") -> None:
        self._busy = False
        if work.cancelled():
            for result in results:
                result.cancel()
        elif (error := work.exception()) is not None:
            for result in results:
                if not result.done():
                    result.set_exception(error)
        else:
            for result, checked in zip(results, work.result(), strict=True):
                if not result.done():  # the caller may have gone
                    result.set_result(checked)
        self._start()
