"""How often the intervals that tell two chips apart hold the ratio of all images: the tables of docs/studies.md.

    python examples/intervals.py

Of images drawn from a distribution, whose ratio is known, and with replacement from 1,000 images of a network that ships, whose
ratio is taken for the truth.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np

import neurosim as ns
from neurosim.outcome.paired import paired

SAMPLES = 2000
MANY = (3, 5, 10, 20, 30)
CHIPS = ("mesh45", "lp45", "loihi", "seneca")


def held(one: np.ndarray, other: np.ndarray, ratio: float) -> float:
    """Of amounts [samples, images], %."""
    found = [paired(*rows) for rows in zip(one, other, strict=True)]
    return 100 * float(np.mean([each.ratio.low <= ratio <= each.ratio.high for each in found]))


def drawn(varies: float, own: float, ratio: float, images: int) -> float:
    """Logarithms of what an image takes have the standard deviation *varies* on both, and *own* on each besides."""
    rng = np.random.default_rng(images)
    image = rng.lognormal(-(varies**2) / 2, varies, (SAMPLES, images))
    one, other = image * rng.lognormal(-(own**2) / 2, own, (2, SAMPLES, images))
    # On the other half of what an image takes is the same for all.
    return held(ratio * one, (other + other / image) / 2, ratio)


def main() -> None:
    print("varies", "images", "held, least to most")
    for varies, images in product((0.1, 0.3, 0.5, 1.0), MANY):
        each = [drawn(varies, own, ratio, images) for own in (0.05, 0.3) for ratio in (1, 3, 30)]
        print(varies, images, f"{min(each):.1f} to {max(each):.1f} %")
    network, inputs = ns.load_network("models/mnist_vgg_t5.h5"), ns.load_inputs("traces/mnist_test_1000.h5")
    runs = ns.compare(network, inputs, list(CHIPS), timing="analytic")
    amounts = {"energy": [run.energy.images_J for run in runs], "latency": [run.time.latency / run.time.hz for run in runs]}
    for (name, chips), images in product(amounts.items(), (3, 5, 10, 20, 50, 100)):
        rng, found = np.random.default_rng(images), []
        for one, other in combinations(chips, 2):
            rows = rng.integers(0, len(one), (SAMPLES, images))
            found.append(held(one[rows], other[rows], one.mean() / other.mean()))
        print(name, images, f"{min(found):.1f} to {max(found):.1f} %")


if __name__ == "__main__":
    main()
