"""Which machine a figure comes from, in one line."""

import platform
from pathlib import Path

import psutil


def machine() -> str:
    """For example: 2 cores, AMD EPYC 9B14, 24 GB, Linux 6.1, Python 3.11.2."""
    memory_gb = round(psutil.virtual_memory().total / 1e9)
    return (
        f"{psutil.cpu_count(logical=True)} cores, {_processor()}, {memory_gb} GB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _processor() -> str:
    """The model where Linux tells it, else the architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.machine()
