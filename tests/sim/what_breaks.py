"""Steps of what is broken, by people, by nodes, by the machine, and mended again."""

from random import Random

from headrace.core.transaction import Cancel
from headrace.core.words import Nonce
from headrace.testing.clock import settle
from headrace.testing.node_faults import NoNodeFaults, ReadFault, SeededFaults, SendFault
from sim.steps import step
from sim.wishes import SOUND
from sim.world import RICH_WEI, World

# ---- People


@step(1.5)
async def mood(world: World, chance: Random) -> None:
    """The contract refuses a task from now on that it would have taken, or takes what it refused."""
    if world.moods.moody and chance.random() < 0.6:
        world.moods.moody.discard(chance.choice(sorted(world.moods.moody)))
    elif world.wishes.all:
        wish = chance.choice(world.wishes.all[-6:])
        for each in world.wishes.about(wish.subject):
            if each.nature == SOUND:
                each.nature = "moody"
        world.moods.moody.add(wish.subject)


@step(1)
async def rights(world: World, chance: Random) -> None:
    """A person takes the lanes' right to use the batch contract away, or gives it back."""
    batch = world.contracts.batch
    batch.callers = frozenset(world.lanes) if not batch.callers else frozenset()


@step(1)
async def purse(world: World, chance: Random) -> None:
    """A lane's account is empty, or is filled again."""
    lane = chance.choice(world.lanes)
    if lane in world.poor:
        world.poor.discard(lane)
        world.chain.set_balance(lane, RICH_WEI)
    else:
        world.poor.add(lane)
        world.chain.set_balance(lane, chance.choice([0, 10**15]))


@step(2)
async def hand(world: World, chance: Random) -> None:
    """A person drains a lane, resumes it, or cancels one of its transactions."""
    process = world.process
    if process is None or not process.up:
        return
    lane = chance.choice(process.engine.lanes)
    match chance.choice(["drain", "resume", "resume", "cancel", "cancel"]):
        case "drain":
            await world.by_hand(lane.by_hand.drain())
        case "resume":
            await world.by_hand(lane.by_hand.resume())
        case _:
            nonce = Nonce(world.chain.world.nonce(lane.runner.address) + chance.randint(0, 1))
            what = chance.choice(list(Cancel))
            trip = lane.runner.trip_at(nonce)
            if trip is not None and what is Cancel.END:
                for operation in trip.operations:
                    wish = world.wishes.by_id(operation.id)
                    assert wish is not None
                    wish.cancelled = True
            await world.by_hand(lane.by_hand.cancel(nonce, what))


# ---- Nodes


@step(5)
async def lies(world: World, chance: Random) -> None:
    """From now on the node does not always say what is."""
    share = chance.choice([0.02, 0.08, 0.2])
    world.node.faults = SeededFaults(
        chance.randrange(10**9),
        send={fault: share for fault in SendFault if fault is not SendFault.HONEST},
        read={fault: share for fault in ReadFault if fault is not ReadFault.HONEST},
        stale_most=chance.choice([1, 3]),
    )


@step(5, always=True)
async def honesty(world: World, chance: Random) -> None:
    world.node.faults = NoNodeFaults()


@step(1)
async def silence(world: World, chance: Random) -> None:
    """Nobody answers for a while."""
    world.node.faults = SeededFaults(0, send={SendFault.LOST_AND_UNSURE: 1.0}, read={ReadFault.TROUBLE: 1.0})


@step(2)
async def deafness(world: World, chance: Random) -> None:
    """Announcements are lost, or an old one comes once more."""
    if chance.random() < 0.5:
        world.heads.deaf_for = chance.randint(1, 4)
    else:
        depth = chance.randint(1, min(4, len(world.chain.blocks)))
        world.heads.echo(world.chain.blocks[-depth].header)
    await settle()


@step(3)
async def meanwhile(world: World, chance: Random) -> None:
    """A block, or a reorg, comes between two questions that the gateway asks."""
    if world.process is None:
        return

    def happens() -> None:
        if chance.random() < 0.6 or world.witness.deepest_reorg() < 1 or world.profile.confirmations < 2:
            world.mine()
        else:
            world.reorg(1, forget=chance.random() < 0.5, from_pool=chance.random() < 0.5)

    world.process.doors.meanwhile(chance.randint(0, 8), happens)


# ---- The machine


@step(3)
async def fuse(world: World, chance: Random) -> None:
    """The process will die at one of its next doors: before or after it saves, before or after it sends."""
    if world.process is not None:
        world.process.doors.light(chance.choice([0, 1, 2, 3, 5, 8, 13, 30]))


@step(1)
async def crash(world: World, chance: Random) -> None:
    await world.die()


@step(12, always=True)
async def start(world: World, chance: Random) -> None:
    if world.process is None:
        await world.begin()
