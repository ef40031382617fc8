"""Jobs, payments and claim runs as `headrace jobs` prints them: from the JSON of `/v1` to words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

Form = Mapping[str, Any]


def jobs_table(jobs: Sequence[Form]) -> Table:
    table = Table("started", "status", "payment", "to lock", "environment", box=None)
    # An id is worth nothing when it is cut.
    table.add_column("job", overflow="fold")
    for job in jobs:
        terms = job["terms"]
        table.add_row(
            when(job["created_at"]),
            f"{job['status']} {job['status_text'].strip()}",
            job["settlement"],
            "free" if terms is None else terms["lock_amount"]["tokens"],
            job["environment"],
            job["id"],
        )
    return table


def runs_table(runs: Sequence[Form]) -> Table:
    table = Table("run", "began", "took", "because", "jobs", "troubles", box=None)
    for run in runs:
        ended = run["ended_at"]
        counts = ", ".join(f"{count} {what}" for what, count in run["counts"].items())
        table.add_row(
            str(run["id"]),
            when(run["began_at"]),
            "goes on" if ended is None else f"{ended - run['began_at']:.1f} s",
            run["because"],
            counts or "none",
            "; ".join(run["troubles"]) or "none",
        )
    return table


def story(job: Form, settlement: Form) -> Iterator[str]:
    """All of one job, line by line."""
    yield f"job {job['id']}: {job['status']} {job['status_text'].strip()}, payment {job['settlement']}"
    yield f"  of {job['owner']}, in {job['environment']}, started {when(job['created_at'])}"
    if job["stop_requested_at"] is not None:
        yield f"  a stop was asked for at {when(job['stop_requested_at'])}"
    if (result := job["result"]) is not None:
        code = "" if result["exit_code"] is None else f", exit code {result['exit_code']}"
        memory = ", out of memory" if result["out_of_memory"] else ""
        said = f": {result['detail']}" if result["detail"] else ""
        yield f"  its run ended as {result['status']} {result['status_text'].strip()}{code}{memory}{said}"
    if (terms := settlement["terms"]) is not None:
        yield f"  payer {terms['payer']}, payee {terms['payee']}"
        yield f"  token {terms['token']} ({terms['token_decimals']} decimals) of chain {terms['chain_id']}"
        yield f"  to lock {_amount(terms['lock_amount'])}, number on chain {terms['number_on_chain']}"
    if (lock := settlement["lock"]) is not None:
        yield f"  locked {_amount(lock['amount'])} until {when(lock['expiry'])}, in block {lock['block']}"
        yield f"    by {lock['transaction']}"
    if (bill := settlement["bill"]) is not None:
        yield f"  owes {_amount(bill['amount'])} for {bill['used_ms'] / 1000:g} s, as {bill['minutes']} minutes"
    if (money := settlement["money"]) is not None:
        yield f"  claimed {_amount(money['claimed'])}, went back {_amount(money['returned'])}"
    if (proof := settlement["proof"]) is not None:
        yield f"    proven by {proof['transaction']} in block {proof['block']}"
    if settlement["reason"]:
        yield f"  because: {settlement['reason']}"
    yield from _next(settlement["next"])
    for event in settlement["history"]:
        status, detail = event["status"], event["detail"]
        what = f"payment {event['settlement']}" if status is None else f"{status} {event['status_text'].strip()}"
        yield f"  {when(event['at'])}  {what}{f': {detail}' if detail else ''}"
    for operation in settlement["operations"]:
        transaction = operation["transaction"]
        by = "" if transaction is None else f" in {transaction['hash']}"
        yield f"  {operation['operation_id']}: {operation['outcome'] or operation['state']}{by}"


def _next(step: Form) -> Iterator[str]:
    at = "" if step["at"] is None else f", at {when(step['at'])}"
    before = "" if step["before"] is None else f", not after {when(step['before'])}"
    yield f"  next: {step['what']}{at}{before}"


def _amount(amount: Form) -> str:
    return f"{amount['tokens']} ({amount['units']} units)"


def when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
