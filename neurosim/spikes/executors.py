"""Couriers: executors that bring to their workers what many tasks need, once to each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Courier(Protocol):
    """An executor with a way of its own to its workers."""

    def bring(self, key: str, make: Callable[[], Any]) -> Any:
        """What to give to `submit` in place of what *make* returns, so that every worker fetches it once. What was brought
        under the same *key* before is not made again."""
        ...


def brought(executor: Executor, key: str, make: Callable[[], Any]) -> Any:
    """What to give to tasks of *executor*: the thing itself, unless it is a courier."""
    return executor.bring(key, make) if isinstance(executor, Courier) else make()
