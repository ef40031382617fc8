"""Operations, endings and reverts as rows, and back: exactly what went in comes out."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from headrace.core.operation import Ending, Operation
from headrace.core.words import Address, BlockNumber, ChainId, OperationId, Outcome, Revert

Values = dict[str, Any]


def id_list(ids: Iterable[str]) -> str:
    """For `json_each(:ids)`: one statement for all of them."""
    return json.dumps(list(ids))


def operation_from(row: sqlite3.Row) -> Operation:
    after, block, sender = row["after"], row["deadline_block"], row["sender"]
    return Operation(
        id=OperationId(row["id"]),
        content=row["content"],
        workload=row["workload"],
        kind=row["kind"],
        form=row["form"],
        chain=ChainId(row["chain"]),
        subject=row["subject"],
        payload=row["payload"],
        received_at=row["received_at"],
        after=None if after is None else OperationId(after),
        wait_until=row["wait_until"],
        deadline=row["deadline"],
        deadline_block=None if block is None else BlockNumber(block),
        retries=row["retries"],
        sender=None if sender is None else Address(sender),
    )


def revert_values(revert: Revert | None) -> Values:
    if revert is None:
        return {"revert_data": None, "revert_name": None, "revert_args": None}
    return {
        "revert_data": revert.data,
        "revert_name": revert.name,
        "revert_args": json.dumps(dict(revert.args)),
    }


def revert_from(row: sqlite3.Row) -> Revert | None:
    if row["revert_data"] is None:
        return None
    return Revert(data=row["revert_data"], name=row["revert_name"], args=json.loads(row["revert_args"]))


def ending_from(row: sqlite3.Row) -> Ending:
    return Ending(
        operation=OperationId(row["id"]),
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        revert=revert_from(row),
    )


def ids_from(text: str) -> list[OperationId]:
    return [OperationId(id) for id in json.loads(text)]


def changed_ids(rows: Collection[sqlite3.Row]) -> list[OperationId]:
    return [OperationId(row["id"]) for row in rows]
