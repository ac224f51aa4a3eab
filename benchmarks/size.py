"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.workloads import CIFAR, MNIST, RESIDUAL, Shipped


@dataclass(frozen=True, slots=True)
class Size:
    """How large the workloads are; what is done with them does not depend on it."""

    repeats: int
    convolutions: tuple[tuple[int, int], ...]  # channels and side of the map, from small to large
    additions: int  # of one cached array, the yardstick of the convolutions
    narrower: int  # VGG9 and VGG16 have so many times fewer channels and hidden neurons
    images: int  # of VGG9 at once
    batches: tuple[int, ...]  # images at once, beside PyTorch
    dense: tuple[int, ...]  # neurons by layer, beside SANA-FE
    samples: int
    loaded: tuple[int, ...]  # neurons by layer of the network that is loaded
    cycles: int  # of synthetic traffic
    quiet: int  # samples of the network with few packets in a turn
    sides: tuple[int, ...]  # of the images of VGG16, from small to large
    populations: int  # of 256 neurons
    trained: tuple[Shipped, ...]  # networks that ship; the last is the one of the studies
    simpy: tuple[Shipped, ...]  # whose packets go through SimPy, too
    sampled: tuple[tuple[Shipped, int], ...]  # and the images of each, of which samples are drawn
    studied: int  # images of a study
    front: int  # of them for the points of the front
    axes: int  # of a study that have more than one value
    nothings: int  # points that do nothing
    traced: tuple[int, int]  # images whose traces are compared
    demo: tuple[int, int]  # images of the first demo and of the later one
    run: int  # images of a run
    cold: bool  # first use with nothing compiled; otherwise with what this environment keeps


FULL = Size(
    repeats=7, convolutions=((64, 32), (128, 16)), additions=20_000, narrower=1, images=16, batches=(1, 32),
    dense=(784, 512, 512, 10), samples=16, loaded=(2048, 1536, 1200, 10), cycles=20_000, quiet=200, sides=(56, 112, 224),
    populations=4096, trained=(MNIST, CIFAR), simpy=(MNIST,),
    sampled=((MNIST, 100), (CIFAR, 40), (RESIDUAL, 30)), studied=100, front=10, axes=5, nothings=500,
    traced=(1000, 10_000), demo=(100, 1000), run=20, cold=True,
)  # fmt: skip
SMOKE = Size(
    repeats=1, convolutions=((4, 6), (8, 4)), additions=10, narrower=16, images=2, batches=(1, 2), dense=(20, 16, 12, 10),
    samples=2, loaded=(40, 30, 20, 10), cycles=200, quiet=2, sides=(32,), populations=16, trained=(MNIST,), simpy=(),
    sampled=((MNIST, 6),), studied=2, front=1, axes=1, nothings=5, traced=(2, 4), demo=(2, 3), run=1, cold=False,
)  # fmt: skip
