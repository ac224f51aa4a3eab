"""Events of a site are added together, and come to what they come to one by one."""

import numba
import numpy as np
import pytest

import neurosim as ns
from neurosim.kernels.layer import add_rows
from neurosim.spikes.synapses import main_synapses

CHANNELS = 20


@numba.njit
def run(potential, synapses, channel, site):
    add_rows(potential, synapses, channel, site)


@pytest.mark.parametrize("weights", ["int8", "int16", "float32", "lowest", "highest"])
def test_many_events_of_a_site_are_added_in_their_order(weights):
    rng, kind = np.random.default_rng(0), weights if weights[-1].isdigit() else "int8"
    drawn = rng.normal(0, 1e3 if kind == "int16" else 40, (16, CHANNELS, 3, 3))
    weight = {"lowest": np.full(drawn.shape, -128), "highest": np.full(drawn.shape, 127)}.get(weights, drawn).astype(kind)
    net = ns.Network.build("one", timesteps=1, input_shape=(CHANNELS, 4, 4), encoding="spikes",
                           layers=[ns.Conv("conv", weight, 9, padding=1)])  # fmt: skip
    layer = net.layers[0]
    synapses = main_synapses(layer, net.input.shape)
    spikes = rng.random((16, CHANNELS)) < np.linspace(0.05, 1, 16)[:, None]
    site, channel = (part.astype(np.int32) for part in np.nonzero(spikes))
    found = np.zeros(layer.neurons, np.float32 if kind == "float32" else np.int32)
    expected = found.copy()
    run(found, synapses, channel, site)
    for c, s in zip(channel.tolist(), site.tolist(), strict=True):
        for r in range(synapses.first[s], synapses.first[s + 1]):
            target, offset = synapses.target[r], synapses.offset[r] + c * synapses.channel_step
            expected[target : target + synapses.length[r]] += synapses.weight[offset : offset + synapses.length[r]]
    assert found.tolist() == expected.tolist()
