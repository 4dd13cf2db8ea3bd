"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
import torch

from harness.running.cores import cores
from harness.running.timing.machine import device_name, processor
from harness.training.products import library

PACKAGES = ("torch", "optuna", "mlflow", "scikit-learn", "numpy", "ray", "nn-harness")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, GPU, versions, and how busy the machine was."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": device_name("cuda") if torch.cuda.is_available() else None,
        "products": library(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "load_average": [round(v, 2) for v in os.getloadavg()],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
