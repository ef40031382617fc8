"""Takes a lane up again after a stop or a crash, or for the first time.

Owns      the order of a lane's start: claims back to the queue, nonces against the chain, unsettled transactions.
Promises  what was sealed is repeated with the same bytes; nonces that others used are never given out again.
"""

import logging
from collections.abc import Collection, Mapping

from headrace.core.errors import NeedsOperator
from headrace.core.ports import Clock, Node, TransactionStore, Workload
from headrace.core.words import Address, ChainId
from headrace.engine.lane_runner import LaneRunner

log = logging.getLogger(__name__)


async def take_over(*, chain: ChainId, lanes: Collection[Address], store: TransactionStore) -> None:
    """What lanes that are not configured any more had claimed is queued again. Raises NeedsOperator where one of
    them has transactions that are not settled: only its key can finish them."""
    released = await store.release_foreign_claims(chain=chain, lanes=lanes)
    if released:
        log.warning("%d operations that other lanes had claimed are queued again", released)
    unfinished = [
        f"0x{lane.lane.hex()} on chain {lane.chain} ({lane.in_flight + lane.mined})"
        for lane in await store.foreign_lanes(chain=chain, lanes=lanes)
        if lane.in_flight or lane.mined
    ]
    if unfinished:
        raise NeedsOperator(
            f"the store has unsettled transactions of lanes that are not configured: {', '.join(unfinished)}; "
            "configure them again until they are settled (`headrace status` counts them)"
        )


async def restart_lane(
    lane: LaneRunner,
    *,
    store: TransactionStore,
    node: Node,
    clock: Clock,
    workloads: Mapping[str, Workload],
) -> None:
    """Raises NodeTrouble; calling it again is harmless. NeedsOperator where the store holds transactions of a
    workload that this gateway does not have."""
    released = await store.release_claims(chain=lane.chain, lane=lane.address)
    voyages = await store.unsettled(chain=lane.chain, lane=lane.address)
    if missing := {v.workload for v in voyages} - set(workloads):
        raise NeedsOperator(
            f"lane 0x{lane.address.hex()} has unsettled transactions of workload {', '.join(sorted(missing))}, "
            "which this configuration does not have: add it, or settle them with the old configuration"
        )
    latest, pending = await node.nonces(lane.address)
    ours = await store.next_nonce(chain=lane.chain, lane=lane.address)
    # What the pool holds beyond our ledger is somebody else's, or ours from a lost store: never under it.
    if max(latest, pending) > ours:
        log.warning(
            "lane 0x%s: the chain is at nonce %d, our ledger at %d: going on from the chain's",
            lane.address.hex(),
            max(latest, pending),
            ours,
        )
    # Also where that changes nothing: the store knows the lane from now on, and it can be handled by its address.
    await store.adopt(chain=lane.chain, lane=lane.address, start=max(latest, pending), now=clock.now())
    await lane.resume([(v, workloads[v.workload]) for v in voyages])
    log.info("lane 0x%s: %d claims released, %d transactions resumed", lane.address.hex(), released, len(voyages))
