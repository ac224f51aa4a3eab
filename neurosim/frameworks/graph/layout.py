"""Where samples, steps and features lie in a tensor that a model makes, whatever the number of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from neurosim.frameworks.graph.address import origins_of, rows_of, samples_of, steps_of
from neurosim.frameworks.graph.refusal import RefusedError


class Reader(Protocol):
    """What reads addresses."""

    def read(self, address: Tensor) -> Any: ...


@dataclass(frozen=True)
class SampleLayout:
    """The axis on which the samples lie, *inner* of one sample's numbers on it behind one another (or *outer*, between those of
    other samples); *steps*, *origins*: int64 of the rest, flat: of which step and origin each number of a sample is."""

    axis: int
    outer: int
    inner: int
    steps: Tensor
    origins: Tensor

    @classmethod
    def of(cls, address: Tensor, samples: int) -> SampleLayout:
        """From the addresses of a tensor of so many samples."""
        found = samples_of(rows_of(address))
        for axis, size in enumerate(address.shape):
            for outer in {1, size // samples} if size % samples == 0 else ():
                split = _split(found, axis, outer, size // samples // outer, samples)
                if torch.equal(split, torch.arange(samples)[:, None].expand(split.shape)):
                    one = _split(address, axis, outer, size // samples // outer, samples)[0]
                    return cls(axis, outer, size // samples // outer, steps_of(rows_of(one)), origins_of(one))
        raise RefusedError(
            "its samples are not side by side on one axis of what it returns", "return [N, classes] or [T, N, classes]"
        )

    def read(self, recorder: Reader, address: Tensor) -> tuple[Any, SampleLayout]:
        """What a tensor of these addresses is an output of, all steps alike; and the layout with its features for origins."""
        order = torch.argsort(self.steps, stable=True)
        moments = self.steps.unique()
        if len(order) % len(moments):
            raise RefusedError("what it returns is not the same at every step", "return all classes of every step, or of one")
        found = recorder.read(self.by_sample(address)[:, order].unflatten(1, (len(moments), -1)))
        origins = torch.empty_like(self.origins)
        origins[order] = torch.arange(len(order) // len(moments)).repeat(len(moments))
        return found, replace(self, origins=origins)

    def by_sample(self, values: Tensor) -> Tensor:
        """[N, numbers] of a tensor of any number of samples N."""
        return _split(values, self.axis, self.outer, self.inner, values.shape[self.axis] // (self.outer * self.inner))


def _split(x: Tensor, axis: int, outer: int, inner: int, samples: int) -> Tensor:
    parted = x.unflatten(axis, (outer, samples, inner)) if math.prod(x.shape) else x
    return parted.movedim(axis + 1, 0).flatten(1)
