"""Where the work of a study is done."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

from neurosim.errors import NeurosimError


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """So many processes of this machine; when what they are for ends early, they end with it."""
    if workers < 1:
        raise NeurosimError(f"workers is {workers}; there must be at least one")
    before = {child.pid for child in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.terminate()
        # What watches the workers must be done before the interpreter ends, or both close the same pipe.
        pool.shutdown(cancel_futures=True)
        raise


def _begin() -> None:
    """An interrupt is for the process that waits for the workers; when that is gone, however it went, they go too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
