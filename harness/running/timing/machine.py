"""The machine that times were taken on."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from typing import Any

import torch

import harness
from harness.running.cores import cores
from harness.training.products import device_name, first_core, library


def machine() -> dict[str, Any]:
    """Processor, cores, GPU, versions, and how busy it was when the timing began."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": cores(),
        "gpu": device_name("cuda") if torch.cuda.is_available() else None,
        "products": library(),
        "system": platform.system(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "harness": harness.__version__,
        },
        "load_average": [round(v, 2) for v in os.getloadavg()],
    }


def processor() -> str:
    """The processor's name."""
    found = re.search(r"model name\s*:\s*(.+)", first_core())
    return found[1] if found else platform.processor() or platform.machine()
