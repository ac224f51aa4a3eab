"""Hooks that only look do not matter; what others change is part of the model, or refused by the name of the hook."""

import pytest

from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
from torch import nn  # noqa: E402

from neurosim.frameworks import Lif, from_torch  # noqa: E402
from tests.frameworks.test_graph import exact, refused  # noqa: E402
from tests.frameworks.zoo import monitors, on_grid, sinabs, spikes, spikingjelly  # noqa: E402


def model():
    return on_grid(nn.Sequential(nn.Linear(12, 8), Lif(0.5, 0.5), nn.Linear(8, 5), Lif(0.25, 0.5)), 1)


class Counter:
    """Counts into itself and into the module, with numbers of the last call."""

    def __init__(self):
        self.total = 0

    def __call__(self, module, *args):
        last = args[-1] if isinstance(args[-1], torch.Tensor) else args[-1][0]
        self.total = self.total + torch.relu(last).std()
        module.seen = getattr(module, "seen", 0) + torch.sigmoid(last).sum()


LOOKING = {
    "a number of it": lambda module, *args: setattr(module, "seen", float(args[-1][0].sum())),
    "a function of it": lambda module, *args: setattr(module, "seen", torch.softmax(args[-1][0], -1)),
    "counts": Counter(),
    "turned into whole numbers": lambda module, *args: setattr(module, "whole", args[-1][0].long().clamp(0, 1)),
    "over samples": lambda module, *args: setattr(module, "rate", args[-1][0].mean()),
}  # fmt: skip


@pytest.mark.parametrize("where", ["before", "behind", "everywhere"])
@pytest.mark.parametrize("hook", LOOKING.values(), ids=LOOKING)
def test_what_only_looks_does_not_matter_and_leaves_no_count(hook, where):
    plain, watched = from_torch(model(), spikes(12)), model()
    if where == "everywhere":
        handles = [torch.nn.modules.module.register_module_forward_hook(hook)]
    else:
        name = "register_forward_hook" if where == "behind" else "register_forward_pre_hook"
        handles = [getattr(module, name)(hook) for module in watched.modules()]
    try:
        network = exact(watched)
    finally:
        for handle in handles:
            handle.remove()
    assert network.sha256 == plain.sha256 and (network.golden.answers == plain.golden.answers).all()
    if where != "everywhere":
        assert not any(hasattr(module, name) for module in watched.modules() for name in ("seen", "whole", "rate"))


def doubled(module, args, answer):
    return 2 * answer


def moved(module, args, answer):
    answer.mul_(0.5)


def turned(module, args, answer):
    return answer.flip(1)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("hook", [doubled, moved, turned])
def test_what_a_hook_changes_is_part_of_the_network(hook, place):
    changed = model()
    changed[place].register_forward_hook(hook)
    network, plain = exact(changed), from_torch(model(), spikes(12))
    # A factor behind the last neurons is one of all scores, and no part of a network.
    assert (network.sha256 == plain.sha256) == (place == 3 and hook is not turned)


def squashed(module, args, answer):
    return torch.sigmoid(answer)


def squashed_in_place(module, args, answer):
    answer.sigmoid_()


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("hook", [squashed, squashed_in_place])
def test_a_change_that_cannot_be_said_is_refused_by_the_name_of_the_hook(hook, place):
    changed = model()
    changed[place].register_forward_hook(hook)
    kind = type(changed[place]).__name__
    refused(changed, f"{place} ({kind}, in its hook tests.frameworks.test_hooks.{hook.__name__}): sigmoid", "[test_hooks.py:")


def test_a_change_now_and_then_is_noticed():
    class Once:
        calls = 0

        def __call__(self, module, args, answer):
            self.calls += 1
            return answer * 2 if self.calls > 5 else None

    changed = model()
    changed[0].register_forward_hook(Once())
    refused(changed, "1 (Lif): what reaches it is not what was seen of the model")


def test_a_hook_that_fails_is_named():
    def narrow(module, args, answer):
        answer.view(7, 3)

    changed = model()
    changed[2].register_forward_hook(narrow)
    refused(changed, "2 (Linear, in its hook ", "narrow): fails on the samples: RuntimeError", "take it off")


@pytest.mark.parametrize("mode", ["s", "m"])
def test_monitors_of_spikingjelly_do_not_matter(mode):
    spikingjelly()
    from spikingjelly.activation_based import functional, layer, neuron

    def made():
        net = nn.Sequential(layer.Linear(12, 8), neuron.IFNode(), layer.Linear(8, 5), neuron.LIFNode(tau=2.0))
        functional.set_step_mode(net, mode)
        return on_grid(net)

    watched, kinds = made(), monitors()
    kept = [
        kinds.OutputMonitor(watched, neuron.IFNode, lambda spikes: spikes.flatten(1).mean(1)),
        kinds.InputMonitor(watched, neuron.LIFNode, torch.exp),
        kinds.AttributeMonitor(
            "v", pre_forward=False, net=watched, instance=neuron.LIFNode, function_on_attribute=torch.sigmoid
        ),
    ]
    assert exact(watched).sha256 == from_torch(made(), spikes(12)).sha256
    assert all(monitor.records for monitor in kept)


def convolutions(**steps):
    sinabs()
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAFSqueeze

    def fires():
        return IAFSqueeze(**steps, spike_threshold=torch.tensor(0.5), spike_fn=SingleSpike, min_v_mem=-0.5)

    return on_grid(nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), fires(), nn.Conv2d(4, 4, 3, bias=False), fires(), nn.Flatten(),
        nn.Linear(16, 5, bias=False), fires(),
    ), 2)  # fmt: skip


def test_the_hooks_of_sinabs_do_not_matter_nor_count_twice():
    plain = from_torch(convolutions(num_timesteps=6), spikes(2, 8, 8, steps=6))
    from sinabs import hooks
    from sinabs.synopcounter import SNNAnalyzer

    watched = convolutions(num_timesteps=6)
    analyzer = SNNAnalyzer(watched)
    with torch.no_grad():
        watched(spikes(2, 8, 8, steps=6).flatten(0, 1))
    before = analyzer.get_model_statistics()
    assert exact(watched, spikes(2, 8, 8, steps=6)).sha256 == plain.sha256
    assert analyzer.get_model_statistics() == before

    watched = convolutions(num_timesteps=6)
    hooks.register_synops_hooks(watched, dt=1.0)
    for neurons in (watched[1], watched[3], watched[6]):
        neurons.register_forward_hook(hooks.firing_rate_per_neuron_hook)
    watched[2].register_forward_hook(hooks.input_diff_hook)
    assert exact(watched, spikes(2, 8, 8, steps=6)).sha256 == plain.sha256


def test_the_counter_of_sinabs_takes_the_batch_that_its_model_was_made_for():
    sinabs()
    from sinabs.synopcounter import SNNAnalyzer

    watched = convolutions(batch_size=3)
    kept = SNNAnalyzer(watched)
    assert exact(watched, spikes(2, 8, 8, steps=5)).sha256 == from_torch(convolutions(num_timesteps=4), spikes(2, 8, 8)).sha256
    refused(watched, "0 (Conv2d, in its hook sinabs.synopcounter.synops_hook): fails", x=spikes(2, 8, 8, steps=5, count=2))
    del kept


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("fixed", [{"batch_size": 3}, {"batch_size": 8}, {"batch_size": 8, "num_timesteps": 5}])
def test_neurons_of_sinabs_take_other_samples_than_the_batch_they_were_made_for(fixed, count):
    shown = spikes(2, 8, 8, count=count, steps=5)
    plain = exact(convolutions(num_timesteps=5), shown)
    made = convolutions(**fixed)
    network = exact(made, shown)
    assert network.sha256 == plain.sha256 and (network.golden.answers == plain.golden.answers).all()
    assert all(getattr(made[1], name) == value for name, value in ({"num_timesteps": -1} | fixed).items())
    stepped = exact(convolutions(batch_size=8), shown, run=lambda m, x: [m(x[:, t]) for t in range(x.shape[1])])
    assert stepped.sha256 == plain.sha256


def test_models_that_sinabs_makes_of_others_need_no_number_of_steps():
    sinabs()
    from sinabs.from_torch import from_model

    ann = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 5))
    made = from_model(on_grid(ann), input_shape=(12,), batch_size=2, add_spiking_output=True)
    assert exact(made.eval(), spikes(12)).sha256 == exact(made.spiking_model, spikes(12)).sha256


def test_neurons_of_sinabs_that_were_made_for_other_steps_say_what_to_type():
    says = "was made for 10 steps a sample, and the samples have 5", "num_timesteps=5 or batch_size="
    refused(convolutions(num_timesteps=10), "1 (IAFSqueeze): ", *says, x=spikes(2, 8, 8, steps=5))


def test_a_model_that_fails_on_all_samples_alone_is_told_as_such():
    class Few(nn.Sequential):
        def forward(self, x):
            if len(x) > 2:
                raise ValueError("two at most")
            return super().forward(x)

    refused(Few(nn.Linear(12, 5), Lif()), "fails on 3 samples by itself: ValueError: two at most", x=spikes(12, count=3))
    assert verify(from_torch(Few(nn.Linear(12, 5), Lif()), spikes(12, count=2))).ok
