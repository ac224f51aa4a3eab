"""The moment when compiling begins."""

from collections.abc import Callable
from typing import Any

from numba.core import event

STARTS = "numba:compile"


class FirstCompilation(event.Listener):
    """Calls *tell* once: when code that no cache holds begins to be compiled. Code that is loaded says nothing."""

    def __init__(self, tell: Callable[[], None]):
        self.tell, self.told = tell, False

    def on_start(self, event: Any) -> None:
        if not self.told:
            self.told = True
            self.tell()

    def on_end(self, event: Any) -> None:
        """Others may follow; nobody asks."""


def tell_first_compilation(tell: Callable[[], None]) -> None:
    """From now on; *tell* runs in the thread that compiles."""
    event.register(STARTS, FirstCompilation(tell))
