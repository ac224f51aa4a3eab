"""Spikes in NIRData (HDF5, as the package nir 1.0.8 writes it) as recordings, one per sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from neurosim.errors import FileError
from neurosim.events.recording import LATEST, MAX_PIXELS, Sensor
from neurosim.io.event_columns import EventColumns, Said
from neurosim.io.hdf5 import Node, opening
from neurosim.io.heaps import sound_heaps

GRAPH = "NIRGraphData"
KINDS = ("EventData", "ValuedEventData", "TimeGriddedData")
NANO = 1e-9
MAX_DEPTH = 20


def is_nirdata(path: Path) -> bool:
    """Whether it is an HDF5 file that says so."""
    try:
        if not sound_heaps(path):
            return False
        with h5py.File(path, "r") as file:
            return _type(file) == GRAPH
    except Exception:
        # What h5py raises on damaged files is anybody's guess.
        return False


def read_nirdata(path: Path, said: Said) -> list[EventColumns]:
    """The samples of one observable that is made of spikes.

    Neuron i is pixel (c, y, x) of C, H, W; without a sensor, neurons are a row of pixels. Times of EventData become ns,
    rounded; the tick of TimeGriddedData is its dt. Recordings last from 0 to t_max. Raises FileError for values but 0 and 1.
    """
    with opening(path) as (file, root):
        if _type(file) != GRAPH:
            raise FileError(str(path), [f"attribute '__type__' is {_type(file)!r}; expected {GRAPH!r}"])
        node = _chosen(path, dict(_observables(root)), said.observable)
        kind = _type(node.group)
        found = _gridded(node, said) if kind == "TimeGriddedData" else _events(node, said, valued=kind == "ValuedEventData")
    return found


def _type(group: h5py.Group) -> str:
    value = group.attrs.get("__type__", "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _observables(graph: Node, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Node]]:
    """(NODE/OBSERVABLE, its group) of all nodes, also of graphs in graphs."""
    nodes = graph.child("nodes") if depth < MAX_DEPTH else None
    for name, node in (nodes.children() if nodes else {}).items():
        if _type(node.group) == GRAPH:
            yield from _observables(node, f"{prefix}{name}/", depth + 1)
        elif "observables" in node:
            inner = node.child("observables")
            for key, item in (inner.children() if inner else {}).items():
                yield f"{prefix}{name}/{key}", item


def _chosen(path: Path, found: dict[str, Node], wanted: str | None) -> Node:
    names = ", ".join(list(found)[:20]) or "none"
    if wanted is None and len(found) != 1:
        raise FileError(str(path), [f"has {len(found)} observables, say which is the input (NODE/OBSERVABLE); it has {names}"])
    if wanted is not None and wanted not in found:
        raise FileError(str(path), [f"has no observable {wanted!r}; it has {names}"])
    node = found[wanted] if wanted is not None else next(iter(found.values()))
    if _type(node.group) not in KINDS:
        raise FileError(str(path), [f"{node.group.name} is {_type(node.group)!r}; needed: {', '.join(KINDS)}"])
    return node


def _gridded(node: Node, said: Said) -> list[EventColumns]:
    data, dt = node.array("data", "biuf", 3), node.number("dt", 0.0)
    if data is None or not _positive(node, "dt", dt) or not _binary(node, "data", data):
        return []
    _, steps, neurons = data.shape
    sensor = _sensor(node, neurons, said.sensor)
    if sensor is None:
        return []
    return [EventColumns(*_places(sensor, i, t), sensor, float(dt), (0, steps)) for t, i in map(np.nonzero, data)]


def _events(node: Node, said: Said, valued: bool) -> list[EventColumns]:
    idx, time = node.array("idx", "iu", 2), node.array("time", "iuf", 2)
    value = node.array("value", "biuf", 2) if valued else None
    neurons, t_max = node.integer("n_neurons"), node.number("t_max", 0.0)
    if idx is None or time is None or (valued and value is None) or not _positive(node, "t_max", t_max, LATEST * NANO):
        return []
    if idx.shape != time.shape or (value is not None and value.shape != idx.shape):
        node.say(f"idx is {list(idx.shape)}, time {list(time.shape)}; all columns must have one shape")
        return []
    used = idx != -1
    sensor = _sensor(node, neurons, said.sensor)
    if sensor is None or not _sound(node, idx, time, used, neurons, t_max):
        return []
    if value is not None:
        if not _binary(node, "value", value[used]):
            return []
        used = used & (value != 0)
    found = []
    for i, t, there in zip(idx, time, used, strict=True):
        ticks = np.rint(t[there] / NANO).astype(np.int64)
        order = np.argsort(ticks, kind="stable")
        found.append(EventColumns(*_places(sensor, i[there][order], ticks[order]), sensor, NANO, (0, round(t_max / NANO))))
    return found


def _sound(node: Node, idx: np.ndarray, time: np.ndarray, used: np.ndarray, neurons: int, t_max: float) -> bool:
    """Whether every event has a neuron and a time that there are, and every place that is not used says so twice."""
    wrong = {
        f"an idx outside 0..{neurons - 1}": used & ((idx < 0) | (idx >= neurons)),
        f"a time outside 0..t_max = {t_max:g}": used & ~((time >= 0) & (time <= t_max)),
        "a time but no idx (-1)": ~used & np.isfinite(time),
    }
    for told, where in wrong.items():
        if where.any():
            sample, event = np.unravel_index(int(where.argmax()), where.shape)
            at = f"event {event} of sample {sample}: idx {idx[sample, event]}, time {time[sample, event]}"
            node.say(f"{int(where.sum()):,} events have {told}; the first is {at}")
    return not any(where.any() for where in wrong.values())


def _places(sensor: Sensor, index: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y, t, p"""
    width, height, _ = sensor
    plane, x = np.divmod(index.astype(np.int64), width)
    p, y = np.divmod(plane, height)
    return x, y, t, p


def _sensor(node: Node, neurons: int, said: Sensor | None) -> Sensor | None:
    if not 0 < neurons <= MAX_PIXELS:
        node.say(f"there are {neurons} neurons; needed: 1 to {MAX_PIXELS:,}")
        return None
    sensor = said or (neurons, 1, 1)
    if math.prod(sensor) != neurons:
        node.say(f"it has {neurons} neurons; a sensor (W, H, P) of {sensor} has {math.prod(sensor)} pixels")
        return None
    return sensor


def _positive(node: Node, name: str, value: float, most: float = math.inf) -> bool:
    if isinstance(value, int | float) and 0 < value < most:
        return True
    node.say(f"{name!r} is {value}; it must be positive")
    return False


def _binary(node: Node, name: str, values: np.ndarray) -> bool:
    """Whether all are 0 or 1: spikes carry no values."""
    strange = ~((values == 0) | (values == 1))
    if strange.any():
        first = values.reshape(-1)[int(strange.reshape(-1).argmax())]
        node.say(f"{int(strange.sum()):,} of {name!r} are neither 0 nor 1, the first is {first}; spikes carry no values")
    return not strange.any()
