"""What the readers of recordings share: columns of events, and what a user says that a file does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import InputsError
from neurosim.events.recording import Sensor, sensor_problems


class EventColumns(NamedTuple):
    """Events as a file has them, not yet checked: x, y, t, p of one length, t in ticks of *tick_s* seconds."""

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    p: np.ndarray
    sensor: Sensor | None = None
    tick_s: float = 1e-6
    span: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What is said about a file.

    format: one of `FORMATS`, where content and name do not tell, or a function that reads such a file. sensor: (W, H, P).
    columns: order of the fields of a text, such as "t x y p". observable: NODE/OBSERVABLE of NIRData that has several. sort:
    events may be out of order.
    """

    format: Any = None
    sensor: Sensor | None = None
    columns: str | None = None
    observable: str | None = None
    sort: bool = False

    def __post_init__(self) -> None:
        if self.sensor is not None and sensor_problems(self.sensor):
            raise InputsError("recordings", sensor_problems(self.sensor))


def noted(count: int, what: str) -> tuple[str, ...]:
    """What to tell of *count* things that were left out, if there are any."""
    return (f"{count:,} {what}",) if count else ()
