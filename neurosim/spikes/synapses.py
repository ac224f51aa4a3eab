"""The synapses of a layer in the form the kernels run: rows of weights and tables of runs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from neurosim.kernels.layer import Synapses
from neurosim.network.checks import integer_type, signed_bits
from neurosim.network.layers import (
    Axes,
    KernelAxis,
    Layer,
    Pooling,
    Shape,
    Shortcut,
    after,
    area,
    axes,
    groups_of,
    pool_axes,
    pool_kind,
    pooled,
    share,
)
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

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Every coordinate, and every output that it reaches, int64 [pairs] each."""
        many = self.high - self.low + 1
        ahead = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        return np.repeat(self.coordinate, many), np.repeat(self.low, many) + ahead


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


class Windows(NamedTuple):
    """Which windows of a pool the sites of a map lie in: site s in window[first[s] : first[s + 1]], int64. many: how many there
    are."""

    first: np.ndarray
    window: np.ndarray
    many: int

    @property
    def site(self) -> np.ndarray:
        """int64 [pairs]: the site of each pair of a site and a window."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def pairs(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places in *windows*, site) of every pair of one of these windows and a site in it."""
        order = np.argsort(self.window, kind="stable")
        starts = np.searchsorted(self.window[order], np.arange(self.many + 1))
        counts = np.diff(starts)[windows]
        place = np.repeat(np.arange(len(windows)), counts)
        inside = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return place, self.site[order[starts[windows][place] + inside]]


@lru_cache(maxsize=256)
def pool_windows(height: int, width: int, moves: Axes) -> Windows:
    """The windows that *moves* say of a map."""
    down, across = (taps(n, axis.places(n), axis) for n, axis in zip((height, width), moves, strict=True))
    (y, of_y), (x, of_x), broad = down.pairs, across.pairs, moves[1].places(width)
    site, window = np.add.outer(y * width, x).ravel(), np.add.outer(of_y * broad, of_x).ravel()
    order = np.lexsort((window, site))
    first = np.searchsorted(site[order], np.arange(height * width + 1))
    return Windows(first, window[order], moves[0].places(height) * broad)


def windows_of(shape: Shape, pool: Pooling) -> Windows:
    """The windows of *pool* on a map."""
    return pool_windows(*shape[1:], pool_axes(pool))


class Runs(NamedTuple):
    """Runs of all sites of a (pooled) source map; see `neurosim.kernels.layer.Synapses`."""

    first: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    def of_windows(self, windows: Windows) -> Runs:
        """Those of the windows of a pool for every site in one, by rising site."""
        counts = np.diff(self.first)[windows.window]
        first = np.concatenate([[0], np.cumsum(counts)])
        picked = np.repeat(self.first[windows.window] - first[:-1], counts) + np.arange(first[-1])
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
    part = channels // groups
    return Runs(first, target * channels, offset * part, sites * part), across.order


def dense_runs(shape: Shape, neurons: int) -> Runs:
    """The runs of a full connection: every source site reaches all neurons in one run."""
    sites = shape[1] * shape[2]
    zeros = np.zeros(sites, np.int64)
    return Runs(np.arange(sites + 1), zeros, np.arange(sites) * neurons, zeros + neurons)


def _synapses(
    runs: Runs, rows: np.ndarray, source: Shape, pool: Pooling, latch: int, delay: int, groups: int = 1, reached: int = 0
) -> Synapses:  # fmt: skip
    """The synapses from a map of shape *source*, given the *runs* of the same map after *pool*; *reached*: channels that each
    of several *groups* reaches."""
    channels, windows = source[0], windows_of(source, pool)
    largest = pool_kind(pool) == "max"
    runs = runs.of_windows(windows)
    if not largest:
        runs = runs._replace(first=runs.first[windows.first])
    many = windows.many if largest else 0
    if rows.dtype.kind == "f":
        rows = rows * rows.dtype.type(share(pool))
    unit = 0 if rows.dtype.kind == "i" else rows.dtype.type(0)
    return Synapses(
        first=np.ascontiguousarray(runs.first, np.int32), target=np.ascontiguousarray(runs.target, np.int32),
        offset=np.ascontiguousarray(runs.offset, np.int64), length=np.ascontiguousarray(runs.length, np.int32), weight=rows,
        channel_step=rows.size // channels, group=channels // groups, group_step=reached, identity=False, unit=unit,
        first_place=np.ascontiguousarray(windows.first if many else (), np.int32),
        window=np.ascontiguousarray(windows.window if many else (), np.int32), windows=many, first_latch=latch,
        latches=channels * many, delay=delay,
    )  # fmt: skip


def conv_rows(weight: np.ndarray, order: np.ndarray, groups: int = 1) -> np.ndarray:
    """Weights [Cout, Cin/groups, kh, kw] as rows [Cin, kh, kw (stored order), Cout/groups], flat."""
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    return np.ascontiguousarray(parts.transpose(0, 2, 3, 4, 1)[:, :, :, order, :]).ravel()


def shifted(link: Layer | Shortcut) -> np.ndarray:
    """The weights of *link* as they are added, in the smallest type that holds them."""
    assert link.weight is not None
    if not link.weight_shift:
        return link.weight
    if link.weight.dtype.kind == "f":
        return link.weight * np.float32(2**link.weight_shift)
    wide = link.weight.astype(np.int64) << link.weight_shift
    return wide.astype(integer_type(signed_bits(int(wide.min()), int(wide.max()))))


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
    unit = int(shortcut.scale or 0) if nothing.dtype.kind == "i" else np.float32((shortcut.scale or 0) * share(shortcut.pool))
    return _synapses(runs, nothing, source, shortcut.pool, latch, shortcut.delay)._replace(identity=True, unit=unit)


def _groups(link: Layer | Shortcut, layer: Layer) -> tuple[int, int]:
    """Groups of *link*, and the channels of *layer* that each reaches; 0 where there are none."""
    groups = groups_of(link)
    return groups, layer.shape[0] // groups if groups > 1 else 0


def _rows(link: Layer | Shortcut, layer: Layer, seen: Shape) -> tuple[Runs, np.ndarray]:
    """Runs and rows of the weights of *link* onto *layer* from a map of shape *seen*."""
    found = axes(link)
    if found is None:
        return dense_runs(seen, layer.neurons), dense_rows(shifted(link))
    groups = groups_of(link)
    runs, order = conv_runs(seen, layer.landing, *found, groups)
    return runs, conv_rows(shifted(link), order, groups)


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
    main = _largest_sum(layer) * _most_spikes(layer.pool) * len(layer.inputs or ())
    shortcut = sum(
        (abs(s.scale or 0) if s.weight is None else _largest_sum(s)) * _most_spikes(s.pool) for s in layer.shortcuts
    )
    bias = float(np.abs(0 if layer.bias is None else layer.bias).max())
    # Of a sum or average of currents all of a window add up.
    most = _most_spikes(after(layer))
    return Feed(_layer_synapses(network, layer), main * most, (shortcut + bias) * most)


def _most_spikes(pool: Pooling) -> int:
    """Most spikes that one weight meets in one step, or currents that are added; averages counted as sums."""
    return 1 if pool_kind(pool) == "max" else area(pool)


def _largest_sum(link: Layer | Shortcut) -> float:
    """Largest sum of absolute weights onto one output channel."""
    weight = link.weight
    assert weight is not None
    wide = np.int64 if weight.dtype.kind == "i" else np.float64
    positive, negative = (f(weight, 0).reshape(len(weight), -1).sum(1, dtype=wide) for f in (np.maximum, np.minimum))
    largest: float = (positive - negative).max() * 2.0**link.weight_shift
    return largest


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
