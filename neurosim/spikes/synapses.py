"""The synapses of a layer in the form the kernels run: rows of weights and tables of runs."""

from __future__ import annotations

import math
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from neurosim.kernels.layer import Synapses
from neurosim.network.layers import POOL, KernelAxis, Layer, Pool, Shape, Shortcut, axes, groups_of, pooled
from neurosim.network.network import Network


class Taps(NamedTuple):
    """Where along one axis source coordinates land: stretches of neighbouring outputs low..high that meet kernel elements which
    are stored one after another, by rising coordinate.

    Kernel elements are stored so that those a source reaches follow each other (by phase of the stride, descending), so
    neighbouring outputs take neighbouring weights.
    """

    coordinate: np.ndarray  # int64 [stretches]
    low: np.ndarray  # int64 [stretches]
    high: np.ndarray  # int64 [stretches]
    element: np.ndarray  # int64 [stretches], position in *order* of the kernel element that meets output *low*
    order: np.ndarray  # int64 [k], kernel elements as stored


def taps(size: int, out_size: int, axis: KernelAxis) -> Taps:
    """The taps of all source coordinates 0..size-1."""
    # A source reaches by every so many elements of the kernel.
    period = axis.stride // math.gcd(axis.stride, axis.dilation)
    order = np.concatenate([np.arange(r, axis.kernel, period)[::-1] for r in range(min(period, axis.kernel))])
    start = np.arange(size)[:, None] + axis.padding - order * axis.dilation
    output = start // axis.stride
    met = (start % axis.stride == 0) & (output >= 0) & (output < out_size)
    goes_on = met[:, 1:] & met[:, :-1] & (np.diff(output, axis=1) == 1)
    begins, ends = met.copy(), met.copy()
    begins[:, 1:] &= ~goes_on
    ends[:, :-1] &= ~goes_on
    coordinate, element = np.nonzero(begins)
    return Taps(coordinate, output[begins], output[ends], element, order)


def pool_sites(shape: Shape, pool: str | None) -> np.ndarray:
    """int64 [H*W]: the pooled site of each site of a map, -1 for a dropped odd row or column."""
    _, h, w = shape
    if pool is None:
        return np.arange(h * w)
    _, ph, pw = pooled(shape, pool)
    y, x = np.divmod(np.arange(h * w), w)
    y, x = y // POOL, x // POOL
    return np.where((y < ph) & (x < pw), y * pw + x, -1)


class Runs(NamedTuple):
    """Runs of all sites of a (pooled) source map; see `neurosim.kernels.layer.Synapses`."""

    first: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    def of_sites(self, sites: np.ndarray) -> Runs:
        """The runs of *sites* one after another; a site of -1 has none."""
        counts = np.where(sites < 0, 0, np.diff(self.first)[np.maximum(sites, 0)])
        first = np.concatenate([[0], np.cumsum(counts)])
        picked = np.repeat(self.first[np.maximum(sites, 0)] - first[:-1], counts) + np.arange(first[-1])
        return Runs(first, self.target[picked], self.offset[picked], self.length[picked])


def conv_runs(
    shape: Shape, out: Shape, vertical: KernelAxis, horizontal: KernelAxis, groups: int = 1
) -> tuple[Runs, np.ndarray]:  # fmt: skip
    """The runs of a convolution, of the first of its groups, and the order in which kernel columns are stored."""
    _, h, w = shape
    channels, out_h, out_w = out
    across = taps(w, out_w, horizontal)
    down = np.arange(h)[:, None] + vertical.padding - np.arange(vertical.kernel) * vertical.dilation
    rows = np.where((down % vertical.stride == 0) & (down >= 0), down // vertical.stride, out_h)
    y, x, ky = np.nonzero(np.broadcast_to((rows < out_h)[:, None, :], (h, len(across.low), vertical.kernel)))
    site, sites = y * w + across.coordinate[x], (across.high - across.low + 1)[x]
    target, offset = rows[y, ky] * out_w + across.low[x], ky * horizontal.kernel + across.element[x]
    if groups > 1:
        # The channels of a group at neighbouring sites do not follow each other.
        site, target, offset = (np.repeat(each, sites) for each in (site, target, offset))
        ahead = np.arange(len(site)) - np.repeat(np.cumsum(sites) - sites, sites)
        target, offset, sites = target + ahead, offset + ahead, np.ones_like(site)
    first = np.concatenate([[0], np.cumsum(np.bincount(site, minlength=h * w))])
    share = channels // groups
    return Runs(first, target * channels, offset * share, sites * share), across.order


def dense_runs(shape: Shape, neurons: int) -> Runs:
    """The runs of a full connection: every source site reaches all neurons in one run."""
    sites = shape[1] * shape[2]
    zeros = np.zeros(sites, np.int64)
    return Runs(np.arange(sites + 1), zeros, np.arange(sites) * neurons, zeros + neurons)


def _synapses(
    runs: Runs, rows: np.ndarray, source: Shape, pool: Pool, latch: int, delay: int, groups: int = 1, share: int = 0
) -> Synapses:  # fmt: skip
    """The synapses from a map of shape *source*, given the *runs* of the same map after *pool*; *share*: channels that each of
    several *groups* reaches."""
    channels, h, w = pooled(source, pool)
    sites = pool_sites(source, pool)
    runs = runs.of_sites(sites)
    windows = h * w if pool == "max2" else 0
    unit = 0 if rows.dtype.kind == "i" else rows.dtype.type(0)
    return Synapses(
        first=np.ascontiguousarray(runs.first, np.int32), target=np.ascontiguousarray(runs.target, np.int32),
        offset=np.ascontiguousarray(runs.offset, np.int64), length=np.ascontiguousarray(runs.length, np.int32), weight=rows,
        channel_step=rows.size // channels, group=channels // groups, group_step=share, identity=False, unit=unit,
        pooled=np.ascontiguousarray(sites if windows else (), np.int32), windows=windows, first_latch=latch,
        latches=channels * windows, delay=delay,
    )  # fmt: skip


def conv_rows(weight: np.ndarray, order: np.ndarray, groups: int = 1) -> np.ndarray:
    """Weights [Cout, Cin/groups, kh, kw] as rows [Cin, kh, kw (stored order), Cout/groups], flat."""
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    return np.ascontiguousarray(parts.transpose(0, 2, 3, 4, 1)[:, :, :, order, :]).ravel()


def dense_rows(weight: np.ndarray) -> np.ndarray:
    """Weights [out, C*H*W] as rows [C, H*W, out], flat."""
    return np.ascontiguousarray(weight.T).ravel()


def main_synapses(layer: Layer, source: Shape, latch: int = 0) -> Synapses:
    """The synapses from one of the layer's main inputs of shape *source* (before pooling)."""
    found = _rows(layer, layer, layer.in_shape)
    return _synapses(*found, source, layer.pool, latch, layer.delay, *_groups(layer, layer))


def shortcut_synapses(shortcut: Shortcut, layer: Layer, source: Shape, latch: int = 0) -> Synapses:
    """The synapses of a residual add from a layer of shape *source* (before pooling)."""
    channels, h, w = seen = pooled(source, shortcut.pool)
    if shortcut.weight is not None:
        found = _rows(shortcut, layer, seen)
        return _synapses(*found, source, shortcut.pool, latch, shortcut.delay, *_groups(shortcut, layer))
    sites = np.arange(h * w)
    runs = Runs(np.append(sites, len(sites)), sites * channels, sites * 0, sites * 0 + 1)
    nothing = np.empty(0, layer.weight.dtype)
    unit = np.float32(shortcut.scale) if nothing.dtype.kind == "f" else int(shortcut.scale or 0)
    return _synapses(runs, nothing, source, shortcut.pool, latch, shortcut.delay)._replace(identity=True, unit=unit)


def _groups(link: Layer | Shortcut, layer: Layer) -> tuple[int, int]:
    """Groups of *link*, and the channels of *layer* that each reaches; 0 where there are none."""
    groups = groups_of(link)
    return groups, layer.shape[0] // groups if groups > 1 else 0


def _rows(link: Layer | Shortcut, layer: Layer, seen: Shape) -> tuple[Runs, np.ndarray]:
    """Runs and rows of the weights of *link* onto *layer* from a map of shape *seen*."""
    assert link.weight is not None
    found = axes(link)
    if found is None:
        return dense_runs(seen, layer.neurons), dense_rows(link.weight)
    groups = groups_of(link)
    runs, order = conv_runs(seen, layer.shape, *found, groups)
    return runs, conv_rows(link.weight, order, groups)


class Feed(NamedTuple):
    """What feeds a layer: the synapses of each of `Layer.sources`; and the largest absolute current in one step, per unit of
    main input, and from shortcuts and bias."""

    synapses: tuple[Synapses, ...]
    largest_main: float
    largest_shortcut: float


# Networks never change; their rows are built once and live as long as they do.
_feeds: WeakKeyDictionary[Network, dict[str, Feed]] = WeakKeyDictionary()


def feeds(network: Network) -> dict[str, Feed]:
    """The feed of every layer of *network*."""
    if network not in _feeds:
        _feeds[network] = {layer.name: _feed(network, layer) for layer in network.layers}
    return _feeds[network]


def _feed(network: Network, layer: Layer) -> Feed:
    main = _largest_sum(layer.weight) * _most_spikes(layer.pool) * len(layer.inputs or ())
    shortcut = sum(
        (abs(s.scale or 0) if s.weight is None else _largest_sum(s.weight)) * _most_spikes(s.pool) for s in layer.shortcuts
    )
    bias = float(np.abs(0 if layer.bias is None else layer.bias).max())
    return Feed(_layer_synapses(network, layer), main, shortcut + bias)


def _most_spikes(pool: Pool) -> int:
    """Most spikes that one weight meets in one step."""
    return POOL * POOL if pool == "sum2" else 1


def _largest_sum(weight: np.ndarray) -> float:
    """Largest sum of absolute weights onto one output channel."""
    wide = np.int64 if weight.dtype.kind == "i" else np.float64
    positive, negative = (f(weight, 0).reshape(len(weight), -1).sum(1, dtype=wide) for f in (np.maximum, np.minimum))
    return float((positive - negative).max())


def _layer_synapses(network: Network, layer: Layer) -> tuple[Synapses, ...]:
    """The synapses of all sources of *layer*, main inputs first, in the order of `Layer.sources`."""
    found: list[Synapses] = []
    latch = 0
    for name in layer.inputs or ():
        found.append(main_synapses(layer, network.shape_of(name), latch))
        latch += found[-1].latches
    for shortcut in layer.shortcuts:
        found.append(shortcut_synapses(shortcut, layer, network.shape_of(shortcut.source), latch))
        latch += found[-1].latches
    widest = max((s.weight.dtype for s in found), key=lambda d: d.itemsize)
    return tuple(s._replace(weight=s.weight.astype(widest, copy=False)) for s in found)
