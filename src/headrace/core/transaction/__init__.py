"""Life of one transaction: one nonce of one lane, and the batch that rides in it.

Owns      every rule about when a transaction is sent, repriced, settled or handed to a person.
Promises  `decide` is a plain function: same transaction, fact and time in, same decision out.
Leaves    saving, signing and sending to the engine; what became of the operations to their workload.
"""

from headrace.core.transaction.deciding import (
    decide,
    orders_on_restart,
)
from headrace.core.transaction.facts import (
    Answered,
    AttemptSigned,
    CancelAsked,
    DeadlinePassed,
    Dropped,
    Fact,
    HeadMoved,
    Included,
    NonceFree,
    NonceTaken,
    ReceiptReread,
    Uncled,
)
from headrace.core.transaction.flight import (
    first_flight,
)
from headrace.core.transaction.orders import (
    AskForHelp,
    Decision,
    GiveBack,
    LookForReceipts,
    Order,
    RereadReceipt,
    Send,
    Settle,
    Sign,
)
from headrace.core.transaction.policy import (
    Policy,
)
from headrace.core.transaction.states import (
    NEXT,
    NO_OP_GAS,
    Cancel,
    InFlight,
    Mined,
    Settled,
    Taken,
    Transaction,
    Void,
    mined_of,
    signed,
)

__all__ = [
    "NEXT",
    "NO_OP_GAS",
    "Answered",
    "AskForHelp",
    "AttemptSigned",
    "Cancel",
    "CancelAsked",
    "DeadlinePassed",
    "Decision",
    "Dropped",
    "Fact",
    "GiveBack",
    "HeadMoved",
    "InFlight",
    "Included",
    "LookForReceipts",
    "Mined",
    "NonceFree",
    "NonceTaken",
    "Order",
    "Policy",
    "ReceiptReread",
    "RereadReceipt",
    "Send",
    "Settle",
    "Settled",
    "Sign",
    "Taken",
    "Transaction",
    "Uncled",
    "Void",
    "decide",
    "first_flight",
    "mined_of",
    "orders_on_restart",
    "signed",
]
