"""Every door to the outside world, written by those who use them. Adapters live higher up.

Bytes and integers only: hex and JSON end in `api` and `chain`.
"""

from headrace.core.ports.evaluations import Evaluation, EvaluationStore, SubjectTaken
from headrace.core.ports.news import Announce, BatchNews, EvaluationNews, News, OperationNews
from headrace.core.ports.nodes import Node, NodeTrouble, Ran, Returned, Reverted, Signer
from headrace.core.ports.reading import LaneAccount, LedgerEntry, Line, Reader, UnknownRevert
from headrace.core.ports.storage import (
    Added,
    LaneDrained,
    LaneStore,
    NonceUsed,
    NotClaimed,
    Note,
    OperationStore,
    TransactionStore,
    Voyage,
    Waiting,
)
from headrace.core.ports.time import Clock
from headrace.core.ports.workloads import Call, Effect, GasGuess, InCommon, Judgement, Seen, Workload

__all__ = [
    "Added",
    "Announce",
    "BatchNews",
    "Call",
    "Clock",
    "Effect",
    "Evaluation",
    "EvaluationNews",
    "EvaluationStore",
    "GasGuess",
    "InCommon",
    "Judgement",
    "LaneAccount",
    "LaneDrained",
    "LaneStore",
    "LedgerEntry",
    "Line",
    "News",
    "Node",
    "NodeTrouble",
    "NonceUsed",
    "NotClaimed",
    "Note",
    "OperationNews",
    "OperationStore",
    "Ran",
    "Reader",
    "Returned",
    "Reverted",
    "Seen",
    "Signer",
    "SubjectTaken",
    "TransactionStore",
    "UnknownRevert",
    "Voyage",
    "Waiting",
    "Workload",
]
