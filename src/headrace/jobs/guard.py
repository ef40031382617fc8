"""Whether the settings of settlement can work at all.

Owns      what must hold between the times of a lock and of claim runs; asked once, at start.
Promises  a sentence for each thing that does not hold, with the values and what to change; a value that is missing
          or no number is such a thing, and never passes a comparison.
"""

import math
from collections.abc import Mapping

from headrace.jobs.schedule import CLOCK_SLACK_S, LEAD_S, RETRY_PAUSE_S


def interval_problems(
    *,
    payment_claim_interval_s: float | None,
    payment_claim_initial_delay_s: float | None,
    claim_margin_s: float | None,
    claim_duration_timeout_s: float | None,
) -> list[str]:
    """Empty: they can work. The keys of the settings' section [settlement]; a lock outlives the longest run of its
    job by `claim_duration_timeout_s`."""
    values: Mapping[str, float | None] = {
        "payment_claim_interval_s": payment_claim_interval_s,
        "payment_claim_initial_delay_s": payment_claim_initial_delay_s,
        "claim_margin_s": claim_margin_s,
        "claim_duration_timeout_s": claim_duration_timeout_s,
    }
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    problems = [
        f"{name}: is {values[name]}, and must be a number of seconds" for name in values.keys() - known.keys()
    ]
    problems += [
        f"{name}: is {value:g} s, and time does not run backwards" for name, value in known.items() if value < 0
    ]
    if problems:
        return sorted(problems)
    interval_s, initial_delay_s = known["payment_claim_interval_s"], known["payment_claim_initial_delay_s"]
    timeout_s, margin_s = known["claim_duration_timeout_s"], known["claim_margin_s"]
    if interval_s <= 0:
        problems.append("payment_claim_interval_s: is 0, and runs would follow each other without a pause")
    # A run must fit between the end of a job and the last moment to claim; else every claim of a long job is lost.
    least = LEAD_S + RETRY_PAUSE_S + CLOCK_SLACK_S
    if margin_s + least > timeout_s:
        problems.append(
            f"claim_margin_s: is {margin_s:g} s; with the {least:g} s that a run and a second try need, a lock "
            f"would have to outlive its job by {margin_s + least:g} s, and claim_duration_timeout_s is "
            f"{timeout_s:g}: raise that, or lower the margin"
        )
    for name, value in (
        ("payment_claim_interval_s", interval_s),
        ("payment_claim_initial_delay_s", initial_delay_s),
    ):
        # Locks that would not live until the next regular run demand one of their own, so this much is no loss;
        # but beyond it no regular run would ever meet one, and every payment hangs on the last moment.
        if value > timeout_s:
            problems.append(
                f"{name}: is {value:g} s, longer than a lock outlives its job (claim_duration_timeout_s is "
                f"{timeout_s:g}): raise that, or lower this"
            )
    return problems
