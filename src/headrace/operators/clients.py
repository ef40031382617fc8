"""Asking an operator: the shape, and the one that needs no network.

Owns      `OperatorClient`, what the aggregator asks through, and `InProcessOperator`.
Promises  `ask` raises only when it is cancelled: whatever went wrong is a `Failed` answer to that one question.
Leaves    HTTP to `operators.http_client`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from headrace.operators.answers import Answer, Question
from headrace.operators.operator import Operator


class OperatorClient(Protocol):
    def ask(self, question: Question) -> Awaitable[Sequence[Answer]]:
        """Nearly always one answer. Two that differ prove that the operator says two things about one task."""
        ...


class InProcessOperator:
    """An operator in this process, in a thread of its own."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="operator")

    async def ask(self, question: Question) -> Sequence[Answer]:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._worker, self._operator.answer, question.encoded),)

    async def aclose(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)
