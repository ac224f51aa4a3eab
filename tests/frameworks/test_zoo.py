"""Networks that people have: their graph says what they do, and what they become spikes and answers as they do."""

import numpy as np
import pytest

import neurosim as ns
from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.frameworks import from_torch  # noqa: E402
from neurosim.frameworks.graph.node import as_map  # noqa: E402
from neurosim.frameworks.lowering.lowered import lowered  # noqa: E402
from neurosim.frameworks.recording import recording  # noqa: E402
from neurosim.frameworks.torch_import import _seen  # noqa: E402
from tests.frameworks import zoo  # noqa: E402
from tests.helpers.described import simulated  # noqa: E402

LARGE = ("vgg11", "resnet18", "GestureNet", "CIFAR10Net", "MNISTNet")
SEEN = [
    pytest.param(name, marks=[pytest.mark.slow] if any(word in name for word in LARGE) else [])
    for name in zoo.MODELS
    if name != "Spikformer"
]


def frames_of(samples, steps):
    return samples[:, None].expand(len(samples), steps, *samples.shape[1:]) if steps else samples


@pytest.mark.parametrize("name", SEEN)
def test_a_model_its_graph_and_its_description_do_the_same(name):
    model, samples, steps = zoo.MODELS[name]()
    frames = frames_of(samples, steps)
    capture = _seen(model, frames, bool(steps), None, name)
    # On other samples than those on which it was seen: what reaches every neuron, and what is returned.
    assert capture.difference == 0
    found = lowered(capture.graph, not steps, bool(steps))
    kept = recording(capture, found, frames)
    maps = frames.reshape(*frames.shape[:2], *as_map(frames.shape[2:])).transpose(0, 1)
    made = simulated(found.description, maps)
    fired = 0
    for population in found.description.populations:
        spikes, potentials = (x.flatten(2).transpose(0, 1).numpy() for x in made[population.name])
        there = kept.layers[population.name]
        if there.spikes is not None:
            assert (spikes == there.spikes).all()
            fired += int(there.spikes.sum())
        else:
            assert np.allclose(potentials, there.potentials, rtol=1e-5, atol=1e-6)
    assert fired > 0 and kept.scores.any()


@pytest.mark.parametrize("name", SEEN)
def test_a_network_spikes_and_answers_as_its_model(name):
    model, samples, steps = zoo.MODELS[name]()
    network = from_torch(model, samples, timesteps=steps)
    verdict = verify(network)
    assert verdict.ok and verdict.mismatches == 0
    assert verdict.answers.compared == network.golden.answers.size > 0


def test_attention_is_refused_by_its_name_and_its_line():
    model, samples, steps = zoo.MODELS["Spikformer"]()
    with pytest.raises(
        ns.NeurosimError, match=r"blocks.0.attn \(SpikingSelfAttention\): bmm .*attention.*\[attention.py:\d+: x_seq = vt @"
    ):
        from_torch(model, samples, timesteps=steps)
