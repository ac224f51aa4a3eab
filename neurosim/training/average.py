"""The moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch

from neurosim.training.ann import Ann
from neurosim.training.snn import Snn


class Average:
    """A copy of *model* that holds the exponential moving average of its state: ``w = d w + (1 - d) w'`` after each update.

    The decay d grows to *decay* with the updates n as (1 + n) / (10 + n), so that the start is forgotten.
    """

    def __init__(self, model: Ann | Snn, decay: float):
        self.model, self.decay, self.updates = deepcopy(model), decay, 0

    @torch.no_grad()
    def update(self, model: Ann | Snn) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, new in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)

    @torch.no_grad()
    def restart(self, names: Iterable[str], model: Ann | Snn) -> None:
        """Take these entries of the state as they are, and average from there."""
        mine, new = self.model.state_dict(), model.state_dict()
        for name in names:
            mine[name].copy_(new[name])

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])
