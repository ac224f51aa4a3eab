"""The study: what is varied, on which networks, inputs and chips, and what counts."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurosim.chip.chip import Chip
from neurosim.chip.settings import FIT, set_path
from neurosim.cost.spikeless import SAME_CHIP, AnnChoice
from neurosim.errors import FileError, InvalidError
from neurosim.explore.axis import Axis, Value
from neurosim.explore.sampling import SAMPLINGS, Settings
from neurosim.families import Family
from neurosim.mapping.partition import OBJECTIVES as PARTITIONS
from neurosim.mapping.place import PLACERS
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.network.quantize import quantize
from neurosim.timing.choice import TimeChoice
from neurosim.timing.sample import STUDY_IMAGES, PacketImages
from neurosim.timing.schedule import SCHEDULES
from neurosim.timing.timeline import TIMINGS

# Axes that are no settings of a chip.
NETWORK, CHIP, WEIGHT_BITS, MESH = "network", "chip", "weight_bits", "mesh"
CHOICES: dict[str, Family[Any]] = {"placer": PLACERS, "partition": PARTITIONS, "schedule": SCHEDULES, "timing": TIMINGS}


class StudyError(InvalidError):
    """A study that cannot be done as it is written."""


@dataclass(frozen=True)
class Bounds:
    """What a constraint allows."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return f"{'' if self.least is None else f'{self.least:g}'} to {'' if self.most is None else f'{self.most:g}'}".strip()

    def allow(self, value: float | None) -> bool:
        """A value that is not known is not allowed."""
        return value is not None and not (
            (self.least is not None and value < self.least) or (self.most is not None and value > self.most)
        )


@dataclass(frozen=True)
class Front:
    """How the best points are looked at once more: level of detail of time, on the first *images* samples (None: all)."""

    timing: str
    images: int | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """Networks and chips by the name that the axes use; *choices*: placer, partition, schedule and timing where they are no
    axes; *changes*: settings that are the same everywhere; *packet_images*: how many images of each step are timed by packets
    where that is the timing, the same in all points; *ann*: the network without spikes of all points; *scale_node*: the node
    that chips are scaled to, if to any, as they are here."""

    name: str
    networks: Mapping[str, Network]
    inputs: Inputs
    chips: Mapping[str, Chip]
    axes: Mapping[str, Axis]
    objectives: tuple[str, ...]
    changes: Mapping[str, Value] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    constraints: Mapping[str, Bounds] = field(default_factory=dict)
    sample: str = "grid"
    points: int = 0
    seed: int = 0
    packet_images: PacketImages = STUDY_IMAGES
    ann: AnnChoice = SAME_CHIP
    scale_node: float | str | None = None
    front: Front | None = None

    def settings(self) -> list[Settings]:
        """Of every point."""
        return SAMPLINGS[self.sample](self.axes, self.points, self.seed)

    def network(self, settings: Settings) -> Network:
        """The network of a point."""
        network = self.networks[str(settings.get(NETWORK, next(iter(self.networks))))]
        bits = settings.get(WEIGHT_BITS)
        return network if bits is None else _with_bits(network, int(bits))

    def chip(self, settings: Settings) -> Chip:
        """The chip of a point; raises ChipError where its settings contradict each other."""
        base = self.chips[str(settings.get(CHIP, next(iter(self.chips))))]
        changes = {**self.changes, **{name: value for name, value in settings.items() if is_of_chip(name)}}
        if not changes:
            return base
        values, where = base.values, f"chip {base.name!r} with {told(changes)}"
        for path, value in changes.items():
            for place, part in places(path, value):
                set_path(values, place, part, where)
        return Chip.parse(values, where)

    def choice(self, settings: Settings) -> dict[str, str]:
        """Placer, partition, schedule and timing of a point."""
        return {name: str(settings.get(name, self.choices[name])) for name in CHOICES}


def unused_packet_images(study: Study) -> str | None:
    """Why it has no effect how many images a study has timed by packets; None where it has one, or nobody asked."""
    if study.packet_images == STUDY_IMAGES:
        return None
    timings = study.axes["timing"].values if "timing" in study.axes else (study.choices["timing"],)
    looks = [(str(timing), len(study.inputs)) for timing in timings]
    looks += [] if study.front is None else [(study.front.timing, study.front.images or len(study.inputs))]
    said = [TimeChoice(timing, packet_images=study.packet_images).unused(images) for timing, images in looks]
    return f"packet_images = {study.packet_images} {said[0]}" if None not in said else None


def is_of_chip(axis: str) -> bool:
    return axis not in (NETWORK, CHIP, WEIGHT_BITS, *CHOICES)


def told(settings: Mapping[str, Value]) -> str:
    """In words."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def places(axis: str, value: Value = "0x0") -> list[tuple[str, Value]]:
    """The settings that an axis stands for, and what they are set to."""
    if axis != MESH:
        return [(axis, value)]
    if value == FIT:
        return [(MESH, FIT)]
    width, height = str(value).split("x")
    return [("mesh.width", int(width)), ("mesh.height", int(height))]


def _with_bits(network: Network, bits: int) -> Network:
    """The network with weights of so many bits, from the float weights that its file holds."""
    weights = {layer.weight_bits for layer in network.layers}
    if weights == {bits}:
        return network
    return quantize(network.float_twin or network, bits)


def read_study(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The values of a study file; raises FileError."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error
    except (ValueError, RecursionError) as error:
        raise FileError(str(path), [f"is not valid TOML: {error}"]) from error
