"""Files `.net` of lava-dl: what is read computes the same to the bit; what cannot be said is refused."""

import h5py
import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.errors import FileError, NetworkError
from neurosim.io.lava.imported_network import import_lava
from tests.helpers import lava_files as lava
from tests.helpers.examples import examples
from tests.helpers.samples import call, refused


def differing(path, frames, **said):
    """How many spikes and potentials differ from those of the interpreter, and how many spikes there are."""
    shown = len(frames) == 1
    network, fidelity = import_lava(path, timesteps=lava.STEPS, encoding="direct" if shown else "spikes", **said)
    assert fidelity.exact
    inputs = ns.Inputs(frames) if shown else ns.Inputs.from_spikes(frames[None])
    trace, wrong, fired = ns.simulate(network, inputs, record_potentials=True), 0, 0
    for name, (spikes, potentials) in lava.run(path, np.repeat(frames, lava.STEPS, 0) if shown else frames).items():
        wrong += np.count_nonzero(trace.potentials(name)[0].reshape(potentials.shape) != potentials)
        if network.layer(name).spiking:
            wrong += np.count_nonzero(trace.spikes(name)[0].reshape(spikes.shape) != spikes)
            fired += spikes.sum()
    return wrong, fired


@pytest.mark.fuzz
@given(lava.files())
@examples(30)
def test_every_spike_and_potential_is_that_of_the_file(tmp_path_factory, drawn):
    blocks, frames = drawn
    path = lava.write(tmp_path_factory.mktemp("lava") / "n.net", blocks)
    assert differing(path, frames)[0] == 0
