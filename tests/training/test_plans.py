"""The architectures of the papers: sizes as published, one definition with and without spikes."""

import math

import pytest

from neurosim.errors import NeurosimError
from neurosim.training.architecture import NAMES, RESNETS, VGGS, architecture

CIFAR, MNIST, IMAGENET = (3, 32, 32), (1, 28, 28), (3, 224, 224)


def macs(plan):
    total = 0
    for step in plan.steps:
        total += math.prod(step.shape) * math.prod(step.weight_shape[1:])
        if step.skip and step.skip.weight_shape:
            total += math.prod(step.shape) * math.prod(step.skip.weight_shape[1:])
    return total


@pytest.mark.parametrize(
    ("name", "shape", "classes", "weights", "mega_macs", "neurons"),
    [
        ("vgg6", CIFAR, 10, 50.60, 108.8, 139_264),
        ("vgg9", CIFAR, 10, 32.07, 281.8, 231_424),
        ("vgg11", CIFAR, 10, 36.19, 404.5, 249_856),
        ("vgg13", CIFAR, 10, 34.61, 281.8, 264_192),
        ("vgg16", CIFAR, 10, 39.9, 338.4, 284_672),
        ("vgg16", CIFAR, 100, 40.3, 338.8, 284_672),
        ("vgg19", CIFAR, 10, 45.23, 423.3, 311_296),
        ("resnet12", CIFAR, 10, 4.99, 140.2, 258_048),
        ("resnet20", CIFAR, 10, 11.25, 215.7, 319_488),
        ("vgg4", MNIST, 10, 6.51, 21.34, 76_288),
        ("vgg16", IMAGENET, 1000, 138.3, 15_470, 13_555_712),
    ],
)
def test_weights_macs_and_neurons_are_the_published_ones(name, shape, classes, weights, mega_macs, neurons):
    plan = architecture(name, shape, classes)
    assert plan.weights / 1e6 == pytest.approx(weights, abs=0.05 if weights > 30 else 0.005)
    assert macs(plan) / 1e6 == pytest.approx(mega_macs, rel=5e-4)
    assert sum(math.prod(s.shape) for s in plan.spiking) == neurons


@pytest.mark.parametrize("shape", [MNIST, CIFAR, IMAGENET])
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("name", NAMES)
def test_every_plan_is_a_chain_of_shapes(name, shape, pool):
    plan = architecture(name, shape, 10, width=0.25, pool=pool)
    shapes = {"input": shape} | {s.name: s.shape for s in plan.steps}
    for step in plan.steps:
        c, h, w = shapes[step.source]
        h, w = (h // 2, w // 2) if step.pool else (h, w)
        assert step.weight_shape[1] == (c if step.kind == "conv" else c * h * w)
        assert step.shape[0] == step.weight_shape[0]
        if step.kind == "conv":
            assert step.shape[1:] == (-(-h // step.stride), -(-w // step.stride))
        assert step.pool in (None, pool)
    assert plan.steps[-1].kind == "output" and len(shapes) == len(plan.steps) + 1


def test_a_residual_block_adds_its_own_input():
    plan = architecture("resnet12", CIFAR, 10)
    first = next(s for s in plan.steps if s.name == "res1_1_conv2")
    assert (first.skip.source, first.skip.pool, first.skip.weight_shape) == ("conv3", "avg", None)
    second = next(s for s in plan.steps if s.name == "res2_1_conv2")
    assert (second.skip.source, second.skip.stride, second.skip.weight_shape) == ("res1_1_conv2", 2, (128, 64, 1, 1))
    assert {s.name for s in plan.spiking if not s.dropout} == {
        "conv3", "res1_1_conv2", "res2_1_conv2", "res3_1_conv2", "res4_1_conv2"
    }  # fmt: skip


@pytest.mark.parametrize("shape", [CIFAR, IMAGENET])
@pytest.mark.parametrize("name", ["vgg9", "vgg16", "resnet12"])
def test_a_pooled_layer_has_no_dropout(name, shape):
    plan = architecture(name, shape, 10)
    pooled = {s.source for s in plan.steps if s.pool}
    assert not any(s.dropout for s in plan.spiking if s.name in pooled)
    assert name != "vgg9" or all(s.dropout for s in plan.spiking if s.name not in pooled)


def test_width_and_hidden_layers_scale_what_they_say():
    half = architecture("vgg9", CIFAR, 10, width=0.5)
    assert [s.weight_shape[0] for s in half.steps] == [32, 64, 128, 128, 256, 256, 256, 2048, 2048, 10]
    named = architecture("vgg9", CIFAR, 10, width=0.5, hidden=(100,))
    assert [s.weight_shape[0] for s in named.steps][-2:] == [100, 10]
    assert architecture("vgg9", CIFAR, 10, hidden=()).steps[-1].weight_shape == (10, 2048)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vgg7", CIFAR, 10, {}), "'vgg7' is unknown; there are: mnist_vgg, vgg4"),
        (("vgg9", CIFAR, 10, {"width": 0}), "width is 0"),
        (("vgg9", CIFAR, 10, {"hidden": (0,)}), "at least 1"),
        (("vgg9", CIFAR, 10, {"pool": "median"}), "median"),
        (("vgg9", (3, 8, 8), 10, {}), "too small for vgg9"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(arguments, words):
    *given, options = arguments
    with pytest.raises(NeurosimError, match=words):
        architecture(*given, **options)


def test_all_problems_come_at_once():
    with pytest.raises(NeurosimError, match=r"unknown.*width is -1.*pool is 'x'"):
        architecture("x", CIFAR, 10, width=-1, pool="x")


def test_names_are_those_of_the_papers():
    assert set(NAMES) == set(VGGS) | set(RESNETS) >= {"vgg4", "vgg5", "vgg6", "vgg9", "vgg11", "vgg13", "vgg16", "vgg19"}
    assert VGGS["vgg5"] == VGGS["vgg6"] and RESNETS["resnet34"] == (3, 4, 6, 3)
