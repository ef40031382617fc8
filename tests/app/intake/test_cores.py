import os
import threading

import pytest

from headrace.app.intake.cores import NotEnoughCores, bind, two_sides


def test_all_threads_of_a_process_are_bound() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    ended, seen = threading.Event(), threading.Event()
    found: list[set[int]] = []

    def work() -> None:
        seen.set()
        ended.wait()
        found.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=work)
    thread.start()
    seen.wait()
    try:
        bind([os.getpid()], [core])
        assert os.sched_getaffinity(0) == {core}
    finally:
        ended.set()
        thread.join()
        bind([os.getpid()], before)
    assert found == [{core}]


def test_one_core_is_not_enough_and_that_is_said() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with pytest.raises(NotEnoughCores, match="there is one"):
            two_sides()
    finally:
        os.sched_setaffinity(0, before)


def test_the_gateways_core_is_none_of_the_others() -> None:
    if len(os.sched_getaffinity(0)) > 1:
        core, others = two_sides()
        assert core not in others and others
