"""The steps themselves: what clients, the chain, nodes, strangers and the machine do."""

from random import Random

from headrace.core.transaction import Cancel
from headrace.core.words import Nonce
from headrace.testing.builders import TASK_MANAGER
from headrace.testing.clock import settle
from headrace.testing.node_faults import NoNodeFaults, ReadFault, SeededFaults, SendFault
from headrace.workloads.tasks import batches
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, payload_of
from sim.profile import GWEI, ITEM_GAS
from sim.steps import step
from sim.wishes import SOUND, Wish
from sim.world import BLOCK_S, RICH_WEI, World

WISHES_MAX = 60

# ---- Time


@step(34, always=True)
async def block(world: World, chance: Random) -> None:
    await world.block(chance.choice([BLOCK_S] * 8 + [1.0, 24.0]))


@step(5)
async def wait(world: World, chance: Random) -> None:
    await world.pass_time(chance.choice([0.5, 2.0, 5.0]))


@step(1)
async def pause(world: World, chance: Random) -> None:
    """The chain stands still."""
    await world.pass_time(chance.choice([40, 130, 400]))


@step(2)
async def burst(world: World, chance: Random) -> None:
    """Blocks come at once, as after a pause."""
    for _ in range(chance.randint(2, 5)):
        world.clock.advance(1)
        world.mine()
    await settle()


# ---- Clients


@step(16, always=True)
async def submit(world: World, chance: Random) -> None:
    for _ in range(chance.randint(1, 4)):
        if len(world.wishes.all) >= WISHES_MAX:
            return
        for wish in world.wishes.make(chance, head=world.chain.head.number, now=world.clock.now()):
            _give_nature(world, wish)
            await world.ask(wish)


@step(3)
async def repeat(world: World, chance: Random) -> None:
    """The same once more, as after a lost answer; or the same id with something else."""
    if world.wishes.all:
        wish = chance.choice(world.wishes.all)
        await world.ask(wish, world.wishes.other_content(wish) if chance.random() < 0.3 else None)


@step(2)
async def ask_again(world: World, chance: Random) -> None:
    """Clients that had no answer."""
    for wish in [w for w in world.wishes.all if not w.acknowledged][:5]:
        await world.ask(wish)


@step(2)
async def twin(world: World, chance: Random) -> None:
    """The same task under another id."""
    if world.wishes.all and len(world.wishes.all) < WISHES_MAX:
        wish = world.wishes.again(chance.choice(world.wishes.all), now=world.clock.now())
        await world.ask(wish)


@step(2)
async def cancel(world: World, chance: Random) -> None:
    if world.wishes.all:
        await world.cancel(chance.choice(world.wishes.all[-8:]))


# ---- The chain


@step(5)
async def reorg(world: World, chance: Random) -> None:
    """Shallower than what is final, unless this run is about what holds then."""
    most = min(world.witness.deepest_reorg(), world.profile.confirmations - 1)
    if world.profile.deep and chance.random() < 0.2:
        most = min(world.chain.head.number - 3, world.profile.confirmations + 3)
    if most < 1:
        return
    depth = chance.randint(1, most)
    world.clock.advance(chance.choice([1, 12]))
    world.reorg(
        depth,
        blocks=chance.randint(1, depth + 1),
        forget=chance.random() < 0.5,
        from_pool=chance.random() < 0.5,
    )
    await settle()


@step(2)
async def forget(world: World, chance: Random) -> None:
    """The pool loses what it had, or some of it."""
    pool = world.chain.pool
    if chance.random() < 0.4:
        pool.clear()
    elif len(pool):
        pool.drop(chance.choice(sorted(t.hash for t in pool)))


@step(2)
async def spike(world: World, chance: Random) -> None:
    world.weather.pricey = chance.randint(1, 6)
    world.weather.price_wei = chance.choice([2, 20, 29, 60, 499, 600]) * GWEI


@step(2)
async def crowd(world: World, chance: Random) -> None:
    """Others fill the coming blocks, or their makers do not want ours."""
    if chance.random() < 0.5:
        world.weather.full = chance.randint(1, 3)
    else:
        world.weather.censored = chance.randint(1, 3)


@step(2)
async def old_attempt(world: World, chance: Random) -> None:
    """A miner kept an attempt that was replaced since."""
    lane = chance.choice(world.lanes)
    seen = world.witness.seen.get((lane, world.chain.world.nonce(lane)))
    if seen:
        world.clock.advance(BLOCK_S)
        world.include(chance.choice(seen).raw)
        await settle()


# ---- Strangers


@step(1.5)
async def foreign_nonce(world: World, chance: Random) -> None:
    """Somebody else uses a lane's key: in a block, or in a pool."""
    signer = chance.choice(world.signers)
    nonce = world.chain.world.nonce(signer.address)
    if chance.random() < 0.7:
        world.clock.advance(BLOCK_S)
        world.include(world.foreign(signer, nonce, chance))
    else:
        ahead = type(nonce)(nonce + chance.randint(0, 2))
        world.chain.offer(world.foreign(signer, ahead, chance))
    await settle()


@step(3)
async def competitor(world: World, chance: Random) -> None:
    """A stranger records a task that was asked of us, whole or in part, the same or another."""
    sound = [w for w in world.wishes.all if w.nature == SOUND and w.response is not None and not w.outcomes]
    if not sound:
        return
    wish = chance.choice(sound[-6:])
    task, response, signature = chance.choice(
        [
            (wish.task, wish.response, world.wishes.signature()),
            world.wishes.other_task(wish),
            world.wishes.other_response(wish),
        ]
    )
    kind = chance.choice([CREATE, RESPOND, CREATE_AND_RESPOND])
    payload = payload_of(kind, task, None if kind == CREATE else response, b"" if kind == CREATE else signature)
    for each in world.wishes.about(wish.subject):
        each.competed = True
    raw = world.strange(TASK_MANAGER, batches.single_calldata(kind, payload))
    if chance.random() < 0.5:
        world.chain.offer(raw)
    else:
        world.clock.advance(BLOCK_S)
        world.include(raw)
    await settle()


@step(2)
async def first_for_a_moment(world: World, chance: Random) -> None:
    """A stranger is first with what is asked of us, and a reorg takes that back."""
    if len(world.wishes.all) >= WISHES_MAX:
        return
    wish = world.wishes.make(chance, head=world.chain.head.number, now=world.clock.now())[-1]
    if wish.response is None or wish.nature != SOUND or wish.operation.after is not None:
        return
    wish.competed = True
    kind = chance.choice([CREATE, CREATE_AND_RESPOND])
    signature = b"" if kind == CREATE else world.wishes.signature()
    payload = payload_of(kind, wish.task, None if kind == CREATE else wish.response, signature)
    world.clock.advance(BLOCK_S)
    world.include(world.strange(TASK_MANAGER, batches.single_calldata(kind, payload)))
    await settle()
    await world.ask(wish)
    await world.block()
    if world.witness.deepest_reorg() >= 2:
        world.reorg(2, forget=True)
        await settle()


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


def _give_nature(world: World, wish: Wish) -> None:
    match wish.nature:
        case "greedy":
            burns = dict(world.moods.item_burns)
            world.moods.item_burns = {**burns, wish.subject: 2 * ITEM_GAS}
        case "moody":
            world.moods.moody.add(wish.subject)
        case "refused in words":
            world.moods.wordy.add(wish.subject)
        case _:
            pass
