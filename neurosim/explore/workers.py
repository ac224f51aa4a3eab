"""Where the work of a study is done."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """So many processes of this machine; when what they are for ends early, they end with it."""
    before = {child.pid for child in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _deaf)
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.terminate()
        raise


def _deaf() -> None:
    """An interrupt is for the process that waits for the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
