"""What is learned of a transaction. Past tense."""

from dataclasses import dataclass

from headrace.core.transaction.states import Cancel
from headrace.core.words import Attempt, BlockHash, BlockNumber, Fees, Reply, TxHash


@dataclass(frozen=True, slots=True)
class AttemptSigned:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Answered:
    """A node said something about an attempt that we sent."""

    hash: TxHash
    reply: Reply
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    hash: TxHash
    block: BlockNumber
    block_hash: BlockHash
    ok: bool
    gas_used: int
    gas_price_wei: int


@dataclass(frozen=True, slots=True)
class Uncled:
    """The block that held this attempt is no longer on the canonical chain."""

    hash: TxHash


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMoved:
    head: BlockNumber
    base_fee_wei: int  # of the coming block
    free_gas: int  # that this block left unused
    market: Fees  # what one would offer now
    first_in_lane: bool  # no lower nonce of this lane is undecided


@dataclass(frozen=True, slots=True)
class Dropped:
    """The node's pool does not have it, and no block does."""


@dataclass(frozen=True, slots=True)
class NonceTaken:
    """The account's nonce is past ours, and none of our attempts has a receipt. That is a suspicion: receipts may
    be missing. `spent_in`: the block that is proven to have spent it, and to hold none of our attempts."""

    head: BlockNumber
    spent_in: BlockNumber | None = None


@dataclass(frozen=True, slots=True)
class NonceFree:
    """The account's nonce is ours again: the stranger's block was uncled."""


@dataclass(frozen=True, slots=True)
class ReceiptReread:
    """The receipt as the canonical chain shows it now, deep enough to settle on."""

    hash: TxHash
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The batch must not be mined any more: an operation of it would come too late. The nonce must be filled
    without it."""

    why: str
    market: Fees  # what one would offer now


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A person wants the nonce filled without the batch."""

    what: Cancel
    market: Fees  # what one would offer now


Fact = (
    AttemptSigned
    | Answered
    | Included
    | Uncled
    | HeadMoved
    | Dropped
    | NonceTaken
    | NonceFree
    | ReceiptReread
    | DeadlinePassed
    | CancelAsked
)
