"""How the weights of a brick are stored: the room that they take, and what a spike fetches and adds.

shared: the kernels, once per core; a spike visits the row of the brick's channels at every site that it reaches. unrolled:
every synapse of an axon, one after another, visited at once; where they lead follows from the axon's entry. crossbar: for
every axon a row as wide as the brick has neurons, with zeros where no synapse is. sparse: the synapses of an axon that are
not zero, each with the index of its neuron. What an image feeds is stored shared: a dense engine walks its kernels; or lies at
the host, if that computes the currents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurosim.chip.chip import Chip, CoreDescription
from neurosim.mapping.brick import Brick, projections, reach, source_shape
from neurosim.network.checks import signed_bits
from neurosim.network.layers import INPUT, Layer, Shortcut
from neurosim.network.network import Network


class Projection(NamedTuple):
    """The synapses from the neurons of one (pooled) source to a brick. Where zeros matter, the source's channels differ from
    each other; elsewhere one stands for all that reach the brick."""

    brick: Brick
    site: np.ndarray  # int64 [positions], of the (pooled) source map that reach the brick
    sites: np.ndarray  # int64 [channels, positions], sites of the brick that an axon reaches
    axons: int  # channels of the source that reach the brick, for each channel here
    row: int  # synapses at each of these sites
    bits: int  # of a weight
    touched: np.ndarray  # int64 [channels, positions], words of the state that hold the potentials it adds to
    all_words: int  # words that hold a number of all neurons of the brick
    # int64 [channels, positions], where zeros matter: synapses that are not zero, and the rounds of the lanes that they take
    # if every site is worked off by itself.
    nonzero: np.ndarray | None
    rounds: np.ndarray | None

    @property
    def synapses(self) -> np.ndarray:
        """int64 [channels, positions]: of every axon."""
        return self.sites * self.row

    @property
    def once(self) -> np.ndarray:
        """int64 [channels, positions]: 1 where an axon is."""
        found: np.ndarray = np.minimum(self.sites, 1)
        return found


class Visit(NamedTuple):
    """What one spike of an axon causes, int64 [channels, positions] each, where *site* says. synapses: that it meets.
    items: what it fetches, of so many *bits* each; adds: additions; touched: words of the state, each read and written, that
    hold what is added to; passes: rounds of the core's lanes that the additions take."""

    site: np.ndarray
    synapses: np.ndarray
    items: np.ndarray
    bits: np.ndarray | int
    adds: np.ndarray
    touched: np.ndarray
    passes: np.ndarray


def _shared(link: Projection, core: CoreDescription) -> Visit:
    adds, passes = link.nonzero, link.rounds
    if adds is None or passes is None:
        adds, passes = link.synapses, link.sites * -(-link.row // core.lanes)
    return Visit(link.site, link.synapses, link.sites, link.row * link.bits, adds, link.touched, passes)


def _unrolled(link: Projection, core: CoreDescription) -> Visit:
    adds = link.synapses if link.nonzero is None else link.nonzero
    return Visit(link.site, link.synapses, link.once, link.synapses * link.bits, adds, link.touched, -(-adds // core.lanes))


def _crossbar(link: Projection, core: CoreDescription) -> Visit:
    stored, bits = link.once * link.brick.neurons, link.once * (link.brick.neurons * link.bits)
    if link.nonzero is None:
        return Visit(link.site, link.synapses, link.once, bits, stored, link.once * link.all_words, -(-stored // core.lanes))
    return Visit(link.site, link.synapses, link.once, bits, link.nonzero, link.touched, -(-link.nonzero // core.lanes))


def _sparse(link: Projection, core: CoreDescription) -> Visit:
    adds = link.synapses if link.nonzero is None else link.nonzero
    bits = adds * (link.bits + (core.index_bits or 0))
    return Visit(link.site, link.synapses, link.once, bits, adds, link.touched, -(-adds // core.lanes))


STORAGES: dict[str, Callable[[Projection, CoreDescription], Visit]] = {
    "shared": _shared, "unrolled": _unrolled, "crossbar": _crossbar, "sparse": _sparse,
}  # fmt: skip


def zeros_matter(core: CoreDescription) -> bool:
    """Whether what a spike causes depends on which weights are zero."""
    return core.storage == "sparse" or core.skip_zeros


def visit(network: Network, chip: Chip, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick) -> Visit:
    """What a spike of *source* causes in *brick* over the main synapses or a shortcut, by channel (one stands for all where
    zeros do not matter) and position of the pooled map that reaches it, see `Reach.site`."""
    return STORAGES[chip.core.storage](_projection(network, chip, layer, source, shortcut, brick), chip.core)


def stored_bits(network: Network, chip: Chip, brick: Brick) -> int:
    """Bits that the weights of *brick* take."""
    layer, core = network.layers[brick.layer], chip.core
    kernels = brick.channels * layer.weight[0].size * (layer.weight_bits or 8)
    host = chip.policy.analog == "host"
    if core.storage == "shared":
        unused = host and network.fed_by_image(layer) and {*(layer.inputs or ())} == {INPUT}
        return kernel_bits(layer, brick.channels) - (kernels if unused else 0)
    total = kernels if network.fed_by_image(layer) and not host else 0
    for source, shortcut in projections(network, layer):
        if source == INPUT and network.input.encoding == "direct":
            continue
        link = _projection(network, chip, layer, source, shortcut, brick)
        fetched = STORAGES[core.storage](link, core)
        total += link.axons * int((fetched.items * fetched.bits).sum())
    return total


def kernel_bits(layer: Layer, channels: int) -> int:
    """Bits of the weights of *channels* output channels, those of all sites shared."""
    return kernel_weights(layer, channels) * (layer.weight_bits or 8)


def kernel_weights(layer: Layer, channels: int) -> int:
    """Weights of *channels* output channels, those of all sites shared."""
    count: int = channels * layer.weight[0].size
    for shortcut in layer.shortcuts:
        count += constant_weights(layer, shortcut) if shortcut.weight is None else channels * shortcut.weight[0].size
    return count


def constant_weights(layer: Layer, shortcut: Shortcut) -> int:
    """Weights whose place the constant of an identity shortcut takes."""
    if layer.weight.dtype.kind != "i":
        return 1
    scale = int(shortcut.scale or 0)
    return -(-signed_bits(scale, scale) // (layer.weight_bits or 8))


def _projection(
    network: Network, chip: Chip, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick
) -> Projection:
    core, found, bits = chip.core, reach(network, layer, source, shortcut, brick), layer.weight_bits or 8
    state, number = chip.home("state"), chip.core.state_bits
    all_words = brick.sites * state.row_words(brick.channels, number)
    channels, height, width = source_shape(network, layer, source, shortcut)
    weight, site, sites = (shortcut or layer).weight, found.site, found.sites[None, :]
    if weight is None:
        assert shortcut is not None
        added = sites * (shortcut.scale != 0) if zeros_matter(core) else None
        return Projection(
            brick=brick, site=site, sites=sites, axons=brick.channels, row=1, bits=bits * constant_weights(layer, shortcut),
            touched=(sites if added is None else added) * state.words(number), all_words=all_words, nonzero=added, rounds=added,
        )  # fmt: skip
    if not zeros_matter(core):
        return Projection(
            brick=brick, site=site, sites=sites, axons=channels, row=brick.channels, bits=bits,
            touched=sites * state.row_words(brick.channels, number), all_words=all_words, nonzero=None, rounds=None,
        )  # fmt: skip
    kernels = weight if weight.ndim == 4 else weight.reshape(len(weight), channels, height, width)
    met = kernels[brick.c0 : brick.c1] != 0
    used = np.count_nonzero(met, axis=0)
    nonzero, rounds = found.over(used), found.over(-(-used // core.lanes))
    words = np.logical_or.reduceat(met, np.arange(0, len(met), state.neighbours(number)), axis=0).sum(0)
    return Projection(
        brick=brick, site=site, sites=np.repeat(sites, channels, 0), axons=1, row=brick.channels, bits=bits,
        touched=found.over(words) * state.words(number), all_words=all_words, nonzero=nonzero, rounds=rounds,
    )  # fmt: skip
