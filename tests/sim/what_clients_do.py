"""Steps of clients, and of the time that passes meanwhile."""

from random import Random
from typing import Final

from headrace.testing.clock import settle
from sim.profile import ITEM_GAS
from sim.steps import step
from sim.wishes import Wish
from sim.world import BLOCK_S, World

WISHES_MAX: Final = 60

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
        for wish in made(world, chance):
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


def made(world: World, chance: Random) -> list[Wish]:
    wishes = world.wishes.make(chance, head=world.chain.head.number, now=world.clock.now())
    for wish in wishes:
        _give_nature(world, wish)
    return wishes


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
