"""Networks that people have, small, with random weights: name -> (model, samples [N, T, ...] or images [N, ...], timesteps or
None).

Weights, normalisations and inputs are on a grid of powers of two where that is possible, so that no sum is rounded.
"""

import sys
import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F

STEPS, SAMPLES = 4, 3
GRID = 64


def snntorch():
    return pytest.importorskip("snntorch", reason="python -m pip install --no-deps snntorch==1.0.0")


def spikingjelly():
    pytest.importorskip("loguru", reason="python -m pip install loguru")
    return pytest.importorskip("spikingjelly.activation_based", reason="python -m pip install --no-deps spikingjelly==2.0.0")


def norse():
    return pytest.importorskip("norse.torch", reason="python -m pip install --no-deps norse==1.1.0")


def sinabs():
    pytest.importorskip("pbr", reason="python -m pip install pbr")
    return pytest.importorskip("sinabs.from_torch", reason="python -m pip install --no-deps sinabs==2.0.3")


def without_torchvision():
    """A package that holds what the models of SpikingJelly import: a function that would download weights."""
    if "torchvision" in sys.modules:
        return
    names = ("torchvision", "torchvision.models", "torchvision.models.utils")
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    sys.modules[names[2]].load_state_dict_from_url = None


def monitors():
    """The monitors of SpikingJelly, which import a writer of TensorBoard's that they need elsewhere."""
    spikingjelly()
    sys.modules.setdefault("torch.utils.tensorboard", types.ModuleType("tensorboard")).SummaryWriter = None
    from spikingjelly.activation_based import monitor

    return monitor


def generator(seed):
    return torch.Generator().manual_seed(seed)


def on_grid(model, seed=0, low=-12, high=25):
    """Weights and biases are multiples of 1/64, normalisations powers of two; mostly positive, so that it spikes."""
    rng = generator(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 0.0
                module.running_var.fill_(4.0)
                module.running_mean.copy_(torch.randint(-2, 3, module.running_mean.shape, generator=rng) / 4)
                module.weight.copy_(torch.randint(1, 3, module.weight.shape, generator=rng).float())
                module.bias.copy_(torch.randint(-1, 3, module.bias.shape, generator=rng) / 4)
            elif isinstance(module, nn.Linear | nn.Conv2d | nn.Conv1d):
                for weight in module.parameters(recurse=False):
                    size = max(1, weight[0].numel() // 24) if weight.ndim > 1 else 1
                    weight.copy_(torch.randint(low, high, weight.shape, generator=rng) / GRID)
                    # As many inputs as a layer has, its neurons fire about as often.
                    weight.mul_(torch.rand(weight.shape, generator=rng) < 1 / size)
    return model.eval()


def spikes(*shape, seed=0, count=SAMPLES, steps=STEPS, share=0.3):
    return (torch.rand(count, steps, *shape, generator=generator(seed)) < share).float()


def pixels(*shape, seed=0, count=SAMPLES):
    return torch.randint(0, 17, (count, *shape), generator=generator(seed)) / 16


def jelly(model, mode, seed=0):
    spikingjelly()
    from spikingjelly.activation_based import functional

    functional.set_step_mode(model, mode)
    return on_grid(model, seed)


def vgg(mode):
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based import layer, neuron
    from spikingjelly.activation_based.model import spiking_vgg

    model = spiking_vgg.spiking_vgg11_bn(spiking_neuron=neuron.IFNode, num_classes=10)
    model.classifier = nn.Sequential(layer.Linear(512 * 49, 32), neuron.IFNode(), layer.Dropout(), layer.Linear(32, 10))
    return jelly(model, mode), pixels(3, 32, 32), STEPS


def residual(mode):
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based import neuron
    from spikingjelly.activation_based.model import spiking_resnet

    return (
        jelly(spiking_resnet.spiking_resnet18(spiking_neuron=neuron.LIFNode, num_classes=10, tau=2.0), mode),
        pixels(3, 32, 32),
        STEPS,
    )


def sew(mode, function):
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based import neuron
    from spikingjelly.activation_based.model import sew_resnet

    return (
        jelly(sew_resnet.sew_resnet18(spiking_neuron=neuron.IFNode, cnf=function, num_classes=10), mode),
        pixels(3, 32, 32),
        STEPS,
    )


class Blocks(nn.Module):
    """Residual blocks as spike-element-wise networks have them, with a function of two spikes where they meet."""

    def __init__(self, function, channels=6):
        super().__init__()
        without_torchvision()
        spikingjelly()
        from spikingjelly.activation_based import layer, neuron
        from spikingjelly.activation_based.model.sew_resnet import BasicBlock, conv1x1

        shared = {"cnf": function, "norm_layer": layer.BatchNorm2d, "spiking_neuron": neuron.IFNode}
        down = nn.Sequential(conv1x1(channels, 2 * channels, 2), layer.BatchNorm2d(2 * channels), neuron.IFNode())
        self.stem = nn.Sequential(layer.Conv2d(2, channels, 3, padding=1), neuron.IFNode(), layer.MaxPool2d(2))
        self.one, self.two = (BasicBlock(channels, channels, **shared) for _ in range(2))
        self.three = BasicBlock(channels, 2 * channels, 2, down, **shared)
        self.pool, self.fc = layer.AdaptiveAvgPool2d((1, 1)), layer.Linear(2 * channels, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.three(self.two(self.one(self.stem(x))))), -3))


def blocks(function, mode="s"):
    return jelly(Blocks(function), mode), spikes(2, 16, 16, share=0.5), None


def membrane(images=True):
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based.model import ms_resnet

    model = jelly(ms_resnet.ms_resnet18(T=STEPS, num_classes=10, base_channels=8), "m")
    return model, pixels(3, 32, 32), STEPS


def plif(kind, shape, mode):
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based import neuron
    from spikingjelly.activation_based.model import parametric_lif_net

    model = jelly(
        getattr(parametric_lif_net, kind)(channels=8, spiking_neuron=neuron.ParametricLIFNode, v_threshold=0.25), mode
    )
    with torch.no_grad():
        for module in model.modules():
            # Half of what arrives decays at once.
            if isinstance(module, nn.Linear):
                module.weight.mul_(4)
    return model, spikes(*shape), None


def spikformer():
    without_torchvision()
    spikingjelly()
    from spikingjelly.activation_based.model import spikformer as transformer

    model = transformer.Spikformer(
        T=STEPS, img_size_h=32, img_size_w=32, patch_size=4, num_classes=10, embed_dims=32, depths=1, num_heads=4
    )
    return jelly(model, "m"), pixels(3, 32, 32), STEPS


def containers():
    spikingjelly()
    from spikingjelly.activation_based import layer, neuron

    model = nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)), neuron.IFNode(step_mode="m"),
        layer.SeqToANNContainer(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)), neuron.LIFNode(tau=2.0, step_mode="m"),
    )  # fmt: skip
    return on_grid(model), spikes(2, 8, 8), None


def readout(kind, decode):
    spikingjelly()
    from spikingjelly.activation_based import layer, neuron

    model = nn.Sequential(layer.Linear(12, 8), neuron.IFNode(), layer.Linear(8, 5), getattr(neuron, kind)(decode=decode))
    return jelly(model, "m"), spikes(12), None


class Tutorial5(nn.Module):
    """Dense, with a loop over time that shows the image at every step."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(36, 20), snntorch().Leaky(beta=0.5)
        self.fc2, self.lif2 = nn.Linear(20, 5), snntorch().Leaky(beta=0.5)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, potentials = [], []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes, 0), torch.stack(potentials, 0)


class Tutorial6(nn.Module):
    """Convolutions, the largest of the currents, and explicit potentials."""

    def __init__(self):
        super().__init__()
        leaky = snntorch().Leaky
        self.conv1, self.lif1 = nn.Conv2d(1, 4, 5), leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(4, 6, 3), leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(24, 10), leaky(beta=0.5)

    def forward(self, x):
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spk1, mem1 = self.lif1(F.max_pool2d(self.conv1(x), 2), mem1)
        spikes, potentials = [], []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(F.max_pool2d(self.conv1(x), 2), mem1) if spikes else (spk1, mem1)
            spk2, mem2 = self.lif2(F.max_pool2d(self.conv2(spk1), 2), mem2)
            spk3, mem3 = self.lif3(self.fc1(spk2.flatten(1)), mem3)
            spikes.append(spk3)
            potentials.append(mem3)
        return torch.stack(spikes), torch.stack(potentials)


class HandWritten(nn.Module):
    """A leaky readout written by hand behind the last module, and its largest value over time."""

    def __init__(self, end):
        super().__init__()
        self.fc1, self.lif1, self.fc2 = nn.Linear(40, 30), snntorch().Leaky(beta=0.5, init_hidden=True), nn.Linear(30, 10)
        self.beta, self.end = nn.Parameter(torch.tensor(0.5)), end

    def forward(self, x):
        mem, kept = None, []
        for t in range(x.shape[0]):
            current = self.fc2(self.lif1(self.fc1(x[t].flatten(1))))
            mem = current if mem is None else self.beta * mem + current
            kept.append(mem)
        kept = torch.stack(kept)
        return {"max": lambda: kept.max(0).values, "last": lambda: kept[-1], "mean": lambda: kept.mean(0), "all": lambda: kept}[
            self.end
        ]()


class Skips(nn.Module):
    """A skip with a parameter, an addition in place, a concatenation, and constants behind the last module."""

    def __init__(self):
        super().__init__()
        spikingjelly()
        from spikingjelly.activation_based import neuron

        self.a, self.b, self.c = nn.Linear(20, 30), nn.Linear(30, 30), nn.Linear(60, 5)
        self.na, self.nb, self.nc = (neuron.LIFNode(tau=2.0, v_reset=None, v_threshold=0.5) for _ in range(3))
        self.gain = nn.Parameter(torch.full((30,), 0.5))

    def forward(self, x):
        s = self.na(self.a(x))
        y = self.b(s)
        y += self.gain * s
        return self.nc(self.c(torch.cat([self.nb(y), s], 1))) / 2 + 0.25


class Currents(nn.Module):
    """Synaptic currents written by hand before the neurons, and weights behind one of them."""

    def __init__(self):
        super().__init__()
        leaky = snntorch().Leaky
        self.fc1, self.lif1 = nn.Linear(12, 8), leaky(beta=0.5, init_hidden=True)
        self.fc2, self.fc3, self.lif2 = nn.Linear(8, 6, bias=False), nn.Linear(6, 5), leaky(beta=0.75, init_hidden=True)

    def forward(self, x):
        one = two = 0
        kept = []
        for t in range(x.shape[1]):
            one = 0.5 * one + self.fc1(x[:, t])
            two = 0.25 * two + self.fc2(self.lif1(one))
            kept.append(self.lif2(self.fc3(two)))
        return torch.stack(kept)


class Counting(nn.Module):
    """Counts its spikes itself, into a tensor that it made before."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 8), snntorch().Leaky(beta=0.5, init_hidden=True)
        self.fc2, self.lif2 = nn.Linear(8, 5), snntorch().Leaky(beta=0.5, init_hidden=True)

    def forward(self, x):
        counts = torch.zeros(x.shape[0], 5)
        for t in range(x.shape[1]):
            counts += self.lif2(self.fc2(self.lif1(self.fc1(x[:, t]))))
        return counts / x.shape[1]


class NorseLoop(nn.Module):
    """Norse's SequentialState with its tuple of states, over the first axis."""

    def __init__(self):
        super().__init__()
        n = norse()
        self.net = n.SequentialState(
            nn.Conv2d(1, 4, 3), n.LIFCell(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 20), n.LIFBoxCell(), nn.Linear(20, 5),
            n.LICell(),
        )  # fmt: skip

    def forward(self, x):
        state, kept = None, []
        for t in range(x.shape[0]):
            out, state = self.net(x[t], state)
            kept.append(out)
        return torch.stack(kept)


class NorseTutorial(nn.Module):
    """As in Norse's tutorial on MNIST, behind its encoder: a recurrent layer, a leaky readout, its largest value over time."""

    def __init__(self):
        super().__init__()
        n = norse()
        torch.manual_seed(3)
        self.hidden = n.LIFRecurrentCell(64, 30, p=n.LIFParameters(alpha=torch.tensor(100.0), v_th=torch.tensor(0.5)))
        with torch.no_grad():
            for weight in (self.hidden.input_weights, self.hidden.recurrent_weights):
                weight.mul_(GRID).round_().div_(GRID)
        self.fc, self.out = nn.Linear(30, 5, bias=False), n.LICell()

    def forward(self, x):
        one, two, kept = None, None, []
        for t in range(x.shape[0]):
            fired, one = self.hidden(x[t].flatten(1), one)
            found, two = self.out(self.fc(fired), two)
            kept.append(found)
        return torch.stack(kept).amax(0)


def norse_tutorial():
    return on_grid(NorseTutorial()), spikes(1, 8, 8), None


def norse_loop():
    model = on_grid(NorseLoop())
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)
    return model, spikes(1, 8, 8), None


def from_sinabs():
    sinabs()
    from sinabs.from_torch import from_model

    ann = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 10), nn.ReLU(), nn.Linear(10, 5)
    )
    model = from_model(on_grid(ann), input_shape=(1, 8, 8), num_timesteps=STEPS, add_spiking_output=True).spiking_model
    return model.eval(), spikes(1, 8, 8), None


def counts(samples, seed=0):
    """As many events as 0, 1, 2 or 3 where there was one."""
    return samples * torch.randint(1, 4, samples.shape, generator=generator(seed))


# framework -> models by name.
ZOO = {
    "SpikingJelly": {
        "spiking_vgg11_bn, single-step": lambda: vgg("s"), "spiking_vgg11_bn, multi-step": lambda: vgg("m"),
        "spiking_resnet18, single-step": lambda: residual("s"), "spiking_resnet18, multi-step": lambda: residual("m"),
        "sew_resnet18 ADD, single-step": lambda: sew("s", "ADD"), "sew_resnet18 ADD, multi-step": lambda: sew("m", "ADD"),
        "sew_resnet18 AND, multi-step": lambda: sew("m", "AND"), "sew_resnet18 IAND, multi-step": lambda: sew("m", "IAND"),
        "blocks of sew_resnet, ADD": lambda: blocks("ADD"), "blocks of sew_resnet, AND": lambda: blocks("AND", "m"),
        "blocks of sew_resnet, IAND": lambda: blocks("IAND"), "ms_resnet18": membrane,
        "MNISTNet, multi-step": lambda: plif("MNISTNet", (1, 28, 28), "m"),
        "CIFAR10Net, single-step": lambda: plif("CIFAR10Net", (3, 32, 32), "s"),
        "DVSGestureNet, single-step": lambda: plif("DVSGestureNet", (2, 128, 128), "s"),
        "DVSGestureNet, multi-step": lambda: plif("DVSGestureNet", (2, 128, 128), "m"),
        "SeqToANNContainer": containers, "NonSpikingIFNode, largest": lambda: readout("NonSpikingIFNode", "max-mem"),
        "NonSpikingLIFNode, last": lambda: readout("NonSpikingLIFNode", "last_mem"),
        "NonSpikingLIFNode, every step": lambda: readout("NonSpikingLIFNode", None),
        "NonSpikingIFNode, mean": lambda: readout("NonSpikingIFNode", "mean-mem"),
        "skips, a concatenation, constants": lambda: (on_grid(Skips()), spikes(20), None),
    },
    "snnTorch": {
        "tutorial 5, dense": lambda: (on_grid(Tutorial5()), pixels(1, 6, 6), STEPS),
        "tutorial 6, convolutions": lambda: (on_grid(Tutorial6()), pixels(1, 16, 16), STEPS),
        "a leaky readout by hand, largest": lambda: (on_grid(HandWritten("max")), spikes(2, 4, 5), None),
        "a leaky readout by hand, last": lambda: (on_grid(HandWritten("last")), spikes(2, 4, 5), None),
        "a leaky readout by hand, mean": lambda: (on_grid(HandWritten("mean")), spikes(2, 4, 5), None),
        "a leaky readout by hand, every step": lambda: (on_grid(HandWritten("all")), spikes(2, 4, 5), None),
        "synaptic currents by hand": lambda: (on_grid(Currents()), spikes(12), None),
        "spikes counted by hand": lambda: (on_grid(Counting()), spikes(12), None),
    },
    "Norse": {
        "SequentialState of LIFCell, LIFBoxCell, LICell": norse_loop,
        "tutorial on MNIST: LIFRecurrentCell, LICell": norse_tutorial,
    },
    "sinabs": {"from_model, IAF": from_sinabs},
}  # fmt: skip
MODELS = {name: make for models in ZOO.values() for name, make in models.items()}
FRAMEWORKS = {name: framework for framework, models in ZOO.items() for name in models}
