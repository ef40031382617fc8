import asyncio
import subprocess
import sys

from headrace.app.load.machine import machine
from headrace.app.load.process_stats import SAMPLES_MAX, ProcessStats
from headrace.testing.clock import HandClock, settle

# Uses CPU and memory, says so, and stays until its input ends.
BUSY = """
x = bytearray(40_000_000)
x[::4096] = b"1" * len(x[::4096])
sum(i * i for i in range(1_500_000))
print("done", flush=True)
input()
"""


def busy() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def test_cpu_is_what_was_used_since_the_start_and_memory_is_real() -> None:
    process = busy()
    try:
        stats = ProcessStats({"gateway": [process.pid]})
        assert process.stdout is not None
        process.stdout.readline()
        stats.sample()
        use = stats.use()["gateway"]
        assert use.cpu_s > 0.02
        assert use.rss_last_mb > 40 and use.rss_peak_mb >= use.rss_last_mb
        later = ProcessStats({"gateway": [process.pid]})  # begins now: what was used before is not counted
        later.sample()
        assert later.use()["gateway"].cpu_s < use.cpu_s
    finally:
        end(process)


def test_a_killed_process_keeps_its_cpu_holds_no_memory_and_its_successor_counts_on() -> None:
    first = busy()
    stats = ProcessStats({"gateway": [first.pid]})
    assert first.stdout is not None
    first.stdout.readline()
    stats.sample()
    used_s = stats.use()["gateway"].cpu_s
    end(first)
    stats.sample()
    assert stats.use()["gateway"].cpu_s == used_s and stats.use()["gateway"].rss_last_mb == 0
    second = busy()
    try:
        stats.add("gateway", second.pid)
        assert second.stdout is not None
        second.stdout.readline()
        stats.sample()
    finally:
        end(second)
    assert stats.use()["gateway"].cpu_s > used_s
    assert stats.use()["gateway"].rss_peak_mb > 40


def test_a_process_that_is_gone_already_counts_nothing() -> None:
    process = busy()
    end(process)
    stats = ProcessStats({"chain": [process.pid]})
    stats.sample()
    assert stats.use()["chain"].cpu_s == 0


async def test_it_samples_once_a_second_and_keeps_a_bounded_series() -> None:
    clock = HandClock(0.0)
    stats = ProcessStats({"self": []}, clock=clock.now, sleep=clock.sleep)
    task = asyncio.create_task(stats.run())
    await settle()
    await clock.run(5)
    assert [at_s for at_s, _ in stats.use()["self"].samples] == [0, 1, 2, 3, 4, 5]
    await clock.run(SAMPLES_MAX)
    assert len(stats.use()["self"].samples) == SAMPLES_MAX
    task.cancel()


def test_the_machine_is_named_in_one_line() -> None:
    assert "cores" in machine() and "\n" not in machine()
