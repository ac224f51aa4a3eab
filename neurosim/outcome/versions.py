"""What computed: the versions that belong to a result."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

# Whose versions can change a number, or a file.
LIBRARIES = ("numpy", "numba", "scipy", "h5py")


@cache
def versions() -> dict[str, str]:
    """Of Python, the libraries, and the machine."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **libraries, "platform": platform.platform()}
