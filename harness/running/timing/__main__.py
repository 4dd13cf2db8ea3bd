"""The process in which a benchmark is timed: `python -m harness.running.timing NAME ROUNDS TARGET`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from harness.running.timing.clock import measure
from harness.running.timing.table import BENCHMARKS


def main() -> None:
    """Time on one thread, denormals flushed as in training, and write the times down."""
    name, rounds, target = sys.argv[1:4]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    begun, used = time.perf_counter(), time.process_time()
    times = measure(BENCHMARKS[name].settings(), int(rounds))
    share = (time.process_time() - used) / (time.perf_counter() - begun)
    found = {"processor_share": share, "times": [t.model_dump() for t in times]}
    Path(target).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
