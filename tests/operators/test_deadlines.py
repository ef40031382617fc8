import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.operators.deadlines import Deadlines
from headrace.testing.clock import HandClock, settle


async def test_each_is_woken_at_its_time_in_the_order_of_time() -> None:
    clock, woken = HandClock(), list[str]()
    deadlines, start = Deadlines(clock), HandClock().now()
    for name, after_s in (("late", 5.0), ("soon", 1.0), ("middle", 3.0)):
        deadlines.at(start + after_s, lambda name=name: woken.append(name))  # type: ignore[misc]
    await clock.run(0.9)
    assert woken == []
    await clock.run(0.2)
    assert woken == ["soon"]
    await clock.run(10)
    assert woken == ["soon", "middle", "late"]
    assert clock.sleeping == 0


async def test_whoever_lets_go_is_not_woken_and_nothing_is_left() -> None:
    clock, woken = HandClock(), list[int]()
    deadlines, before = Deadlines(clock), asyncio.all_tasks()
    first = deadlines.at(clock.now() + 1, lambda: woken.append(1))
    deadlines.at(clock.now() + 2, lambda: woken.append(2))
    first.let_go()
    first.let_go()
    await clock.run(3)
    assert woken == [2]
    third = deadlines.at(clock.now() + 1, lambda: woken.append(3))
    await settle()
    assert clock.sleeping == 1
    third.let_go()
    await settle()
    assert (len(deadlines), clock.sleeping, asyncio.all_tasks()) == (0, 0, before)


async def test_a_deadline_that_has_passed_wakes_soon_but_not_at_once() -> None:
    clock, woken = HandClock(), list[int]()
    deadlines = Deadlines(clock)
    deadlines.at(clock.now() - 5, lambda: woken.append(1))
    assert woken == []
    await settle()
    assert woken == [1]


async def test_many_share_one_timer() -> None:
    clock = HandClock()
    deadlines = Deadlines(clock)
    many = [deadlines.at(clock.now() + 3 + n / 1000, lambda: None) for n in range(1000)]
    await settle()
    assert clock.sleeping == 1
    for deadline in many[:-1]:
        deadline.let_go()
    await settle()
    assert clock.sleeping == 1
    assert len(deadlines._heap) < 200  # of those who let go only few are kept
    many[-1].let_go()


async def test_whoever_is_woken_may_wait_again() -> None:
    clock, woken = HandClock(), list[float]()
    deadlines, start = Deadlines(clock), HandClock().now()

    def again() -> None:
        woken.append(clock.now() - start)
        assert clock.sleeping == 0
        if len(woken) < 3:
            deadlines.at(clock.now() + 1, again)

    deadlines.at(start + 1, again)
    await clock.run(10)
    assert woken == [1, 2, 3]
    assert clock.sleeping == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.one_of(st.none(), st.integers(0, 20))), max_size=12))
async def test_in_whatever_order_they_come_and_go_each_is_woken_once_and_on_time(
    waits: list[tuple[int, int | None]],
) -> None:
    """(when it is due, when it lets go), in seconds."""
    clock, start = HandClock(), HandClock().now()
    deadlines, woken = Deadlines(clock), dict[int, float]()

    def wake(index: int) -> None:
        assert index not in woken
        woken[index] = clock.now() - start

    held = [deadlines.at(start + due, lambda i=i: wake(i)) for i, (due, _) in enumerate(waits)]  # type: ignore[misc]
    for second in range(22):
        for index, (_, lets_go) in enumerate(waits):
            if lets_go == second:
                held[index].let_go()
        await clock.run(0.5)  # up to half past
        await clock.run(0.5)
    for index, (due, lets_go) in enumerate(waits):
        if lets_go is None or due < lets_go:
            assert woken[index] == due
        elif lets_go < due:
            assert index not in woken
    assert clock.sleeping == 0
