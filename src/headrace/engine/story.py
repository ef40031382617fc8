"""The story of a transaction in words, for `headrace inspect`: only what is out of the ordinary.

What every transaction does (sealed, sent, mined, settled) is in its own row, with its times.
"""

from headrace.core import transaction as transactions
from headrace.core.transaction import Decision, Fact, InFlight, Mined, Taken, Transaction
from headrace.core.words import Purpose, Reply


def told(before: Transaction, fact: Fact, decision: Decision) -> str | None:
    match fact:
        case transactions.AttemptSigned(attempt):
            what = (
                "replaced by nothing (a no-op)" if attempt.purpose is Purpose.NO_OP else "replaced at this nonce"
            )
            fees = f"max fee {attempt.fees.max_fee_wei} wei, tip {attempt.fees.tip_wei} wei"
            return f"{what} with higher fees: {fees}, 0x{attempt.hash.hex()}"
        case transactions.Answered(reply=reply, text=text) if reply is not Reply.IN_POOL:
            return f"a node answered {text!r}: {reply.value}"
        case transactions.Uncled() if isinstance(before, Mined):
            return (
                f"its block {before.block} (0x{before.block_hash.hex()}) was uncled; the same bytes go out again"
            )
        case transactions.Included(block=block, ok=False):
            return f"mined in block {block}, and reverted"
        case transactions.Included(block=block) if isinstance(before, Mined):
            return f"now in block {block} (0x{fact.block_hash.hex()}): the chain was reorganised"
        case transactions.NonceTaken(head) if isinstance(decision.transaction, Taken):
            return f"a foreign transaction has this nonce (seen at block {head})"
        case transactions.NonceFree() if isinstance(before, Taken):
            return "the nonce is free again: the stranger's block was uncled"
        case transactions.DeadlinePassed():
            return "an operation of the batch can no longer land in time: the nonce is to be filled without it"
        case _:
            pass
    if isinstance(decision.transaction, InFlight) and isinstance(before, InFlight):
        wanted = decision.transaction.help_wanted
        if wanted is not None and wanted != before.help_wanted:
            return f"needs a person: {wanted}"
    return None
