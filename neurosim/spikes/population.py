"""A layer as the kernels take it: constants, state, and what is written down."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.kernels.layer import Extras, PooledCurrents, PopulationState, Synapses, Tape
from neurosim.kernels.neurons import KEPT, SET, SUBTRACTED, FloatLeak, IntegerLeak, Leaks, NeuronConstants
from neurosim.network.layers import NEXT_STEP, Layer, Leak, Parameter, Shape, after, pool_kind, share
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS
from neurosim.spikes.synapses import windows_of

RESETS = {"subtract": SUBTRACTED, "zero": SET, "none": KEPT}


def population(network: Network, layer: Layer, state_bits: int) -> NeuronConstants:
    """The constants of a layer as the kernels take them: single numbers, or an array per neuron where any of them varies."""
    rows = [row for row in PARAMETERS.values() if row.read == "constants" and row.form in ("number", "fraction")]
    varies = any(row.varies(layer) for row in rows)
    least, dtype = np.min(0 if layer.threshold is None else layer.threshold), np.int64 if network.integer else np.float32

    def each(value: Parameter | None) -> np.number | np.ndarray:
        found = np.asarray(0 if value is None else value, dtype)
        return by_site(found, layer.shape) if varies else found[()]

    def leaks(leak: Leak) -> Leaks:
        if not network.integer:
            return FloatLeak(each(1 if leak is None else leak))  # type: ignore[arg-type]
        k, m = leak if isinstance(leak, tuple) else (1, 0)
        return IntegerLeak(each(k), np.int64(m), np.int64(2**m - 1 if layer.leak_rounding == "zero" else 0))

    taken: dict[str, Any] = {row.name: (leaks if row.form == "fraction" else each)(row.of(layer)) for row in rows}
    most = 2 ** (state_bits - 1)
    lowest, highest = (-most, most - 1) if network.integer else (-np.float32(np.inf), np.float32(np.inf))
    return NeuronConstants(
        **taken, leaks=layer.leak is not None, filters=layer.current_leak is not None,
        parted=layer.bias_into == "potential",
        fire_above=firing(network, layer, taken["threshold"]), none_below=firing(network, layer, dtype(least)),
        fires=layer.spiking, reset_rule=RESETS[network.reset_of(layer)], resets_late=network.order_of(layer) == NEXT_STEP,
        floors=layer.floor is not None, refractory=layer.refractory, graded=layer.graded, lowest=lowest, highest=highest,
        channels=layer.shape[0],
    )  # fmt: skip


def firing(network: Network, layer: Layer, threshold: Any) -> Any:
    """The potentials above which neurons of *layer* with this threshold fire."""
    if network.compare_of(layer) == ">":
        return threshold
    return threshold - 1 if network.integer else np.nextafter(threshold, -np.float32(np.inf))


def by_site(parameter: Parameter, shape: Shape) -> np.ndarray:
    """A parameter for every neuron, [neurons], site by site."""
    # A copy, never a view that cannot be written: the kernels are compiled for each kind of array.
    return np.broadcast_to(parameter, shape).transpose(1, 2, 0).flatten()


def new_state(
    layer: Layer, constants: NeuronConstants, synapses: list[Synapses], dtype: type[np.generic], valued: bool
) -> PopulationState:  # fmt: skip
    """*valued*: whether events carry values."""
    neurons, sites = layer.neurons, layer.shape[1] * layer.shape[2]
    # Every spike that can be, in every window that it lies in.
    singles = max((len(s.target) * s.group for s in synapses if s.identity), default=0)
    extras = _extras(layer, synapses, dtype, valued, singles) if _uncommon(layer, constants, synapses) else None
    return PopulationState(
        potential=np.zeros(neurons, dtype), updated=_never(sites), block=layer.shape[0] // layer.blocks,
        reached=_never(sites * layer.blocks), listed=_never(sites), visits=_never(sites), lone=_never(neurons),
        candidates=np.empty(neurons, np.int32), held=np.empty(neurons, np.int32), singles=np.empty(singles, np.int32),
        extras=extras,
    )  # fmt: skip


def _uncommon(layer: Layer, constants: NeuronConstants, synapses: list[Synapses]) -> bool:
    """Whether a layer has anything that `Extras` are for."""
    lif = constants
    rare = lif.filters, lif.refractory, lif.resets_late, lif.floors, lif.graded, layer.blocks > 1, after(layer) is not None
    return any(rare) or any(s.latches or s.group_step for s in synapses)


def _extras(layer: Layer, synapses: list[Synapses], dtype: type[np.generic], valued: bool, singles: int) -> Extras:
    """*singles*: places that one identity shortcut reaches at most."""
    resting, latches = layer.neurons if layer.refractory else 0, sum(s.latches for s in synapses)
    valued_latches = latches if valued else 0
    return Extras(
        current=np.zeros(0 if layer.current_leak is None else layer.neurons, dtype), resting=np.empty(resting, np.int32),
        left=np.empty(resting, np.int32), rested=_never(resting), kept=np.empty(resting, dtype), latched=_never(latches),
        passed=np.zeros(len(synapses), np.int64), passed_channel=np.empty(latches, np.int32),
        passed_place=np.empty(latches, np.int32), passed_value=np.empty(valued_latches, payload_type(dtype)),
        rank=np.empty(valued_latches, np.int32), pooled=_pooled_currents(layer, singles, dtype),
    )  # fmt: skip


def _never(count: int) -> np.ndarray:
    """The last step in which something happened that has not."""
    return np.full(count, -1, np.int32)


def _pooled_currents(layer: Layer, singles: int, dtype: type[np.generic]) -> PooledCurrents:
    """*singles*: places that one identity shortcut reaches at most."""
    pool, nothing = after(layer), np.empty(0, np.int32)
    one: Any = dtype(share(pool))
    if pool is None:
        return PooledCurrents(
            raw=np.empty(0, dtype), listed=nothing, first_window=nothing, window=nothing, first_site=nothing, site=nothing,
            largest=False, share=one, neurons=nothing,
        )  # fmt: skip
    windows, sites = windows_of(layer.landing, pool), layer.landing[1] * layer.landing[2]
    holder, held = windows.pairs(np.arange(windows.many))
    most = int(np.diff(windows.first).max(initial=0))
    return PooledCurrents(
        raw=np.zeros(sites * layer.shape[0], dtype), listed=_never(sites * layer.blocks),
        first_window=windows.first.astype(np.int32), window=windows.window.astype(np.int32),
        first_site=np.searchsorted(holder, np.arange(windows.many + 1)).astype(np.int32), site=held.astype(np.int32),
        largest=pool_kind(pool) == "max", share=one, neurons=np.empty(singles * most, np.int32),
    )  # fmt: skip


def payload_type(potential: type[np.generic]) -> type[np.generic]:
    """Of the values that spikes carry."""
    return np.float32 if potential is np.float32 else np.int64


def new_tape(layer: Layer, images: int, steps: int, dtype: type[np.generic], potentials: bool) -> Tape:
    rows, neurons, sites = images * steps, layer.neurons, layer.shape[1] * layer.shape[2]

    def starts() -> np.ndarray:
        return np.zeros(rows + 1, np.int64)

    def room() -> np.ndarray:
        return np.empty(rows * neurons, np.int32)

    return Tape(
        start=starts(), channel=room(), site=room(), value=np.empty(rows * neurons if layer.graded else 0, payload_type(dtype)),
        reached=np.empty((rows, sites * layer.blocks), bool), lone_start=starts(), lone=room(), clipped_start=starts(),
        clipped=room(),
        peak=np.zeros((images, 2), np.float64 if dtype is np.float32 else np.int64),
        potentials=np.empty((rows if potentials else 0, neurons), dtype), final=np.empty((images, neurons), dtype),
        noted=np.zeros(5, np.int64),
    )  # fmt: skip
