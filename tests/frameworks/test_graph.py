"""What is seen of a model while it runs, however it runs through time; and what is refused, by its name and its line."""

from dataclasses import replace

import numpy as np
import pytest

import neurosim as ns
from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten  # noqa: E402

from neurosim.frameworks import Lif, from_torch  # noqa: E402
from tests.frameworks.zoo import norse, on_grid, pixels, sinabs, snntorch, spikes, spikingjelly  # noqa: E402


def refused(model, *says, x=None, **options):
    with pytest.raises(ns.NeurosimError) as error:
        from_torch(model, spikes(12) if x is None else x, **options)
    for words in says:
        assert words in str(error.value), str(error.value)


def exact(model, x=None, **options):
    network = from_torch(model, spikes(12) if x is None else x, **options)
    verdict = verify(network)
    assert verdict.ok and verdict.mismatches == 0 and verdict.answers.compared
    return network


class Timed(nn.Module):
    """One network, run through time in several ways."""

    def __init__(self, way):
        super().__init__()
        self.fc1, self.lif1, self.fc2, self.lif2 = nn.Linear(12, 8), Lif(0.5, 0.5), nn.Linear(8, 5), Lif(0.25, 0.5)
        self.way = way

    def step(self, x):
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))

    def layer(self, fc, lif, x):
        """All steps [T, N, F] of a layer at once."""
        currents = fc(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        out = torch.empty(*currents.shape)
        for t in range(len(x)):
            out[t] = lif(currents[t])
        return out

    def forward(self, x):
        return getattr(self, self.way)(x)

    def steps(self, x):
        return self.step(x)

    def time_first(self, x):
        return torch.stack([self.step(frame) for frame in x])

    def samples_first(self, x):
        return torch.stack([self.step(x[:, t]) for t in range(x.shape[1])], 1)

    def classes_first(self, x):
        return torch.stack([self.step(x[:, t]) for t in range(x.shape[1])], -1)

    def by_layer(self, x):
        return self.layer(self.fc2, self.lif2, self.layer(self.fc1, self.lif1, x))

    def listed(self, x):
        return [self.step(frame) for frame in x.unbind(0)]

    def named(self, x):
        return {"spikes": self.time_first(x), "nothing": None}

    def unwrapped(self, x):
        return torch.stack([self.lif2.forward(self.fc2.forward(self.lif1.forward(self.fc1(frame)))) for frame in x])


WAYS = ("steps", "time_first", "samples_first", "classes_first", "by_layer", "listed", "named", "unwrapped")


@pytest.mark.parametrize("way", WAYS)
def test_a_network_is_the_same_however_its_model_runs_through_time(way):
    reference = from_torch(on_grid(Timed("steps"), 1), spikes(12))
    network = exact(on_grid(Timed(way), 1))
    assert network.sha256 == reference.sha256
    assert (network.golden.answers == reference.golden.answers).all() and network.golden.answers.any()


@pytest.mark.parametrize("end", ["sum", "mean"])
def test_sums_over_time_and_what_follows_them_are_the_answer(end):
    class Head(Timed):
        def forward(self, x):
            found = torch.stack([self.lif1(self.fc1(frame)) for frame in x])
            return self.fc2(getattr(found, end)(0))

    network = exact(on_grid(Head(""), 1))
    assert [layer.kind for layer in network.layers] == ["dense", "output"]


def test_images_that_a_model_shows_itself_are_shown_at_every_step():
    class Shown(Timed):
        def forward(self, x):
            return torch.stack([self.step(x) for _ in range(4)])

    network = exact(on_grid(Shown(""), 1), pixels(12), timesteps=4)
    assert network.input.encoding == "direct"
    assert network.sha256 == exact(on_grid(Timed("steps"), 1), pixels(12), timesteps=4).sha256
    refused(on_grid(Shown(""), 1), "is called for 4 steps, where there are 6", x=pixels(12), timesteps=6)


def test_numbers_that_are_no_spikes_may_change_at_every_step():
    counts = torch.randint(0, 4, (3, 5, 12), generator=torch.Generator().manual_seed(3))
    network = exact(on_grid(Timed("steps"), 1), counts)
    assert network.golden.images.dtype == np.int32
    exact(on_grid(Timed("steps"), 1), counts / 4)


def chain(*modules):
    return on_grid(nn.Sequential(*modules))


class Calls(nn.Module):
    """Linear, neurons, and what a test does between them and behind."""

    def __init__(self, function):
        super().__init__()
        self.fc1, self.lif, self.fc2, self.end, self.function = (
            nn.Linear(12, 12),
            Lif(0.5),
            nn.Linear(12, 12),
            Lif(0.5),
            function,
        )

    def forward(self, x):
        return self.function(self, self.lif(self.fc1(x)))


SEEN = {
    "a skip": lambda m, s: m.end(m.fc2(s) + 0.5 * s),
    "a skip from the samples of before": lambda m, s: m.end(m.fc2(s - 0.25)),
    "written into a part": lambda m, s: m.end(put(m.fc2(s), s)),
    "a view that changes with what it looks at": lambda m, s: m.end(changed(m.fc2(s))),
    "joined": lambda m, s: m.end(m.fc2(torch.cat([s[:, 6:], s[:, :6]], 1))),
    "stacked and added up": lambda m, s: m.end(torch.stack([m.fc2(s), s, m.fc1(s)]).sum(0)),
    "stacked alone": lambda m, s: m.end(torch.stack([m.fc2(s)]).sum(0)),
    "added up along a last axis": lambda m, s: m.end(torch.stack([m.fc2(s), s], -1).sum(-1)),
    "a factor behind": lambda m, s: 2 * m.end(m.fc2(s)) - 1,
    "weights behind": lambda m, s: m.fc2(m.end(s)),
    "spikes and not spikes": lambda m, s: m.end(m.fc2(s)) * (1 - s),
    "any of two": lambda m, s: torch.maximum(m.end(m.fc2(s)), s),
    "a matrix product": lambda m, s: m.end(s @ m.fc2.weight.T),
}  # fmt: skip


def put(x, s):
    out = torch.zeros(*x.shape)
    out[:, :4] = s[:, 4:8]
    out[:, 4:] = x[:, 4:]
    return out


def changed(x):
    view = x.view(-1, 3, 4)
    x += 0.25
    return view.flatten(1)


@pytest.mark.parametrize("function", SEEN.values(), ids=SEEN)
def test_what_a_forward_does_between_its_modules_is_seen(function):
    exact(on_grid(Calls(function)))


UNSEEN = {
    "through NumPy": (lambda m, s: m.end(torch.from_numpy(2 * s.numpy())), "reads nothing that"),
    "added through NumPy": (lambda m, s: m.end(m.fc2(s) + torch.from_numpy(1 * s.numpy())), "a constant is another one"),
    "a hidden state": (lambda m, s: m.fc2(m.lif.u), "more happens to the potential"),
    "a nonlinear function": (lambda m, s: m.end(torch.relu(m.fc2(s))), "relu is no part of a network"),
    "the same neurons twice": (lambda m, s: m.end(m.lif(m.fc2(s))), "lif (Lif): is called for step 0 where step 1 would"),
    "a decision": (lambda m, s: m.end(m.fc2(s)) if s.sum() > 0 else s, "(dim="),
    "an attention": (lambda m, s: m.end((s[:, :, None] @ s[:, None]).sum(1)), "bmm is no part of a network"),
    "a normalisation of what is seen": (lambda m, s: nn.functional.layer_norm(s, (12,)), "native_layer_norm"),
    "an answer without samples": (lambda m, s: torch.ones(3), "returns nothing that comes from the samples"),
    "samples that are mixed": (lambda m, s: m.end(m.fc2(s) + s.mean(0)), "over samples"),
    "numbers turned into whole ones": (lambda m, s: m.end(m.fc2(s)).long(), "become torch.int64"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "says"), UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_said_is_refused_with_its_reason(function, says):
    refused(on_grid(Calls(function)), says)


def test_a_number_that_leaves_the_trace_is_noticed_on_other_samples():
    class Multiplied(Timed):
        def forward(self, x):
            share = round(float(x.numpy().mean()) * 64) / 64
            return torch.stack([self.step(frame * share) for frame in x])

    refused(on_grid(Multiplied("")), "lif1 (Lif): what reaches it is not what was seen of the model", "NumPy")

    class Shifted(Timed):
        def forward(self, x):
            share = round(float(x.numpy().mean()) * 64) / 64
            return torch.stack([self.step(frame) for frame in x]) + share

    refused(on_grid(Shifted("")), "what it returns is not what was seen of the model")


def test_the_line_of_the_source_is_told():
    refused(on_grid(Calls(lambda m, s: torch.sigmoid(m.fc2(s)))), "[test_graph.py:", "torch.sigmoid(m.fc2(s))")


def test_neurons_whose_equation_is_not_known_are_refused_by_their_name():
    spikingjelly()
    from spikingjelly.activation_based import functional, layer, neuron

    for kind in ("QIFNode", "EIFNode", "IzhikevichNode", "SLTTLIFNode", "KLIFNode"):
        options = {} if kind != "IzhikevichNode" else {"tau_w": 2.0, "v_rest": 0.0, "a0": 1.0, "v_c": 0.8}
        model = nn.Sequential(layer.Linear(12, 5), getattr(neuron, kind)(**options))
        refused(
            on_grid(model),
            f"1 ({kind}): is spikingjelly's {kind}, and its equation is not known here",
            "known are snntorch.Leaky",
        )

    class Mine(neuron.IFNode):
        pass

    refused(chain(layer.Linear(12, 5), Mine()), "a class of its own, made of spikingjelly's IFNode")
    functional.reset_net(model)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_what_keeps_a_state_and_is_no_neuron_is_refused_by_its_name(mode):
    spikingjelly()
    from spikingjelly.activation_based import functional, layer, neuron

    kinds = {
        "SynapseFilter": layer.SynapseFilter(tau=2.0), "Delay": layer.Delay(2),
        "LinearRecurrentContainer": layer.LinearRecurrentContainer(neuron.IFNode(), 8, 8),
        "ElementWiseRecurrentContainer": layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda x, y: x + y),
    }  # fmt: skip
    for name, module in kinds.items():
        model = nn.Sequential(layer.Linear(12, 8), neuron.IFNode(), module, layer.Linear(8, 8), neuron.IFNode())
        functional.set_step_mode(model, mode)
        refused(on_grid(model), f"2 ({name}): is spikingjelly's {name}, and its equation is not known here")


def test_encoders_are_refused_with_what_to_do_which_helps():
    n = norse()

    class Encoded(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.rest = n.ConstantCurrentLIFEncoder(4), Timed("time_first")

        def forward(self, x):
            return self.rest(self.encoder(x))

    model, images = on_grid(Encoded()), 4 * pixels(12)
    says = "which makes spikes of samples; leave it out of the model", "encoder(images).transpose(0, 1)"
    refused(model, "encoder (ConstantCurrentLIFEncoder): is norse's ConstantCurrentLIFEncoder", *says, x=images, timesteps=4)
    exact(model.rest, model.encoder(images).detach().transpose(0, 1))
    spikingjelly()
    from spikingjelly.activation_based import encoding

    refused(chain(encoding.PoissonEncoder(), nn.Linear(12, 5), Lif()), "0 (PoissonEncoder): is spikingjelly's PoissonEncoder")


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax])
def test_scores_are_what_has_to_be_returned(function):
    class Normed(Timed):
        def forward(self, x):
            return function(self.time_first(x).sum(0), 1)

    refused(on_grid(Normed("")), "Normed (Normed): ", "softmax is no part of a network; return the scores of the classes")


class Kept(nn.Module):
    """A sum that is kept over time, by neurons that never fire, before neurons, directly or with weights between."""

    def __init__(self, between, bias, kept=0.25):
        super().__init__()
        n = norse()
        self.fc1, self.fc2, self.fc3 = nn.Linear(12, 8, bias=bias), nn.Linear(8, 8), nn.Linear(8, 5)
        self.sum = n.LIBoxCell(n.LIBoxParameters(tau_mem_inv=torch.tensor((1 - kept) * 1024)), dt=2.0**-10)
        self.lif, self.between = Lif(0.5, 0.75), between

    def forward(self, x):
        state, kept = None, []
        for frame in x:
            found, state = self.sum(self.fc1(frame), state)
            kept.append(self.fc3(self.lif(self.between(self, found, frame))))
        return torch.stack(kept)


SUMMED = {
    "itself": (lambda m, s, x: s, True, None),
    "with weights between": (lambda m, s, x: m.fc2(s), False, None),
    "twice": (lambda m, s, x: m.fc2(s) + 2 * s, False, None),
    "with biases on both sides": (lambda m, s, x: m.fc2(s), True, "biases reach the sum that it keeps, and others"),
    "beside others": (lambda m, s, x: s + m.fc1(x), True, "sum (LIBoxCell): adds up over time what lif (Lif) then reads"),
}


@pytest.mark.parametrize(("between", "bias", "says"), SUMMED.values(), ids=SUMMED)
def test_a_sum_that_is_kept_before_neurons_is_a_synaptic_current(between, bias, says):
    model = on_grid(Kept(between, bias), 1)
    if says:
        refused(model, says)
        return
    network = exact(model, spikes(12, steps=8))
    first, last = network.layers
    assert (first.current_leak, first.bias_into, last.kind) == (0.25, "current" if bias else "potential", "output")
    other = network.with_layers([replace(first, current_leak=0.5), last]).with_golden(network.golden)
    assert verify(other).first.layer == first.name


def test_sums_that_forget_differently_are_no_one_current():
    class Two(Kept):
        def __init__(self):
            super().__init__(lambda m, s, x: s, True)
            n = norse()
            self.other = n.LIBoxCell(n.LIBoxParameters(tau_mem_inv=torch.tensor(512.0)), dt=2.0**-10)

        def forward(self, x):
            one = two = None
            kept = []
            for frame in x:
                found, one = self.sum(self.fc1(frame), one)
                more, two = self.other(self.fc1(frame), two)
                kept.append(self.fc3(self.lif(found + more)))
            return torch.stack(kept)

    refused(on_grid(Two()), "adds up over time what lif (Lif) then reads", "passes sums with one leak")
    same = Two()
    same.other.p = same.sum.p
    exact(on_grid(same, 1), spikes(12, steps=8))


class MembraneSums(nn.Module):
    """Sums of currents without neurons, passed on through blocks, one of them smaller."""

    def __init__(self, down, depth=2):
        super().__init__()
        self.stem, self.down = nn.Conv2d(2, 4, 3, padding=1), down
        self.lifs = nn.ModuleList(Lif(0.5, 0.5) for _ in range(depth + 2))
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(depth))
        self.last, self.fc = nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Linear(96, 5)

    def forward(self, x):
        total = self.stem(x)
        for lif, conv in zip(self.lifs, self.convs, strict=False):
            total = total + conv(lif(total))
        total = self.down(total) + self.last(self.lifs[-2](total))
        return self.fc(self.lifs[-1](total).flatten(1))


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("name", ["average", "stride"])
def test_sums_without_neurons_are_passed_on_exactly(name, depth):
    down = nn.AvgPool2d(2) if name == "average" else nn.Identity()
    weights = nn.Conv2d(4, 6, 1, stride=1 if name == "average" else 2)
    network = exact(on_grid(MembraneSums(nn.Sequential(down, weights), depth), 1), spikes(2, 8, 8))
    # A projection from each branch of the sum.
    assert len(network.layers[depth].shortcuts) == max(0, depth - 1) + (depth > 0)
    assert len(network.layers[depth + 1].shortcuts) == depth + 1


def test_a_largest_of_sums_without_neurons_is_refused():
    refused(
        on_grid(MembraneSums(nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 6, 1)))),
        "down.0 (MaxPool2d): pools what is no spikes, and more happens to that", x=spikes(2, 8, 8),
    )  # fmt: skip


@pytest.mark.parametrize("autapses", [True, False])
def test_recurrent_cells_of_norse_spike_as_in_norse(autapses):
    """Weights and rates that are powers of two, so that no sum is rounded."""
    n = norse()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            rates = {name: torch.tensor(value) for name, value in (("tau_syn_inv", 250.0), ("tau_mem_inv", 500.0))}
            p = n.LIFParameters(**rates, v_th=torch.tensor(0.25))
            self.cell, self.fc = n.LIFRecurrentCell(12, 8, p=p, autapses=autapses), nn.Linear(8, 5)
            rng = torch.Generator().manual_seed(5)
            with torch.no_grad():
                self.cell.input_weights.copy_(torch.randint(-12, 25, (8, 12), generator=rng) / 64)
                weights = torch.randint(-24, 17, (8, 8), generator=rng) / 64
                self.cell.recurrent_weights.copy_(weights if autapses else weights.fill_diagonal_(0))

        def forward(self, x):
            state, kept = None, []
            for frame in x:
                fired, state = self.cell(frame, state)
                kept.append(self.fc(fired))
            return torch.stack(kept)

    network = exact(on_grid(Net(), 1), spikes(12, steps=8))
    back = network.layers[0].shortcuts[0]
    assert (back.source, back.delay) == ("cell", 1) and bool(np.diag(back.weight).any()) == autapses
    still = network.with_layers([replace(network.layers[0], shortcuts=[]), network.layers[1]]).with_golden(network.golden)
    assert verify(still).first.layer == "cell"


def test_cells_of_others_are_refused_by_their_name():
    snn = snntorch()
    refused(chain(nn.Linear(12, 5), snn.Alpha(alpha=0.5, beta=0.25, init_hidden=True)), "1 (Alpha): is snntorch's Alpha")
    refused(chain(nn.GRUCell(12, 5)), "0 (GRUCell): is torch's GRUCell")


def test_what_follows_the_last_module_is_not_dropped():
    snn = snntorch()

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.f1, self.l1, self.f2 = nn.Linear(12, 8), snn.Leaky(beta=0.5, init_hidden=True), nn.Linear(8, 5)
            self.w = nn.Parameter(torch.randint(-3, 4, (12, 5)) / 4)

        def forward(self, x):
            return self.f2(self.l1(self.f1(x))) + x @ self.w

    network = exact(on_grid(Own()))
    assert [s.source for s in network.output.shortcuts] == ["input"]


def test_lapicque_and_neurons_that_never_reset_spike_as_snntorch_does():
    snn = snntorch()
    for rule in ("subtract", "zero", "none"):
        exact(
            chain(nn.Linear(12, 8), snn.Lapicque(R=2.0, C=4.0, time_step=2.0, reset_mechanism=rule, init_hidden=True)),
            spikes(12, steps=6),
        )
    network = exact(chain(nn.Linear(12, 8), snn.Leaky(0.5, reset_mechanism="none", init_hidden=True), nn.Linear(8, 3)))
    assert network.layers[0].reset == "none"


def test_states_have_to_be_passed_on():
    n = norse()

    class Forgetful(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(12, 5), n.LIFCell()

        def forward(self, x):
            return self.lif(self.fc(x))[0]

    refused(on_grid(Forgetful()), "lif (LIFCell): begins anew at step 1", "pass on the state")

    class Late(Forgetful):
        def forward(self, x):
            states, kept = [None], []
            for frame in x:
                out, state = self.lif(self.fc(frame), states[max(0, len(states) - 2)])
                states.append(state)
                kept.append(out)
            return torch.stack(kept)

    refused(on_grid(Late()), "lif (LIFCell): begins anew at step 1")

    class Swapped(Forgetful):
        def __init__(self):
            super().__init__()
            self.other = n.LIFCell()

        def forward(self, x):
            one, two, kept = None, None, []
            for frame in x:
                out, new = self.lif(self.fc(frame), two)
                _, two = self.other(self.fc(frame), one)
                one = new
                kept.append(out)
            return torch.stack(kept)

    refused(on_grid(Swapped()), "its state is not its own of the step before")


@pytest.mark.parametrize("each", [True, False])
def test_neurons_of_norse_without_a_current_or_a_leak_do_as_in_norse(each):
    n = norse()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.iaf, self.fc2 = nn.Linear(12, 8), n.IAFCell(), nn.Linear(8, 5)
            rate = torch.full((5,) if each else (), 125.0)
            self.li = n.LIBoxCell(n.LIBoxParameters(tau_mem_inv=rate), dt=1e-3)

        def forward(self, x):
            one, two, kept = None, None, []
            for frame in x:
                fired, one = self.iaf(self.fc1(frame), one)
                found, two = self.li(self.fc2(fired), two)
                kept.append(found)
            return torch.stack(kept)

    network = exact(on_grid(Net(), 1), spikes(12, steps=6, share=0.6))
    assert network.layers[0].leak is None and network.output.leak == np.float32(0.875)
    other = on_grid(Net(), 1)
    other.iaf.p = other.iaf.p._replace(v_reset=torch.tensor(0.5))
    refused(other, "iaf (IAFCell): begins at its v_reset of 0.5")


@pytest.mark.parametrize("multiple", [True, False])
def test_neurons_of_sinabs_spike_as_often_and_no_lower(multiple):
    sinabs()
    from sinabs.activation import MultiSpike, SingleSpike
    from sinabs.layers import IAF, LIF

    fire = MultiSpike if multiple else SingleSpike

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(12, 8), nn.Linear(8, 5)
            self.iaf = IAF(spike_threshold=torch.tensor(0.25), spike_fn=fire, min_v_mem=-0.25)
            self.lif = LIF(tau_mem=1 / np.log(2), spike_threshold=torch.tensor(0.25), spike_fn=fire, norm_input=False)

        def forward(self, x):
            return self.lif(self.fc2(self.iaf(self.fc1(x))))

    network = exact(on_grid(Net(), 1, low=-24, high=25), spikes(12, steps=6, share=0.6))
    assert [layer.graded for layer in network.layers] == [multiple, multiple]
    assert network.layers[0].floor == -0.25


def test_the_counter_of_sinabs_counts_our_synaptic_events():
    """Spikes times the synapses that each of them has, at the edges of a map too."""
    sinabs()
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAFSqueeze
    from sinabs.synopcounter import SNNAnalyzer

    def fires():
        return IAFSqueeze(num_timesteps=6, spike_threshold=torch.tensor(0.5), spike_fn=SingleSpike, min_v_mem=-0.5)

    model = on_grid(nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), fires(), nn.Conv2d(4, 4, 3, bias=False), fires(), nn.Flatten(),
        nn.Linear(16, 5, bias=False), fires(),
    ), 2)  # fmt: skip
    shown = spikes(2, 8, 8, steps=6)
    analyzer = SNNAnalyzer(model)
    with torch.no_grad():
        model(shown.flatten(0, 1))
    theirs = analyzer.get_model_statistics(average=True)["synops"].item() * len(shown)
    network = from_torch(model, shown)
    run = ns.run(network, ns.Inputs.from_spikes(shown.numpy()), ns.load_chip(), timing="analytic")
    assert sum(int(layer["synaptic_events"]) for layer in run.layers) == round(theirs) > 1000


def test_what_is_used_of_torch_is_what_is_tested():
    """These modules are private: another version may change them."""
    assert torch.__version__.partition("+")[0] == "2.13.0"
    leaves, form = tree_flatten(({"a": [1, 2]}, 3))
    assert leaves == tree_leaves(({"a": [1, 2]}, 3)) and tree_unflatten(leaves, form) == ({"a": [1, 2]}, 3)

    class Names(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen.append(func._schema.name)
            return func(*args, **(kwargs or {}))

    x = torch.ones(2, 3)
    with torch.no_grad(), Names() as names:
        nn.functional.linear(x, torch.ones(4, 3), torch.ones(4)).add_(1)
    assert names.seen == ["aten::ones", "aten::ones", "aten::t", "aten::addmm", "aten::add_"]
