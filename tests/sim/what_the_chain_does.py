"""Steps of the chain and of strangers on it: reorgs, lost pools, dear and full blocks, our nonces, our tasks."""

from random import Random

from headrace.testing.builders import TASK_MANAGER
from headrace.testing.clock import settle
from headrace.workloads.tasks import batches
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, payload_of
from sim.profile import GWEI
from sim.steps import step
from sim.what_clients_do import WISHES_MAX, made
from sim.wishes import SOUND
from sim.world import BLOCK_S, World

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
    wishes = made(world, chance)
    wish = wishes[-1]
    if wish.response is None or wish.nature != SOUND or wish.operation.after is not None:
        for each in wishes:
            await world.ask(each)
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
