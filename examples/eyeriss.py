"""The preset `eyeriss` beside its silicon: pJ per multiply-accumulate on the five convolutions of AlexNet.

Measured: 278 mW at 35 images per second and 665.8 million multiply-accumulates, 11.9 pJ each; 65 nm, 16 bits, the chip
without DRAM, batches of four (Chen et al., JSSC 2017). Every convolution is a network of one layer with the input that it has
in AlexNet, behind its pools of 3x3 with a stride of 2; halves of grouped ones are counted twice. Of our figure what the DRAM
costs is left out; weights come into the buffer for every image, not once for four.
"""

from __future__ import annotations

import numpy as np

import neurosim as ns
from neurosim.cost.spikeless import Spikeless
from neurosim.cost.without import without

MEASURED_PJ = 11.9
# Groups, channels in and out of each, rows and columns of the input, kernel, stride, padding.
LAYERS = {
    "conv1": (1, 3, 96, 227, 11, 4, 0), "conv2": (2, 48, 128, 27, 5, 1, 2), "conv3": (1, 256, 384, 13, 3, 1, 1),
    "conv4": (2, 192, 192, 13, 3, 1, 1), "conv5": (2, 192, 128, 13, 3, 1, 1),
}  # fmt: skip


def alone(name: str) -> ns.Network:
    """One group of a layer as a network."""
    _, channels, filters, size, kernel, stride, padding = LAYERS[name]
    weight = np.ones((filters, channels, kernel, kernel), np.int64)
    layer = ns.Conv(name, weight, threshold=1, stride=stride, padding=padding, weight_bits=16)
    return ns.Network.build(name, timesteps=1, input_shape=(channels, size, size), layers=[layer])


def counted(name: str, chip: ns.Chip) -> tuple[int, float]:
    """(multiply-accumulates, J without DRAM) of all groups of a layer."""
    spent = without(Spikeless(ns.map_network(alone(name), chip), bits=16), 1).told(1)
    groups: int = LAYERS[name][0]
    return groups * spent["macs"], groups * (spent["total_J"] - spent["by_purpose_J"]["off chip"])


def main() -> None:
    """Print the table."""
    chip = ns.load_chip("eyeriss", ["mesh=fit"])
    found = {name: counted(name, chip) for name in LAYERS}
    for name, (macs, joules) in found.items():
        print(f"{name}: {macs / 1e6:6.1f} million MACs, {joules / macs * 1e12:5.2f} pJ each")
    macs, joules = (sum(values) for values in zip(*found.values(), strict=True))
    each = joules / macs * 1e12
    print(f"all:   {macs / 1e6:6.1f} million MACs, {each:5.2f} pJ each; measured {MEASURED_PJ}, ratio {each / MEASURED_PJ:.2f}")


if __name__ == "__main__":
    main()
