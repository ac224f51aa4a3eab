"""The machine and the programs that are measured."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "scipy", "h5py", "torch")


def machine() -> dict[str, Any]:
    """CPU model, cores, versions, and how busy the machine was when the run began."""
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "threads": 1,
    }


def cpu() -> str:
    """The model as the system names it, with family and model number where the name alone says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    numbers = f" (family {found['cpu family']}, model {found['model']})" if "cpu family" in found and "model" in found else ""
    return found.get("model name", platform.machine()) + numbers


def memory(key: str = "VmRSS") -> int:
    """Bytes of this process: resident now (VmRSS), or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
