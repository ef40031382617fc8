"""A lock that is gone: what the logs since its own block say of its end, or that they say nothing.

Promises  a plain function; without an event nothing is finished: a person is asked.
Leaves    reading the logs to others; a range that was not read to the end says nothing, and is not brought here.
"""

from headrace.core.job import Job
from headrace.core.ports.jobs import SettlementChange
from headrace.core.settlement import Canceled, Claimed, NeedsHelp, Released, Settlement
from headrace.core.words import BlockNumber


def after_looking(job: Job, seen: Claimed | Released | Canceled | None, *, up_to: BlockNumber) -> SettlementChange:
    """`seen` is the lock's own end, whoever brought it about, in a block that is final and no earlier than the
    lock's. `up_to` is the last block that was looked at."""
    assert job.terms is not None and job.lock is not None, job.id
    after: Settlement
    if seen is None:
        after = NeedsHelp(
            f"its lock of block {job.lock.block} is not on chain {job.terms.chain}, and up to block {up_to} there "
            "is no event that ended it: check the escrow's address and the node, then retry it or give it up"
        )
    else:
        assert seen.proof.block >= job.lock.block, "the end of an earlier lock of the same number"
        after = seen
    return SettlementChange(job=job.id, before=job.settlement, after=after)
