"""What a mapping takes grows with the network, and sizes found change by change are those of whole sweeps."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.mapping.brick_rows import BrickRows
from neurosim.mapping.partition import OBJECTIVES, Ways, _Cutter
from neurosim.network.layers import Shortcut
from tests.helpers.examples import examples
from tests.helpers.strategies import networks, recurrent_networks

CHIP = ["core.max_neurons=8", "core.max_routes=60", "mesh.width=24", "mesh.height=24"]


def populations(many, size=8):
    """Each reads one that comes before it, and another one late."""
    rng, layers = np.random.default_rng(many), []
    for index in range(many):
        weight = rng.integers(1, 9, (2, size, size)).astype(np.int8)
        late = Shortcut(f"p{rng.integers(many)}", weight[1], delay=1)
        before = f"p{rng.integers(index)}" if index else "input"
        layers.append(ns.Dense(f"p{index}", weight[0], 20, inputs=before, shortcuts=[late]))
    return ns.Network.build("many", timesteps=2, input_shape=(size, 1, 1), encoding="spikes", layers=layers)


def numbers_held(mapping):
    """Numbers in all arrays that say where spikes go and what they cause there."""
    total = 0
    for fan in mapping.fanouts.values():
        rows = [part for part in vars(fan).values() if isinstance(part, BrickRows)] + [work.amount for work in fan.work]
        total += sum(len(r.brick) + len(r.rows.indptr) + 2 * r.rows.nnz for r in rows)
        total += len(fan.first) + len(fan.target) + len(fan.sender) + len(fan.groups.indptr) + 2 * fan.groups.nnz
    return total


def test_four_times_the_populations_take_four_times_the_room():
    few, many = (numbers_held(ns.map_network(populations(n), ns.load_chip("mesh45", CHIP))) for n in (100, 400))
    assert many < 4.2 * few


class WholeSweeps(_Cutter):
    """Goes through all layers for every size that is tried."""

    def _best(self, objective, guess):
        fixed = {}
        best = self.ways(fixed, guess)
        for index in reversed(range(len(self.layers))):
            options = self.front(index, self._fanout(index, best.sizes)) or (best.sizes[index],)
            found = [self.ways(fixed | {index: size}, best.sizes) for size in options]
            best = min(found, key=lambda ways: objective(ways, self.chip.cores))
            fixed[index] = best.sizes[index]
        return best.sizes

    def ways(self, fixed, guess):
        sizes = [fixed.get(index, size) for index, size in enumerate(guess)]
        cores = packets = 0
        for index in reversed(range(len(self.layers))):
            front = self.front(index, self._fanout(index, sizes))
            sizes[index] = fixed.get(index) or (front[0] if front else (1, 1, 1))
            cores += prod(-(-n // s) for n, s in zip(self.layers[index].shape, sizes[index], strict=True))
            packets += self.layers[index].shape[0] * int(self._sent(index, sizes).sum())
        return Ways(tuple(sizes), cores, packets)


@examples(60)
@given(
    st.one_of(networks(), recurrent_networks()), st.sampled_from(sorted(OBJECTIVES)), st.integers(3, 40), st.integers(4, 200)
)
def test_sizes_are_those_of_whole_sweeps(network, objective, neurons, routes):
    chip = ns.load_chip("mesh45", [f"core.max_neurons={neurons}", f"core.max_routes={routes}"])
    _, rank = OBJECTIVES.of(objective)
    found, expected = (kind(network, chip, spill=False)._chosen(rank) for kind in (_Cutter, WholeSweeps))
    assert found == expected


@pytest.mark.parametrize("delivery", ["unicast", "multicast"])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_sizes_of_many_that_feed_back_are_those_of_whole_sweeps(objective, delivery):
    _, rank = OBJECTIVES.of(objective)
    for many in range(4, 20):
        chip = ns.load_chip("mesh45", ["core.max_neurons=7", f"core.max_routes={many + 6}", f"mesh.delivery={delivery}"])
        found, expected = (kind(populations(many), chip, spill=False) for kind in (_Cutter, WholeSweeps))
        for guess in ((8, 1, 1), (1, 1, 1)):
            assert found._best(rank, (guess,) * many) == expected._best(rank, (guess,) * many)
