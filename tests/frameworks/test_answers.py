"""The proof is the model's own answer: what is wrong with a network shows, and where."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import neurosim as ns
from neurosim.network.decode import DECODINGS
from neurosim.spikes.answers import answered
from neurosim.spikes.verify import verify
from tests.helpers import samples

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
from torch import nn  # noqa: E402

from neurosim.frameworks import Lif, from_torch  # noqa: E402
from neurosim.training.export import with_golden  # noqa: E402
from tests.frameworks.zoo import on_grid, spikes  # noqa: E402


class Net(nn.Module):
    """A pool, a skip, a delay and a leaky readout by hand, of which the largest potential is the answer."""

    def __init__(self, end="max"):
        super().__init__()
        self.conv1, self.lif1, self.pool = nn.Conv2d(1, 3, 3, padding=1), Lif(0.5, 0.5), nn.MaxPool2d(2)
        self.conv2, self.lif2 = nn.Conv2d(3, 3, 3, padding=1), Lif(0.5, 0.75)
        self.late, self.fc, self.end = nn.Conv2d(3, 3, 1, bias=False), nn.Linear(48, 4), end

    def forward(self, x):
        kept, before, u = [], None, None
        for step in x.unbind(0):
            first = self.pool(self.lif1(self.conv1(step)))
            current = self.conv2(first) + first
            if before is not None:
                current = current + self.late(before)
            second = self.lif2(current)
            before = second
            out = self.fc(second.flatten(1))
            u = out if u is None else 0.5 * u + out
            kept.append(u)
        ends = {"max": lambda x: x.amax(0), "mean": lambda x: x.mean(0), "last": lambda x: x[-1], "all": lambda x: x}
        return ends[self.end](torch.stack(kept))


def made(end="max", **options):
    return from_torch(on_grid(Net(end), 4), spikes(1, 8, 8, steps=5, seed=2), **options)


@pytest.fixture(scope="module")
def network():
    return made()


def test_the_model_is_the_network_and_its_answer_is_recorded(network):
    _, conv2, fc = network.layers
    assert (conv2.pool, conv2.inputs, network.decode, fc.kind) == ("max2", ("conv1",), "max-potential", "output")
    assert {(s.source, s.pool, s.delay) for s in conv2.shortcuts} == {("conv1", "max2", 0), ("conv2", None, 1)}
    verdict = verify(network)
    assert verdict.ok and (verdict.answers.compared, verdict.answers.mismatches) == (12, 0)
    with torch.no_grad():
        shown = torch.from_numpy(network.golden.images).float().transpose(0, 1)
        assert (on_grid(Net(), 4)(shown).numpy() == network.golden.answers).all()


def layer(network, place, **changes):
    return [replace(x, **changes) if i == place else x for i, x in enumerate(network.layers)]


def moved(network, **changes):
    return layer(network, 1, shortcuts=[replace(s, **changes) if s.delay else s for s in network.layers[1].shortcuts])


# What is sown -> (another network, the layer that is named).
SOWN = {
    "a dropped skip": (lambda n: layer(n, 1, shortcuts=[s for s in n.layers[1].shortcuts if s.delay]), "conv2"),
    "a skip twice as strong": (
        lambda n: layer(n, 1, shortcuts=[replace(s, scale=2 * s.scale) if not s.delay else s for s in n.layers[1].shortcuts]),
        "conv2",
    ),
    "an off-by-one in time": (lambda n: moved(n, delay=2), "conv2"),
    "another source": (lambda n: moved(n, delay=1, pool="max2", source="conv1"), "conv2"),
    "a swapped pool": (lambda n: layer(n, 1, pool="sum2"), "conv2"),
    "a threshold": (lambda n: layer(n, 0, threshold=n.layers[0].threshold * 5 // 4 if n.integer else 0.625), "conv1"),
    "a leak": (lambda n: layer(n, 1, leak=None), "conv2"),
    "a reset": (lambda n: layer(n, 0, reset="zero"), "conv1"),
    "a dropped bias": (lambda n: layer(n, 2, bias=None), "fc"),
    "a leak of the readout": (lambda n: layer(n, 2, leak=None), "fc"),
    "swapped classes": (lambda n: layer(n, 2, weight=n.layers[2].weight[[1, 0, 2, 3]]), "fc"),
    "flattened otherwise": (
        lambda n: layer(n, 2, weight=n.layers[2].weight.reshape(4, 3, 4, 4).transpose(0, 1, 3, 2).reshape(4, 48)), "fc",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def integers(network):
    return replace(with_golden(ns.quantize(network), network.golden.images, None, answers=True), float_twin=None)


@pytest.mark.parametrize("kind", ["floats", "integers"])
@pytest.mark.parametrize(("change", "named"), SOWN.values(), ids=SOWN)
def test_what_is_sown_is_found_and_its_layer_named(request, network, kind, change, named):
    right = network if kind == "floats" else request.getfixturevalue("integers")
    assert verify(right).ok
    verdict = verify(right.with_layers(change(right)).with_golden(right.golden))
    assert not verdict.ok and not verdict.rounding_only and verdict.first.layer == named


@pytest.mark.parametrize("word", [None, "potential", "mean-potential"])
def test_another_decoding_is_found_though_every_spike_and_potential_agrees(network, word):
    other = replace(network, decode=word, golden=None).with_golden(network.golden)
    verdict = verify(other)
    assert not verdict.ok and verdict.first is None and verdict.mismatches == verdict.answers.mismatches > 0
    assert "answered by 'max-potential' when it was recorded" in verdict.answers.first
    assert not verify(other, tolerance=1.0).ok


@pytest.mark.parametrize("end", ["mean", "last", "all"])
def test_the_readout_is_what_the_model_does(end):
    decode = {"mean": "mean-potential", "last": None, "all": "mean-potential"}[end]
    network = made(end)
    assert network.decode == decode and verify(network).ok


@pytest.mark.parametrize("word", ["potential", "max-potential", "mean-potential"])
def test_steps_that_are_all_returned_are_read_as_told(word):
    network = made("all", decode=word)
    assert network.decoding.word == word
    assert verify(network).ok


def test_a_readout_that_the_model_does_not_have_is_refused():
    with pytest.raises(ns.NeurosimError, match="'mean-potential', and it returns what is read as 'max-potential'"):
        made(decode="mean-potential")


def test_answers_stay_in_files_and_a_wrong_one_is_told(tmp_path, network):
    network.save(tmp_path / "net.h5")
    again = ns.load_network(tmp_path / "net.h5")
    assert (again.golden.answers == network.golden.answers).all()
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        file["golden/answers"][1, 2] += 1
    told = samples.call("verify", tmp_path / "net.h5")
    assert told.code == 1 and "answer of golden sample 1, class 2: layer 'fc' gives" in " ".join(told.out.split())
    found = samples.only_json(samples.call("verify", tmp_path / "net.h5", "--json", "-").out)
    assert found["answers"]["mismatches"] == 1 and found["answers"]["compared"] == 12


def test_answers_of_other_classes_are_refused(network):
    with pytest.raises(ns.NeurosimError, match=r"answers \[3, 2\]; needed \[3, 4\]"):
        network.with_golden(replace(network.golden, answers=np.zeros((3, 2), np.float32)))


@pytest.fixture(scope="module", params=["max", "mean", "last"])
def quantized(request, tmp_path_factory):
    """(float network, integer one, what `quantize` said) of a model that answers so."""
    folder = tmp_path_factory.mktemp("quantized")
    before = made(request.param)
    before.save(folder / "float.h5")
    said = samples.call("quantize", folder / "float.h5", "-o", folder / "integer.h5", "--bits", 6, "--json", "-")
    assert said.code == 0, said.err
    return before, ns.load_network(folder / "integer.h5"), samples.only_json(said.out)


def test_integers_keep_answers_of_their_own_and_how_many_are_those_of_before(quantized):
    before, integer, said = quantized
    trace = ns.simulate(integer, ns.Inputs.from_spikes(integer.golden.images), record_potentials=True)
    potentials = trace.potentials("fc").reshape(3, -1, 4).astype(np.int64)
    ends = {"max-potential": potentials.max(1), "mean-potential": potentials.sum(1), "potential": potentials[:, -1]}
    assert (integer.golden.answers == ends[integer.decoding.word]).all()
    same = int((ends[integer.decoding.word].argmax(1) == before.golden.answers.argmax(1)).sum())
    assert said["answers"] == {"samples": 3, "same_class": same}
    floats = ns.simulate(before, ns.Inputs.from_spikes(integer.golden.images))
    verdict = verify(integer)
    assert verdict.ok and (verdict.answers.compared, verdict.answers.by) == (12, "the integer reference")
    assert verdict.float_same == verdict.to_dict()["float_same_class"] == int((floats.predictions == trace.predictions).sum())


@pytest.mark.parametrize("word", [w for w in DECODINGS if w != "spikes"])
def test_another_decoding_of_integers_is_found_though_every_bit_agrees(quantized, word):
    """Wherever it answers anything else: the highest potential may be the last one."""
    _, integer, _ = quantized
    ends = {w: integer.golden.samples["fc"].decoded(DECODINGS[w]) for w in DECODINGS if w != "spikes"}
    alike = {w for w, found in ends.items() if (found == integer.golden.answers).all()}
    assert integer.decoding.word in alike and "mean-potential" in (integer.decoding.word, *ends.keys() - alike)
    verdict = verify(replace(integer, decode=word, golden=None, float_twin=None).with_golden(integer.golden))
    assert verdict.ok == (word in alike) and verdict.first is None and verdict.mismatches == verdict.answers.mismatches
    if word not in alike:
        assert any(f"answered by {w!r} when it was recorded" in verdict.answers.first for w in alike)


def test_integers_beyond_what_a_float32_holds_are_compared_as_they_were_recorded(quantized):
    _, integer, _ = quantized
    potentials = integer.golden.samples["fc"].potentials + 2**24 + 1
    kept = replace(integer.golden.samples["fc"], potentials=potentials)
    answers = kept.decoded(integer.decoding)
    golden = replace(integer.golden, samples=integer.golden.samples | {"fc": kept}, answers=answers.astype(np.float32))
    assert (answers != answers.astype(np.float32)).any()
    assert answered(integer, golden).mismatches == 0


def test_networks_without_answers_get_none_by_quantizing(tmp_path):
    network = made()
    network.with_golden(replace(network.golden, answers=None)).save(tmp_path / "float.h5")
    said = samples.call("quantize", tmp_path / "float.h5", "-o", tmp_path / "integer.h5", "--json", "-")
    assert samples.only_json(said.out)["answers"] is None
    assert ns.load_network(tmp_path / "integer.h5").golden.answers is None
