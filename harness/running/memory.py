"""Memory: how much this process has taken, how much a worker may take, and what running out looks like."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

import torch

from harness.running.cores import cores

UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of getrusage's peak
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
CONTROL_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed; torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, OUT_OF_MEMORY) or "can't allocate memory" in str(error)


def held_bytes(device: str) -> int:
    """What this process holds now on the device; where the system doesn't say, the most it ever held."""
    if device.startswith("cuda"):
        return torch.cuda.memory_reserved(device)
    pages = _text("/proc/self/statm").split()
    if len(pages) > 1:
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def free_bytes(device: str) -> int:
    """What a worker may take: the GPU's free memory, or a core's share of what the machine has available."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    return available_bytes() // cores()


def available_bytes() -> int:
    """Memory the machine, or the control group the process lives in, can still give out."""
    limits = [int(text) for name in CONTROL_GROUPS if (text := _text(name).strip()).isdigit()]
    found = re.search(r"MemAvailable:\s*(\d+) kB", _text("/proc/meminfo"))
    if found is not None:
        return min([int(found[1]) * 1024, *limits])
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="ascii")
    except OSError:
        return ""
