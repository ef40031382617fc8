"""`headrace_listOperations`: newest first, page by page.

A client's state may be several stages of the store (`queued`), or part of one (`batched`, `sent`, `mined`).
Stages are listed one after the other; of a part, a page may be shorter than asked for, even empty. The last page
is the one without a cursor.
"""

import re
from collections.abc import Mapping
from typing import Final

from headrace.api.fields import Fields, Shape
from headrace.api.operation_form import account_form
from headrace.api.services import Services
from headrace.api.wire import UINT32_BITS, read_quantity, read_text, shown, wrong
from headrace.core.operation import Stage, State
from headrace.core.words import Outcome

LIMIT: Final = 100
_LIST: Final = Shape("workload", "state", "outcome", "limit", "cursor")
_STAGES: Final[Mapping[State | None, tuple[Stage | None, ...]]] = {
    None: (None,),
    State.QUEUED: (Stage.QUEUED, Stage.CLAIMED, Stage.WAITING),
    State.BATCHED: (Stage.SEALED,),
    State.SENT: (Stage.SEALED,),
    State.MINED: (Stage.SEALED,),
    State.DONE: (Stage.DONE,),
}
_CURSOR: Final = re.compile(r"([0-9])\.([0-9]{1,19})")
_SEQUENCE_MAX: Final = 2**63 - 1


class Listing:
    def __init__(self, services: Services) -> None:
        self._reader, self._workloads = services.reader, tuple(sorted(services.acceptors))
        self._limit_max = services.limits.list_max

    async def list(self, params: object) -> Mapping[str, object]:
        fields = _LIST.read({} if params is None else params, "")
        state_text = _optional(fields, "state", tuple(state.value for state in State))
        state = None if state_text is None else State(state_text)
        outcome_text = _optional(fields, "outcome", tuple(outcome.value for outcome in Outcome))
        workload = _optional(fields, "workload", self._workloads)
        limit = self._read_limit(fields)
        stages = _STAGES[state]
        part, cursor = _read_cursor(fields, parts=len(stages))
        accounts, following = await self._reader.list_accounts(
            workload=workload,
            stage=stages[part],
            outcome=None if outcome_text is None else Outcome(outcome_text),
            limit=limit,
            cursor=cursor,
        )
        next_page = None if following is None else f"{part}.{following}"
        if following is None and part + 1 < len(stages):
            next_page = f"{part + 1}.{_SEQUENCE_MAX}"
        shown_accounts = [account for account in accounts if state is None or account.state is state]
        return {"operations": [account_form(account) for account in shown_accounts], "cursor": next_page}

    def _read_limit(self, fields: Fields) -> int:
        value = fields.get("limit")
        if value is None:
            return LIMIT
        limit = read_quantity(value, "limit", bits=UINT32_BITS)
        if not 1 <= limit <= self._limit_max:
            raise wrong("limit", f"{shown(value)} is not within 1 to {self._limit_max}")
        return limit


def _optional(fields: Fields, name: str, one_of: tuple[str, ...]) -> str | None:
    value = fields.get(name)
    return None if value is None else read_text(value, name, one_of=one_of)


def _read_cursor(fields: Fields, *, parts: int) -> tuple[int, int | None]:
    value = fields.get("cursor")
    if value is None:
        return 0, None
    match = _CURSOR.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) >= parts or int(match[2]) > _SEQUENCE_MAX:
        raise wrong("cursor", f"{shown(value)} is no cursor of this list; take the one the page before ended with")
    return int(match[1]), int(match[2])
