"""Networks that people have: their graph says what they do, and what they become spikes and answers as they do."""

import re
from pathlib import Path

import numpy as np
import pytest

import neurosim as ns
from neurosim.io.nir.imported_network import import_nir
from neurosim.network.layers import NEXT_STEP
from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.frameworks import from_torch  # noqa: E402
from neurosim.frameworks.family import FAMILIES  # noqa: E402
from neurosim.frameworks.graph.node import as_map  # noqa: E402
from neurosim.frameworks.lowering.lowered import lowered  # noqa: E402
from neurosim.frameworks.recording import recording  # noqa: E402
from neurosim.frameworks.torch_import import _seen  # noqa: E402
from tests.frameworks import zoo  # noqa: E402
from tests.helpers.described import simulated  # noqa: E402

ROOT = Path(__file__).parents[2]
COVERAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
LARGE = ("vgg11", "resnet18", "GestureNet", "CIFAR10Net", "MNISTNet")
SEEN = [pytest.param(name, marks=[pytest.mark.slow] if any(word in name for word in LARGE) else []) for name in zoo.MODELS]


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


def compared(network):
    """What `verify` says, in the words of the table of coverage."""
    verdict = verify(network)
    assert verdict.answers.compared == network.golden.answers.size > 0
    if not verdict.mismatches:
        return "exact"
    assert verdict.ok and verdict.rounding_only
    return "rounded"


def shown(name):
    """What a model of the zoo is shown: (model, kind -> (samples, timesteps)). Those of tutorials show an image themselves."""
    model, samples, steps = zoo.MODELS[name]()
    if zoo.FRAMEWORKS[name] == "snnTorch" and name.startswith("tutorial"):
        return model, {"images": (samples, steps)}
    shape = samples.shape[1:] if steps else samples.shape[2:]
    images, events = (samples, zoo.spikes(*shape, seed=3)) if steps else (zoo.pixels(*shape, seed=4), samples)
    return model, {"images": (images, zoo.STEPS), "events": (events, None), "counts": (zoo.counts(events), None)}


@pytest.mark.parametrize("name", SEEN)
def test_a_network_spikes_and_answers_as_its_model(name):
    """With its row in the table of coverage."""
    model, kinds = shown(name)
    found = {kind: compared(from_torch(model, x, timesteps=steps)) for kind, (x, steps) in kinds.items()}
    assert row(name, found) in COVERAGE


@pytest.mark.parametrize("name", [name for name in zoo.MODELS if not any(word in name for word in LARGE)])
def test_with_weights_as_torch_draws_them_no_spike_differs_by_more_than_a_rounding(name):
    model, samples, steps = zoo.MODELS[name]()
    torch.manual_seed(0)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
            with torch.no_grad():
                module.weight.mul_(3 if module.weight.ndim > 1 else 1)
    network = from_torch(model, samples, timesteps=steps)
    assert compared(network) in ("exact", "rounded")
    assert any(layer.spikes is not None and layer.spikes.any() for layer in network.golden.samples.values())


def row(name, found):
    cells = (name, zoo.FRAMEWORKS[name], *(found.get(kind, "-") for kind in ("images", "events", "counts")))
    return f"| {' | '.join(cells)} |\n"


def test_the_table_of_coverage_has_no_row_without_its_test():
    rows = re.findall(r"^\| (.+?) \| (SpikingJelly|snnTorch|Norse|sinabs) \|", COVERAGE, re.MULTILINE)
    assert dict(rows) == zoo.FRAMEWORKS and len(rows) == len(zoo.MODELS)


def test_the_neurons_of_the_docs_are_those_that_are_known():
    rows = dict(re.findall(r"^\| (snnTorch|SpikingJelly|Norse|sinabs) \| ([A-Z][A-Za-z, ]+) \|", COVERAGE, re.MULTILINE))
    known = {framework.name: ", ".join(framework.readers) for framework in FAMILIES if framework.name != "neurosim"}
    assert {name.lower(): names for name, names in rows.items()} == known


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_trained_weights_of_a_package_spike_as_the_program_that_wrote_them(reset):
    snn, nir = pytest.importorskip("snntorch"), pytest.importorskip("nir")
    file = Path(pytest.importorskip("norse").__file__).parent / "torch" / "utils" / "test" / "braille.nir"
    nodes, steps = nir.read(file).nodes, 50
    spikes = np.random.default_rng(0).random((20, steps, 12)) < 0.3

    def linear(node):
        found = torch.nn.Linear(*nodes[node].weight.shape[::-1])
        found.load_state_dict({name: torch.tensor(getattr(nodes[node], name)) for name in ("weight", "bias")})
        return found

    back = snn.RSynaptic(alpha=0.55, beta=0.9, linear_features=38, reset_mechanism=reset)
    back.recurrent = linear("lif1.w_rec")
    last, (first, second) = snn.Synaptic(alpha=0.5, beta=0.55, reset_mechanism=reset), map(linear, ("fc1", "fc2"))
    sent, of_back, of_last = [], [torch.zeros(20, 38)] * 3, [torch.zeros(20, 7)] * 2
    with torch.no_grad():
        for step in range(steps):
            of_back = back(first(torch.tensor(spikes[:, step], dtype=torch.float32)), *of_back)
            out, *of_last = last(second(of_back[0]), *of_last)
            sent.append((of_back[0].numpy(), out.numpy()))
    network, _ = import_nir(file, dt=1e-4, reset=reset, compare=">", dynamics=NEXT_STEP, timesteps=steps)
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes[..., None, None]))
    for name, theirs in zip(("lif1.lif", "lif2"), zip(*sent, strict=True), strict=True):
        assert (trace.spikes(name).reshape(20, steps, -1) == np.stack(theirs, 1)).all(), name
        assert 0 < trace.spikes(name).mean() < 1


def test_what_sums_without_neurons_cost_is_what_the_docs_say():
    model, samples, steps = zoo.membrane()
    network = from_torch(model, samples, timesteps=steps)
    own = sum(weight.numel() for weight in model.parameters() if weight.ndim > 1)
    assert f"has {own:,} weights of" in COVERAGE and f"its network {network.synapses:,}, with up to nine sources" in COVERAGE
    assert max(len(layer.shortcuts) for layer in network.layers) == 8


def test_attention_is_refused_by_its_name_and_its_line():
    model, samples, steps = zoo.spikformer()
    with pytest.raises(
        ns.NeurosimError, match=r"blocks.0.attn \(SpikingSelfAttention\): bmm .*attention.*\[attention.py:\d+: x_seq = vt @"
    ):
        from_torch(model, samples, timesteps=steps)
