"""Where compiled code is kept: where numba would keep it, else in a temporary folder of the user, else nowhere."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numba

SETTINGS: Any = numba.config
# Of all kernels: helpers of other files are part of the code that calls them.
SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


class CodeCache(NamedTuple):
    """Whether compiled code outlives the process, and in which folder; None: where numba would keep it."""

    kept: bool
    folder: Path | None

    @property
    def slow(self) -> bool:
        """Whether all is compiled anew for want of a better place: code is not kept, or not yet in the temporary folder."""
        return not self.kept or (self.folder is not None and not any(self.folder.rglob("*.nbi")))

    @contextmanager
    def offered(self) -> Iterator[None]:
        """Functions decorated inside keep their code here; numba looks at its setting at no other time."""
        given = SETTINGS.CACHE_DIR
        SETTINGS.CACHE_DIR = given if self.folder is None else str(self.folder)
        try:
            yield
        finally:
            SETTINGS.CACHE_DIR = given


def code_cache() -> CodeCache:
    """The first place that can be written: NUMBA_CACHE_DIR, beside the source, numba's folder below home, a temporary one.

    Without any of them numba refuses to decorate (a read-only installation without a home), so that nothing could be imported.
    """
    usual = CodeCache(True, None)
    if _works(usual):
        return usual
    folder = own_folder()
    own = CodeCache(True, folder)
    return own if folder is not None and _works(own) else CodeCache(False, None)


def own_folder() -> Path | None:
    """A folder below the temporary one that only this user can write, as numba unpickles what lies there; None without one."""
    if os.name != "posix":
        return None
    try:
        folder = Path(tempfile.gettempdir()) / f"neurosim-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if mine else None


def stamped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same compiled function, whose kept code is old when any file of kernels has changed; numba looks at its own alone, so
    that a pull which changes a helper would leave its callers as they were."""
    kept: Any = getattr(getattr(function, "_cache", None), "_cache_file", None)
    if kept is not None:
        kept._source_stamp = SOURCE
    return function


def _works(place: CodeCache) -> bool:
    try:
        with place.offered():
            numba.njit(cache=True)(_nothing)
    except RuntimeError:  # No locator available.
        return False
    return True


def _nothing() -> None:
    """Decorated to see whether numba would keep its code; lies beside the kernels."""
