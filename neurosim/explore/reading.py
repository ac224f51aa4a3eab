"""From the values of a study file to a study, with everything that is wrong at once."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from neurosim.chip.chip import Chip
from neurosim.chip.scaling import parsed_scale
from neurosim.chip.settings import FIT, set_path
from neurosim.cost.spikeless import AnnChoice
from neurosim.errors import ChipError, NeurosimError
from neurosim.explore.axis import LARGEST, USABLE, Axis, axis_of, axis_problems, usable
from neurosim.explore.objective import OBJECTIVES, unknown_areas
from neurosim.explore.sampling import SAMPLINGS
from neurosim.explore.study import (
    CHIP,
    CHOICES,
    MESH,
    NETWORK,
    WEIGHT_BITS,
    Bounds,
    Front,
    Study,
    StudyError,
    is_of_chip,
    places,
    read_study,
)
from neurosim.families import meant
from neurosim.io.chip_file import load_chip
from neurosim.io.inputs_file import load_inputs
from neurosim.io.network_file import load_network
from neurosim.io.presets import DEFAULT, is_preset
from neurosim.mapping.place import USUAL as PLACED
from neurosim.network.inputs import Inputs, check_inputs
from neurosim.network.network import Network
from neurosim.timing.sample import AUTO, STUDY_IMAGES, PacketImages, problem

T = TypeVar("T")
KEYS: dict[str, type] = {
    "name": str, "network": str, "inputs": str, "images": int, "chip": str, "set": dict, "axes": dict, "sample": str,
    "points": int, "seed": int, "objectives": list, "constraints": dict, "placer": str, "partition": str, "schedule": str,
    "timing": str, "packet_images": object, "front": dict, "ann_chip": str, "ann_bits": object, "ann_sparsity": object,
    "scale_node": object,
}  # fmt: skip
USUAL = {"placer": PLACED, "partition": "cores", "schedule": "sequential", "timing": "analytic"}
# Up to which fronts are found in some minutes.
MOST_POINTS = 100_000
MESHES = re.compile(rf"{FIT}|[1-9]\d{{0,4}}x[1-9]\d{{0,4}}")


def load_study(path: str | os.PathLike[str], **given: Any) -> Study:
    """The study in a TOML file (see README); paths in it start at its folder. *given*: keys that take the place of its own.
    Raises FileError, or StudyError with every problem."""
    return study_of(read_study(path) | given, Path(path).parent, f"study {str(path)!r}")


def study_of(values: Mapping[str, Any], folder: Path, where: str = "study") -> Study:
    """A study from the values of a study file."""
    reader = _StudyReader(values, folder)
    study = reader.study()
    if study is None:
        raise StudyError(where, reader.problems)
    return study


class _StudyReader:
    """Reads one study; notes every problem."""

    def __init__(self, values: Mapping[str, Any], folder: Path):
        self.values, self.folder = values, folder
        self.problems: list[str] = []

    def study(self) -> Study | None:
        self._keys()
        if self.problems:
            return None
        axes, node = self._axes(), self._node()
        networks = self._loaded(NETWORK, axes, lambda name: load_network(self.folder / name))
        chips = self._loaded(CHIP, axes, lambda name: self._chip(name).scaled_to(node))
        ann = self._ann(networks, chips, node)
        inputs = self._inputs(networks)
        self._set(axes, chips)
        self._places(axes, chips)
        self._weight_bits(axes, networks)
        self._choices(axes)
        sample, points = self._sample(axes)
        objectives, constraints, front = self._objectives(), self._constraints(), self._front(inputs)
        packet_images = self._packet_images()
        if self.problems or inputs is None:
            return None
        choices = {name: str(self.values.get(name, USUAL[name])) for name in CHOICES}
        name, seed = str(self.values.get("name", "study")), int(self.values.get("seed", 0))
        study = Study(
            name=name, networks=networks, inputs=inputs, chips=chips, axes=axes, objectives=objectives,
            changes=self._table("set"), choices=choices, constraints=constraints, sample=sample, points=points, seed=seed,
            packet_images=packet_images, ann=ann, scale_node=node, front=front,
        )  # fmt: skip
        self._measurable(study)
        return None if self.problems else study

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _table(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.values.get(name, {})
        return found

    def _keys(self) -> None:
        for key, value in self.values.items():
            if key not in KEYS:
                self._say(f"unknown key {key!r}{meant(key, KEYS)}")
            elif not isinstance(value, KEYS[key]) or (isinstance(value, bool) and KEYS[key] is not object):
                self._say(f"{key} is {value!r}; it must be {_kind(KEYS[key])}")
        for key in ("inputs", "axes"):
            if key not in self.values:
                self._say(f"{key} is missing")
        if NETWORK not in self.values and NETWORK not in _dict(self.values.get("axes")):
            self._say("network is missing; give a file, or several as an axis")
        for table in ("set", "axes", "constraints", "front"):
            odd = [key for key in _dict(self.values.get(table)) if not isinstance(key, str)]
            if odd:
                self._say(f"{table} has the key {odd[0]!r}; keys are words")
        seed = self.values.get("seed", 0)
        if isinstance(seed, int) and not 0 <= seed < LARGEST:
            self._say(f"seed is {seed}; it must not be negative, and less than 2^63")

    def _axes(self) -> dict[str, Axis]:
        given = self._table("axes")
        if not given:
            self._say("there are no axes; give at least one setting several values")
        axes = {}
        for name, values in given.items():
            found = axis_problems(name, values)
            self.problems += found
            if not found:
                axes[name] = axis_of(values)
        return axes

    def _names(self, what: str, axes: Mapping[str, Axis]) -> list[str]:
        """Of networks or chips."""
        if what not in axes:
            return [str(self.values[what])] if what in self.values else [DEFAULT] if what == CHIP else []
        if what in self.values:
            self._say(f"{what} is given and an axis; leave out one")
        odd = [value for value in axes[what].values if not isinstance(value, str)]
        if odd or not axes[what].values:
            self._say(f"axis {what!r} needs names, not {odd[0] if odd else 'a range'!r}")
        return [value for value in axes[what].values if isinstance(value, str)]

    def _loaded(self, what: str, axes: Mapping[str, Axis], load: Callable[[str], T]) -> dict[str, T]:
        found = {}
        for name in self._names(what, axes):
            try:
                found[name] = load(name)
            except NeurosimError as error:
                self._say(str(error))
        return found

    def _chip(self, name: str) -> Chip:
        return load_chip(name if is_preset(name) else self.folder / name)

    def _node(self) -> float | str | None:
        """To which all chips are scaled."""
        asked: float | str | None = self.values.get("scale_node")
        try:
            if asked is not None:
                parsed_scale(asked)
        except NeurosimError as error:
            self._say(str(error))
            return None
        return asked

    def _ann(self, networks: Mapping[str, Network], chips: Mapping[str, Chip], node: float | str | None) -> AnnChoice:
        """The network without spikes; what a point makes of its chip is for the point to judge."""
        given = self.values.get("ann_chip")
        choice = AnnChoice(None, self.values.get("ann_bits"), self.values.get("ann_sparsity", 0.0))
        checks: list[Callable[[], None]] = [partial(choice.check, network, [*chips.values()]) for network in networks.values()]
        if given is not None:
            checks = [choice.check_values]
            try:
                choice = choice._replace(chip=self._chip(given).scaled_to(node))
                checks = [partial(choice.check, network, []) for network in networks.values()]
            except NeurosimError as error:
                self._say(str(error))
        problems = dict[str, None]()
        for check in checks:
            try:
                check()
            except NeurosimError as error:
                problems[str(error)] = None
        self.problems += problems
        return choice

    def _inputs(self, networks: Mapping[str, Network]) -> Inputs | None:
        try:
            found = load_inputs(self.folder / self.values["inputs"])
        except NeurosimError as error:
            self._say(str(error))
            return None
        images = self.values.get("images", len(found))
        if not 1 <= images <= len(found):
            self._say(f"images is {images}; {self.values['inputs']} holds {len(found)} samples")
            return found
        for network in networks.values():
            try:
                check_inputs(network, found[:images])
            except NeurosimError as error:
                self._say(str(error))
        return found[:images]

    def _set(self, axes: Mapping[str, Axis], chips: Mapping[str, Chip]) -> None:
        """What is the same for every point must suit every chip."""
        given, before = self._table("set"), len(self.problems)
        for name, value in given.items():
            if not is_of_chip(name):
                self._say(f"set has {name!r}, which is no setting of a chip; give it above all tables, or as an axis")
            elif not usable(value):
                self._say(f"set has {name!r} = {value!r:.60}; values are {USABLE}")
            elif name == MESH and not MESHES.fullmatch(str(value)):
                self._say(f"set has 'mesh' = {value!r}; it takes words like '8x8', or 'fit'")
            else:
                self._known(f"set has {name!r}, which", name, chips)
        taken = [place for name in [*axes, *given] if is_of_chip(name) for place, _ in places(name)]
        for place in sorted({place for place in taken if taken.count(place) > 1}):
            self._say(f"{place!r} is set more than once, by axes, set, or mesh")
        if len(self.problems) == before:
            self._apply(given, chips)

    def _apply(self, given: Mapping[str, Any], chips: Mapping[str, Chip]) -> None:
        for chip in chips.values() if given else ():
            values, where = chip.values, f"chip {chip.name!r} with set"
            try:
                for name, value in given.items():
                    for place, part in places(name, value):
                        set_path(values, place, part, where)
                Chip.parse(values, where)
            except ChipError as error:
                self._say(str(error))

    def _known(self, what: str, name: str, chips: Mapping[str, Chip]) -> None:
        """Every setting must be one of every chip."""
        for chip in chips.values() if name != MESH else ():
            settings = chip.settings
            if name not in settings:
                others = [*settings, NETWORK, CHIP, WEIGHT_BITS, MESH, *CHOICES]
                self._say(f"{what} is no setting of chip {chip.name!r}{meant(name, others)}")

    def _places(self, axes: Mapping[str, Axis], chips: Mapping[str, Chip]) -> None:
        for name, axis in axes.items():
            if not is_of_chip(name):
                continue
            self._known(f"axis {name!r}", name, chips)
            integers = [chip for chip in chips.values() if type(chip.settings.get(name)) is int]
            if not axis.values and not axis.whole and integers:
                self._say(f"axis {name!r} takes integers; add whole = true to its range")
            odd = [value for value in axis.values or ("a range",) if name == MESH and not MESHES.fullmatch(str(value))]
            if odd:
                self._say(f"axis 'mesh' has {odd[0]!r}; its values are words like '8x8', or 'fit'")

    def _weight_bits(self, axes: Mapping[str, Axis], networks: Mapping[str, Network]) -> None:
        if WEIGHT_BITS not in axes:
            return
        axis = axes[WEIGHT_BITS]
        ends = axis.values or (axis.low, axis.high)
        whole = all(isinstance(bits, int | float) and not isinstance(bits, bool) and float(bits).is_integer() for bits in ends)
        if not (whole and (axis.values or axis.whole)) or not all(2 <= float(bits) <= 16 for bits in ends):
            self._say(f"axis 'weight_bits' has {', '.join(map(str, ends))}; it takes integers from 2 to 16")
        for name, network in networks.items():
            if network.integer and network.float_twin is None:
                self._say(f"axis 'weight_bits': {name} holds no float weights to quantize")

    def _choices(self, axes: Mapping[str, Axis]) -> None:
        for name in CHOICES:
            given = axes[name].values if name in axes else (self.values.get(name, USUAL[name]),)
            if name in axes and name in self.values:
                self._say(f"{name} is given and an axis; leave out one")
            for value in given or ("a range",):
                if problem := CHOICES[name].problem(str(value)):
                    self._say(problem)

    def _sample(self, axes: Mapping[str, Axis]) -> tuple[str, int]:
        sample, points = str(self.values.get("sample", "grid")), self.values.get("points", 0)
        if sample not in SAMPLINGS:
            self._say(f"sample {sample!r} does not exist; there are: {', '.join(SAMPLINGS)}")
        if sample == "grid":
            if points:
                self._say("points is for random samples; a grid has as many as its axes say")
            ranges = [name for name, axis in axes.items() if not axis.values]
            if ranges:
                self._say(
                    f"axes {', '.join(ranges)} are ranges; a grid needs lists, or set sample = 'latin-hypercube' and points"
                )
            many = 1
            for axis in axes.values():
                many *= max(1, len(axis.values))
            points = many
        if not 1 <= points <= MOST_POINTS:
            self._say(f"there are {points:,} points; it must be 1 to {MOST_POINTS:,}")
        return sample, points

    def _objectives(self) -> tuple[str, ...]:
        given = self.values.get("objectives", ["energy", "latency"])
        there = f"there are: {', '.join(OBJECTIVES)}"
        for name in given:
            if not isinstance(name, str) or name not in OBJECTIVES:
                self._say(f"objective {name!r} does not exist{meant(str(name), OBJECTIVES)}; {there}")
            elif given.count(name) > 1:
                self._say(f"objective {name!r} is given more than once")
        if not given:
            self._say(f"objectives is empty; give at least one; {there}")
        return tuple(map(str, given))

    def _measurable(self, study: Study) -> None:
        """Where accuracy counts there must be labels; where area does, it must be known of every chip, what else is varied
        taken as in the first point."""
        counted = {*study.objectives, *study.constraints}
        if "accuracy" in counted and study.inputs.labels is None:
            self._say(f"accuracy counts, and {study.inputs.name} has no labels")
        if "area" not in counted:
            return
        first = {settings.get(CHIP): settings for settings in reversed(study.settings())}
        for settings in first.values():
            try:
                chip = study.chip(settings)
            except ChipError:
                continue
            if unknown := unknown_areas(chip):
                told = ", ".join(unknown)
                self._say(f"area counts, and chip {chip.name!r} gives no area_mm2 for {told}; give it, or model = 'sram'")

    def _constraints(self) -> dict[str, Bounds]:
        found = {}
        for name, given in self._table("constraints").items():
            if name not in OBJECTIVES:
                self._say(f"constraint {name!r} does not exist{meant(name, OBJECTIVES)}; there are: {', '.join(OBJECTIVES)}")
            elif not _bounds(given):
                self._say(f"constraint {name!r} is {given!r:.60}; give min, max or both, as finite numbers")
            elif given.get("min", -math.inf) > given.get("max", math.inf):
                self._say(f"constraint {name!r} allows nothing: min is {given['min']} and max {given['max']}")
            else:
                found[name] = Bounds(given.get("min"), given.get("max"))
        return found

    def _packet_images(self) -> PacketImages:
        """How many images of each step are timed by packets; for all points the same, so that "auto" is a fixed number."""
        asked = self.values.get("packet_images", AUTO)
        if wrong := problem(asked):
            self._say(wrong)
        found: PacketImages = STUDY_IMAGES if asked == AUTO else asked
        return found

    def _front(self, inputs: Inputs | None) -> Front | None:
        if "front" not in self.values:
            return None
        given = self._table("front")
        for key in sorted(given.keys() - {"timing", "images"}):
            self._say(f"front: unknown key {key!r}; it has timing and images")
        timing, images, most = given.get("timing", "packet"), given.get("images"), len(inputs) if inputs else 1
        if problem := CHOICES["timing"].problem(str(timing)):
            self._say(f"front: {problem}")
        if images is not None and not (type(images) is int and 1 <= images <= most):
            self._say(f"front: images is {images!r}; it must be 1 to {most:,}, the images of the study")
        return Front(str(timing), images)


def _bounds(given: Any) -> bool:
    if not isinstance(given, dict) or not given or given.keys() - {"min", "max"}:
        return False
    return all(isinstance(number, int | float) and not isinstance(number, bool) and usable(number) for number in given.values())


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _kind(kind: type) -> str:
    return {str: "text", int: "an integer", dict: "a table", list: "a list"}[kind]
