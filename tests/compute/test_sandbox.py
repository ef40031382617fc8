"""What a job must not be able to do, tried from inside for real."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from compute.house import House, commands
from headrace.core.job import Job, JobStatus

TRY = """
import json, os, sys
def tried(what):
    try:
        return repr(what())
    except BaseException as error:
        return type(error).__name__
asked = json.load(open(os.environ["INPUTS"] + "/asked.json"))
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Readable by everybody who can see it."""
    tmp_path.chmod(0o755)
    file = tmp_path / "lane.key"
    file.write_text("s3cret")
    return file


async def ask(house: House, python: str, asked: object = None, **limits: int) -> Any:
    """What the last line that it prints says."""
    files = {"asked.json": json.dumps(asked)}
    await house.run_one({"python": TRY + python, "files": files, "limits": limits})
    return house.printed()


async def run(house: House, python: str, **limits: int) -> Job:
    return await house.run_one({"python": "import os, sys, time\n" + python, "limits": limits})


async def test_a_job_reaches_no_network(house: House) -> None:
    callers = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal callers
        callers += 1
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0headrace-test-" + str(os.getpid()))
        abstract.listen()
        async with server:
            answers = await ask(
                house,
                """
import socket
def unix():
    socket.socket(socket.AF_UNIX).connect("\\0" + asked["abstract"])
print(json.dumps({
    "tcp": tried(lambda: socket.create_connection(("127.0.0.1", asked["port"]), 5)),
    "outside": tried(lambda: socket.create_connection(("192.0.2.1", 80), 5)),
    "names": tried(lambda: socket.getaddrinfo("example.org", 80)),
    "abstract": tried(unix),
    "interfaces": [name for _, name in socket.if_nameindex()],
}))""",
                {"port": server.sockets[0].getsockname()[1], "abstract": "headrace-test-" + str(os.getpid())},
            )
    assert answers == {
        "tcp": "ConnectionRefusedError",
        "outside": "OSError",
        "names": "gaierror",
        "abstract": "ConnectionRefusedError",
        "interfaces": ["lo"],
    }
    assert callers == 0


async def test_a_job_sees_no_file_of_the_gateway(house: House, secret: Path, tmp_path: Path) -> None:
    ours = (secret, tmp_path / "headrace.db", tmp_path, Path.home() / ".ssh")
    paths = [*(str(path) for path in ours), "/etc/passwd", "/home"]
    answers = await ask(
        house,
        """
print(json.dumps([tried(lambda: os.listdir(p) if os.path.isdir(p) else open(p).read()) for p in asked]))""",
        paths,
    )
    assert set(answers) <= {"FileNotFoundError", "PermissionError"}, dict(zip(paths, answers, strict=True))


async def test_a_job_inherits_no_variable_and_no_descriptor(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_LANE_KEY", "s3cret")
    with (tmp_path / "store").open("w") as store:
        os.set_inheritable(store.fileno(), True)
        answers = await ask(
            house,
            """
seen = {}
for pid in os.listdir("/proc"):
    if pid.isdecimal():
        seen[pid] = tried(lambda: open(f"/proc/{pid}/environ").read())
        seen[pid] += tried(lambda: [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")])
mine = [os.readlink(f"/proc/self/fd/{n}") for n in ("0", "1", "2")]
print(json.dumps({"seen": seen, "mine": mine, "names": sorted(os.environ), "more": tried(lambda: os.fstat(3))}))
""",
        )
    assert answers["names"] == ["HOME", "INPUTS", "LANG", "OUTPUTS", "PATH", "PYTHONUNBUFFERED", "TMPDIR"]
    assert "s3cret" not in json.dumps(answers) and "store" not in json.dumps(answers["seen"])
    assert answers["mine"][0] == "/dev/null"
    assert all(name.startswith("pipe:") for name in answers["mine"][1:])
    assert answers["more"] == "OSError"


async def test_a_job_writes_nowhere_but_to_its_own(house: House) -> None:
    answers = await ask(
        house,
        """
places = ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc/sys/kernel", "/data/inputs"]
places.append(os.path.dirname(sys.executable))
print(json.dumps({
    "refused": [tried(lambda: open(p + "/written", "w")) for p in places],
    "input": tried(lambda: open("/data/inputs/asked.json", "w")),
    "device": tried(lambda: os.mknod("/data/outputs/disk", 0o600 | 0o060000, os.makedev(8, 0))),
    "mount": os.system("mount -t tmpfs none /data/tmp 2>/dev/null") != 0,
    "own": [tried(lambda: open(p + "/written", "w").write("x")) for p in ("/data/outputs", "/tmp")],
}))""",
    )
    if os.geteuid() != 0:
        # Without root the folder of inputs is the job's own, on its own file system. It leads nowhere.
        answers["refused"][6] = "PermissionError"
    assert set(answers["refused"]) <= {"PermissionError", "OSError", "FileNotFoundError"}, answers
    assert answers["input"] in ("PermissionError", "OSError")
    assert answers["device"] == "PermissionError" and answers["mount"]
    assert answers["own"] == ["1", "1"]


async def test_a_job_has_no_privilege_and_cannot_get_one(house: House) -> None:
    answers = await ask(
        house,
        """
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "uid": os.getuid() != 0 and os.geteuid() != 0, "groups": 0 in os.getgroups(),
    "effective": int(status["CapEff"], 16), "permitted": int(status["CapPrm"], 16), "no_new": status["NoNewPrivs"],
    "setuid": tried(lambda: os.setuid(0)), "host": os.uname().nodename,
}))""",
    )
    assert answers == {
        "uid": True,
        "groups": False,
        "effective": 0,
        "permitted": 0,
        "no_new": "1",
        "setuid": "PermissionError",
        "host": "job",
    }


async def test_a_job_touches_no_process_outside(house: House) -> None:
    answers = await ask(
        house,
        """
import ctypes
attach = 16
print(json.dumps({
    "kill": tried(lambda: os.kill(asked, 9)),
    "seen": len([p for p in os.listdir("/proc") if p.isdecimal()]),
    "trace": ctypes.CDLL(None).ptrace(attach, 1, 0, 0),
    "memory": tried(lambda: open("/proc/1/mem", "rb")),
}))""",
        os.getpid(),
    )
    assert answers["kill"] == "ProcessLookupError"
    assert answers["seen"] <= 3
    assert answers["trace"] == -1
    assert answers["memory"] == "PermissionError"


async def test_a_job_cannot_ask_the_kernel_for_what_holes_are_reached_by(house: House) -> None:
    answers = await ask(
        house,
        """
import ctypes, platform, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": (272, 56, 101, 321), "aarch64": (97, 220, 117, 280)}[platform.machine()]
new_user, io_uring, clone3 = 0x10000000, 425, 435
def call(*arguments):
    if libc.syscall(*(ctypes.c_long(a) for a in arguments)) >= 0: return "done"
    return os.strerror(ctypes.get_errno())
unshare, clone, ptrace, bpf = numbers
thread = threading.Thread(target=lambda: None)
thread.start()
print(json.dumps({
    "unshare": call(unshare, new_user), "clone": call(clone, new_user | 17, 0, 0, 0, 0), "ptrace": call(ptrace, 0),
    "bpf": call(bpf, 0, 0, 0), "io_uring": call(io_uring, 1, 0), "clone3": call(clone3, 0, 0),
    "program": subprocess.run(["unshare", "-r", "true"], capture_output=True).returncode != 0,
    "threads": thread.join() is None, "processes": subprocess.run(["true"]).returncode,
}))""",
    )
    no = "Operation not permitted"
    assert answers == {
        **dict.fromkeys(("unshare", "clone", "ptrace", "bpf", "io_uring"), no),
        "clone3": "Function not implemented",
        "program": True,
        "threads": True,
        "processes": 0,
    }


async def test_a_fork_bomb_is_bounded_and_leaves_nothing(house: House, tmp_path: Path) -> None:
    job = await run(
        house,
        """
made = 0
try:
    while True:
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
        made += 1
except BlockingIOError:
    print(made)""",
        processes=12,
    )
    assert job.status is JobStatus.JOB_FINISHED
    assert 1 <= int(house.log()) < 12


async def test_what_a_job_leaves_running_ends_with_it(house: House) -> None:
    mark = f"outlive-{os.getpid()}"
    python = f"Popen([sys.executable, '-c', 'input()', '{mark}'], start_new_session=True)"
    await run(house, "from subprocess import Popen\n" + python)
    assert not [command for command in commands().values() if mark in command and "input()" in command]


async def test_a_memory_hog_is_ended_and_said_to_be_one(house: House) -> None:
    job = await run(house, "hog = b'x' * (100 << 20)\ntime.sleep(3600)", memory_mb=64)
    assert job.result is not None and job.result.out_of_memory
    assert job.result.detail == "stopped: it used more than 64 MB of memory"
    assert job.result.exit_code == 137


async def test_memory_is_counted_over_all_processes_of_a_job(house: House) -> None:
    job = await run(
        house, "for _ in range(3):\n    os.fork()\nhog = b'x' * (20 << 20)\ntime.sleep(3600)", memory_mb=96
    )
    assert job.result is not None and job.result.out_of_memory


async def test_memory_that_processes_share_counts_once(house: House) -> None:
    python = """
big = b'x' * (60 << 20)
children = []
for _ in range(3):
    if (child := os.fork()) == 0:
        time.sleep(0.5)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)"""
    job = await run(house, python, memory_mb=128)
    assert job.result is not None and job.result.exit_code == 0


async def test_an_allocation_far_beyond_is_refused_at_once(house: House) -> None:
    job = await run(house, "hog = bytearray(4 << 30)", memory_mb=64)
    assert job.result is not None and job.result.exit_code == 1
    assert "MemoryError" in house.log()


async def test_a_log_flood_is_cut_and_says_so(house: House) -> None:
    await run(house, "for _ in range(64):\n    sys.stdout.write('x' * 65536)", output_mb=1)
    lines = house.log().splitlines()
    assert len(lines[0]) == 1 << 20
    assert lines[1:] == ["[headrace: the log is cut here: 1048576 bytes are kept, 3145728 more were printed]"]


FLOODS = {
    "bytes": "while True:\n    try:\n        f.write(b'x' * 65536)\n    except OSError:\n        time.sleep(0.01)",
    "and away": "try:\n    f.write(b'x' * (64 << 20))\nexcept OSError:\n    os._exit(0)",
    "files": "for n in range(10 ** 6):\n    open(f'{n}', 'w').close()",
    "elsewhere": "g = open('/tmp/x', 'wb', 0)\nwhile True:\n    try:\n        g.write(b'x' * 65536)\n"
    "    except OSError:\n        time.sleep(0.01)",
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_disk_flood_ends_as_quota_exceeded(house: House, flood: str) -> None:
    job = await run(house, "f = open('flood', 'wb', 0)\n" + FLOODS[flood], disk_mb=4)
    assert job.status is JobStatus.DISK_QUOTA_EXCEEDED
    assert job.result is not None and job.result.detail == "it wrote more than 4 MB, or 20000 files"


async def test_what_just_fits_is_no_flood(house: House) -> None:
    job = await run(house, "open('all', 'wb').write(b'x' * ((4 << 20) - 4096))", disk_mb=4)
    assert job.status is JobStatus.JOB_FINISHED
    assert {name: len(content or b"") for name, content in house.outputs().items()} == {"all": (4 << 20) - 4096}


async def test_shared_memory_is_no_way_around_the_limits(house: House) -> None:
    assert (
        await ask(
            house,
            """
def flood():
    with open("/dev/shm/x", "wb", 0) as file:
        for _ in range(64):
            if file.write(b"x" * (1 << 20)) < 1 << 20: raise OSError
print(json.dumps(tried(flood)))""",
        )
        == "OSError"
    )


async def test_a_file_full_of_holes_is_not_archived_beyond_the_limit(house: House) -> None:
    job = await run(
        house, "for n in range(3):\n    os.truncate(os.open(f'{n}', os.O_CREAT | os.O_RDWR), 3 << 20)", disk_mb=4
    )
    assert job.status is JobStatus.RESULTS_UPLOAD_FAILED
    assert job.result is not None
    assert job.result.detail == f"its outputs cannot be kept: outputs have more than {4 << 20} bytes"


async def test_processor_time_is_bounded(house: House) -> None:
    job = await run(house, "while True: pass", cpu_s=1)
    assert job.result is not None and job.result.exit_code in (128 + 24, 128 + 9)


async def test_links_leak_nothing_into_the_archive(house: House, secret: Path) -> None:
    await run(
        house,
        f"""
targets = ["/etc/passwd", {str(secret)!r}, "../../../../../etc", "/proc/1/root", "/"]
for n, target in enumerate(targets):
    os.symlink(target, f"link{{n}}")
for target in ("/usr/bin/env", "/data/inputs/algorithm.py"):
    try:
        os.link(target, "hard")
    except OSError as error:
        print(type(error).__name__)
os.mkfifo("pipe")
import socket
socket.socket(socket.AF_UNIX).bind("socket")
open("own", "w").write("own")
os.link("own", "twin")""",
    )
    assert house.log().splitlines() == ["OSError", "OSError"]
    assert house.outputs() == {"own": b"own", "twin": b"own"}
    left_out = house._file("a", "publish.log").read_text().splitlines()
    assert left_out[0] == "7 left out of outputs.tar:"
    assert left_out[1] == "'link0': is a link"
    assert "'pipe': is neither a file nor a folder" in left_out
