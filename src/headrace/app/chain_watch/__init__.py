"""Sees with its own eyes what tasks did on chain, and when; and all that an escrow ever did (`escrow_read`).

Owns      an event ABI of its own, plain JSON-RPC, and the moment at which each block was seen.
Promises  it imports nothing of headrace outside this package and asks the gateway nothing, so that its word can be
          held against the gateway's. What a reorg takes away is taken back. Memory grows with tasks, not time.
Leaves    judging (on time, late, never) to `app.report`.
"""

from headrace.app.chain_watch.node import NodeSays, NodeUnreachable
from headrace.app.chain_watch.read_all import read_all
from headrace.app.chain_watch.record import ChainRecord, Failure, Sighting, TaskSeen, TransactionSeen
from headrace.app.chain_watch.watch import ChainRewritten, ChainWatch

__all__ = [
    "ChainRecord",
    "ChainRewritten",
    "ChainWatch",
    "Failure",
    "NodeSays",
    "NodeUnreachable",
    "Sighting",
    "TaskSeen",
    "TransactionSeen",
    "read_all",
]
