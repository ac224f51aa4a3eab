"""From a float network to an integer one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from neurosim.errors import NetworkError
from neurosim.network.layers import INPUT, Layer, Leak, Parameter, Shortcut, after, full, pool_kind, share
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS, NeuronParameter

LEAK_BITS, LEAK_BITS_MAX = 8, 15
PIXEL_MAX = 255


def quantize(network: Network, bits: int = 8, leak_bits: int = LEAK_BITS) -> Network:
    """The integer network of a float one; the float one stays attached as `float_twin`.

    Per layer one weight scale q puts the largest absolute weight on 2^(bits-1) - 1; weights become ``rint(q * w)``,
    averages become sums with weights that are so much smaller; threshold, bias and rest become
    ``rint(q * v * input scale)`` (column *grid* of the table of parameters), each leak
    k / 2^leak_bits, or with more bits, up to 15, where the grid would round it to 1 and a neuron would notice within the
    timesteps. Delays and dynamics stay. Shortcuts
    share the scale of the layer they feed, since both add to one potential; the number that stands for 1.0 in a direct
    shortcut is one constant of the layer, not a weight, and may be wider than the weights. Pixels without normalisation
    enter as integers 0..255, normalised ones on a grid that puts the largest value on 127.
    """
    if network.integer:
        raise NetworkError(f"network {network.name!r}", ["it is an integer network already"])
    if not 2 <= bits <= 16 or not 1 <= leak_bits <= LEAK_BITS_MAX:
        raise NetworkError(
            f"network {network.name!r}", [f"{bits} weight bits (2 to 16) and {leak_bits} leak bits (1 to 15)"]
        )
    spec = network.input
    scale = _input_scale(network)
    fraction = partial(_as_fraction, leak_bits, network.timesteps)
    layers = [_quantized(layer, bits, fraction, scale) for layer in network.layers]
    integer = Network.build(
        network.name, timesteps=network.timesteps or None, input_shape=spec.shape, encoding=spec.encoding, mean=spec.mean,
        std=spec.std, input_scale=None if spec.mean is None else scale, reset=network.reset, compare=network.compare,
        dynamics=network.dynamics, decode=network.decode, layers=layers, about=_origin(network),
    )  # fmt: skip
    return integer.with_float_twin(network)


def _origin(network: Network) -> dict[str, Any]:
    """What is known of the float network. Accuracies measured before belong to its record, not to the new integers."""
    kept = {k: v for k, v in network.about.items() if k == "dataset"}
    before = {k: v for k, v in network.about.items() if k not in ("dataset", "origin")}
    origin = network.about.get("origin") or before
    return kept | ({"origin": origin} if origin else {})


def _input_scale(network: Network) -> float:
    """Integer input per float input of the first layer."""
    spec = network.input
    if spec.encoding == "spikes":
        return 1.0
    if spec.mean is None or spec.std is None:
        return float(PIXEL_MAX)
    mean, std = np.array(spec.mean), np.array(spec.std)
    return 127 / float(np.max(np.maximum(mean, 1 - mean) / std))


def _summed(link: Layer | Shortcut) -> Any:
    """The same with a sum in the place of an average, and weights that are so much smaller."""
    if pool_kind(link.pool) != "avg":
        return link
    pool, part = replace(full(link.pool), kind="sum"), share(link.pool)  # type: ignore[arg-type]
    if link.weight is not None:
        return replace(link, pool=pool, weight=link.weight * np.float32(part))
    assert isinstance(link, Shortcut) and link.scale is not None
    return replace(link, pool=pool, scale=link.scale * part)


def _quantized(layer: Layer, bits: int, fraction: Callable[[Leak], Leak], input_scale: float) -> Layer:
    layer = replace(_summed(layer), shortcuts=[_summed(shortcut) for shortcut in layer.shortcuts])
    weights = [layer.weight, *(s.weight for s in layer.shortcuts if s.weight is not None)]
    largest = max(float(np.abs(w).max()) for w in weights)
    if largest == 0:
        raise NetworkError(f"layer {layer.name!r}", ["all its weights are zero; there is nothing to scale"])
    q = (2 ** (bits - 1) - 1) / largest

    def whole(x: np.ndarray | float | None) -> np.ndarray:
        scaled: np.ndarray = np.asarray(x, np.float64) * q
        found: np.ndarray = np.rint(scaled).astype(np.int64)
        return found

    def shortcut(s: Shortcut) -> Shortcut:
        return (
            replace(s, weight=None, scale=int(whole(s.scale)))
            if s.weight is None
            else replace(s, weight=whole(s.weight))
        )

    if input_scale != 1.0 and INPUT in layer.sources and len(layer.sources) > 1:
        message = "it reads the image and spikes; on one integer grid only one of them can keep its scale"
        raise NetworkError(f"layer {layer.name!r}", [message])
    current = q * (input_scale if INPUT in (layer.inputs or ()) else 1.0)
    # Averages of currents become sums, which are so much larger.
    pool, potential = after(layer), current / share(after(layer))
    _check_width(layer, potential)
    grids: dict[str, Callable[[NeuronParameter, Any], Any]] = {
        "potential": lambda row, value: _on_grid(value, current if row.read == "currents" else potential, row.least),
        "fraction": lambda _, value: fraction(value),
    }
    if pool_kind(pool) == "avg":
        layer = replace(layer, pool_currents=replace(full(pool), kind="sum"))  # type: ignore[arg-type, call-arg]
    changed = {row.name: grids[row.grid](row, row.of(layer)) for row in PARAMETERS.values() if row.grid in grids}
    return replace(
        layer, weight=whole(layer.weight), weight_bits=bits, weight_scale=q, shortcuts=[shortcut(s) for s in layer.shortcuts],
        **changed,
    )  # fmt: skip


def _on_grid(value: Parameter | None, scale: float, least: float) -> Any:
    """Integers of the same shape, none below *least*."""
    return None if value is None else np.maximum(np.rint(np.asarray(value, np.float64) * scale), least).astype(np.int64)


def _as_fraction(leak_bits: int, steps: int, leak: Leak) -> Leak:
    """The nearest (k, m) with m = *leak_bits*, or more, so that no leak is lost that would cost a potential more than one step
    of that grid within so many *steps*, 0: endless."""
    if leak is None:
        return None
    assert not isinstance(leak, tuple)
    wide = np.asarray(leak, np.float64)
    noticed = wide[(wide < 1) & (1 - (wide**steps if steps else 0) > 2.0**-leak_bits)]
    closest = float(noticed.max(initial=0))
    fine = next((m for m in range(leak_bits, LEAK_BITS_MAX) if round(closest * 2**m) < 2**m), LEAK_BITS_MAX)
    return np.rint(wide * 2**fine).astype(np.int64), fine


def _check_width(layer: Layer, scale: float) -> None:
    """Raise NetworkError if a parameter is more than 32 bits hold."""
    for name, value in ((row.name, row.of(layer)) for row in PARAMETERS.values() if row.grid == "potential"):
        largest = 0.0 if value is None else float(np.abs(np.asarray(value, np.float64)).max())
        if round(scale * largest) >= 2**31:
            message = f"its {name} of {largest:g} is {scale * largest:.3g} on the integer grid, more than 32 bits hold"
            raise NetworkError(f"layer {layer.name!r}", [message])
