"""How the weights of a brick are stored: the room that they take, and what a spike fetches and adds.

shared: the kernels, once per core; a spike visits the row of the brick's channels at every site that it reaches. unrolled:
every synapse of an axon, one after another, visited at once; where they lead follows from the axon's entry. crossbar: for
every axon a row as wide as the brick has neurons (or places, where currents are pooled), with zeros where no synapse is.
sparse: the synapses of an axon that are not zero, each with the index of its neuron. What an image feeds is stored shared: a
dense engine walks its kernels; or lies at the host, if that computes the currents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from neurosim.chip.chip import Chip, CoreDescription
from neurosim.mapping.brick import Brick, groups_in, landing_places, landing_sites, projections, reach, source_shape
from neurosim.network.checks import signed_bits
from neurosim.network.layers import INPUT, Layer, Shortcut, after, groups_of
from neurosim.network.network import Network


class Projection(NamedTuple):
    """The synapses from the neurons of one (pooled) source to a brick, by kind of channel of the source: where zeros matter
    each is a kind, elsewhere those of a group are, and without groups all that reach the brick."""

    width: int  # places of the brick that synapses can lead to
    channels: int  # of the brick
    site: np.ndarray  # int64 [positions], of the (pooled) source map that reach the brick
    first: int  # channel of the source that reaches the brick
    axons: int  # channels of each kind, which follow each other
    sites: np.ndarray  # int64 [kinds, positions], sites of the brick that an axon reaches
    row: np.ndarray  # int64 [kinds, 1], synapses at each of these sites
    bits: int  # of a weight
    touched: np.ndarray  # int64 [kinds, positions], words of the state that hold the potentials it adds to
    block: int  # words of the state that hold the potentials of all channels of a site; 0 if spikes of a site share none
    all_words: int  # words that hold a number of all those places
    # int64 [kinds, positions], where zeros matter: synapses that are not zero, and the rounds of the lanes that they take
    # if every site is worked off by itself.
    nonzero: np.ndarray | None
    rounds: np.ndarray | None

    @property
    def axis(self) -> tuple[np.ndarray, int, int]:
        """Which axons there are."""
        return self.site, self.first, self.axons

    @property
    def synapses(self) -> np.ndarray:
        """int64 [kinds, positions]: of every axon."""
        found: np.ndarray = self.sites * self.row
        return found

    @property
    def once(self) -> np.ndarray:
        """int64 [kinds, positions]: 1 where an axon is."""
        found: np.ndarray = np.minimum(self.sites, 1)
        return found


class Visit(NamedTuple):
    """What one spike of an axon causes, int64 [kinds, positions] each, where *site* says; the channels of the source from
    *first* on, so many *axons* of each kind. synapses: that it meets. items: what it fetches, of so many *bits* each; adds:
    additions; touched: words of the state, each read and written, that hold what is added to; passes: rounds of the core's
    lanes that the additions take. kept: words of the state that hold what any spike from the site may add to, if the registers
    of the lanes have room for it, else 0."""

    site: np.ndarray
    first: int
    axons: int
    synapses: np.ndarray
    items: np.ndarray
    bits: np.ndarray
    adds: np.ndarray
    touched: np.ndarray
    passes: np.ndarray
    kept: np.ndarray


def _shared(link: Projection, core: CoreDescription) -> Visit:
    adds, passes = link.nonzero, link.rounds
    if adds is None or passes is None:
        adds, passes = link.synapses, link.sites * -(-link.row // core.lanes)
    bits = link.row * link.bits
    return Visit(*link.axis, link.synapses, link.sites, bits, adds, link.touched, passes, _kept(link, core))


def _unrolled(link: Projection, core: CoreDescription) -> Visit:
    adds = link.synapses if link.nonzero is None else link.nonzero
    bits, passes = link.synapses * link.bits, -(-adds // core.lanes)
    return Visit(*link.axis, link.synapses, link.once, bits, adds, link.touched, passes, _kept(link, core))


def _crossbar(link: Projection, core: CoreDescription) -> Visit:
    stored, bits = link.once * link.width, link.once * (link.width * link.bits)
    adds, touched = (stored, link.once * link.all_words) if link.nonzero is None else (link.nonzero, link.touched)
    return Visit(*link.axis, link.synapses, link.once, bits, adds, touched, -(-adds // core.lanes), _kept(link, core))


def _sparse(link: Projection, core: CoreDescription) -> Visit:
    adds = link.synapses if link.nonzero is None else link.nonzero
    bits = adds * (link.bits + (core.index_bits or 0))
    return Visit(*link.axis, link.synapses, link.once, bits, adds, link.touched, -(-adds // core.lanes), _kept(link, core))


def _kept(link: Projection, core: CoreDescription) -> np.ndarray:
    """int64 [kinds, positions]: see `Visit.kept`. A lane has a register for each round that a site of the brick takes it,
    whichever weights are zero."""
    whole = core.storage == "crossbar" and not core.skip_zeros
    sites = link.once * (link.width // link.channels) if whole else link.sites
    fits = sites * -(-link.channels // core.lanes) <= core.accumulate_registers
    return np.where(fits, sites * link.block, 0)


STORAGES: dict[str, Callable[[Projection, CoreDescription], Visit]] = {
    "shared": _shared, "unrolled": _unrolled, "crossbar": _crossbar, "sparse": _sparse,
}  # fmt: skip


def zeros_matter(core: CoreDescription) -> bool:
    """Whether what a spike causes depends on which weights are zero."""
    return core.storage == "sparse" or core.skip_zeros


def visit(network: Network, chip: Chip, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick) -> Visit:
    """What a spike of *source* causes in *brick* over the main synapses or a shortcut, by kind of channel (see `Projection`)
    and position of the pooled map that reaches it, see `Reach.site`."""
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


class ImageRows(NamedTuple):
    """What bricks do for one element of the kernels that an image meets, at one site: rows of weights fetched, one for every
    group, words of them, and rounds of the lanes that their products take."""

    rows: np.ndarray
    words: np.ndarray
    rounds: np.ndarray


def image_rows(network: Network, chip: Chip, bricks: Sequence[Brick]) -> ImageRows:
    """Of the main weights of *bricks*, int64 [bricks] each; also of those that no image feeds."""
    found = []
    for brick in bricks:
        layer = network.layers[brick.layer]
        groups, bits = groups_in(network, layer, (layer.inputs or (INPUT,))[0], None, brick), layer.weight_bits or 8
        found.append((len(groups.sizes), groups.weight_words(chip.home("weights"), bits), groups.rounds(chip.core.lanes)))
    return ImageRows(*np.array(found, np.int64).reshape(-1, 3).T)


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
    block = state.row_words(brick.channels, number)
    wide, all_words = landing_places(layer, brick), landing_sites(layer, brick) * block
    _, height, width = source_shape(network, layer, source, shortcut)
    weight, site, sites = (shortcut or layer).weight, found.site, found.sites[None, :]
    if weight is None:
        assert shortcut is not None
        added = sites * (shortcut.scale != 0) if zeros_matter(core) else None
        return Projection(
            width=wide, channels=brick.channels, site=site, first=brick.c0, axons=brick.channels, sites=sites,
            row=np.ones((1, 1), np.int64), bits=bits * constant_weights(layer, shortcut),
            touched=(sites if added is None else added) * state.words(number), block=0, all_words=all_words, nonzero=added,
            rounds=added,
        )  # fmt: skip
    groups, together = groups_in(network, layer, source, shortcut, brick), state.neighbours(number)
    kept = block if groups_of(shortcut or layer) == 1 and after(layer) is None else 0
    if not zeros_matter(core):
        return Projection(
            width=wide, channels=brick.channels, site=site, first=groups.taken[0], axons=groups.inputs,
            sites=np.repeat(sites, len(groups.sizes), 0),
            row=groups.sizes[:, None], bits=bits, touched=sites * groups.words(together)[:, None] * state.words(number),
            block=kept, all_words=all_words, nonzero=None, rounds=None,
        )  # fmt: skip
    kernels = weight if weight.ndim == 4 else weight.reshape(len(weight), groups.inputs, height, width)
    met = kernels[brick.c0 : brick.c1] != 0
    used, words = _by_channel(met, groups.begins), _words(met, groups.begins, together)
    nonzero, rounds = found.over(used), found.over(-(-used // core.lanes))
    return Projection(
        width=wide, channels=brick.channels, site=site, first=groups.taken[0], axons=1, sites=np.repeat(sites, len(used), 0),
        row=np.repeat(groups.sizes, groups.inputs)[:, None], bits=bits, touched=found.over(words) * state.words(number),
        block=kept, all_words=all_words, nonzero=nonzero, rounds=rounds,
    )  # fmt: skip


def _by_channel(met: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """int64 [channels of the source, ...]: how many channels of a brick, of which groups begin where *begins* says, bool *met*
    [channels of the brick, channels of the source of a group, ...] is true for."""
    found: np.ndarray = np.add.reduceat(met, begins, axis=0, dtype=np.int64).reshape(-1, *met.shape[2:])
    return found


def _words(met: np.ndarray, begins: np.ndarray, together: int) -> np.ndarray:
    """The same of words that so many channels of the brick lie *together* in: those with one for which it is true."""
    parts = np.union1d(np.arange(0, len(met), together), begins)
    touched = np.logical_or.reduceat(met, parts, axis=0)
    return _by_channel(touched, np.searchsorted(parts, begins))
