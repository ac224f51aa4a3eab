"""A network small enough to count by hand, and chips with few prices."""

import numpy as np

import neurosim as ns
from neurosim.cost.spikeless import Spikeless
from neurosim.cost.without import without


def tiny():
    """Two inputs, three neurons, two classes; two steps. Each layer lies in one core, the cores are neighbours."""
    network = ns.Network.build(
        "tiny", timesteps=2, input_shape=(2, 1, 1), encoding="spikes",
        layers=[
            ns.Dense("a", [[3, 3], [3, 3], [0, 1]], threshold=4, leak=(1, 1)),
            ns.Output("out", [[1, 1, 1], [1, 1, 1]]),
        ],
    )  # fmt: skip
    return network, ns.Inputs.from_spikes(np.array([1, 1, 1, 0]).reshape(1, 2, 2, 1, 1))


def priced(chip, operation=0, read=0, write=0, power=0):
    """The chip with one price for all operations, one for all words, and one power."""
    values = chip.values
    for priced_operation in values["operation"].values():
        priced_operation["pj"] = operation
    for memory in values["memory"]:
        memory["read"]["pj"], memory["write"]["pj"], memory["leakage_mw"] = read, write, power
    values["static"]["core_mw"] = values["static"]["chip_mw"] = power
    if values["board"]:
        values["board"]["pj"] = 0
    return ns.Chip.parse(values, "test")


def on(chip, changes):
    for path, value in changes.items():
        chip = chip.replace(path, value)
    return chip


# Tables of a chip file; what follows a preset, and nothing else.
BACK = {"name": "flash", "bits": 10**6, "word_bits": 16, "backs": "weight_sram", "per": "off chip", "source": "test",
        "read": {"pj": 2.0}, "write": {"pj": 1000.0}}  # fmt: skip


def behind(chip, fetched, **changes):
    """The chip with one more memory table."""
    values = chip.values
    values["memory"] = [*values["memory"], BACK | {"fetched": fetched} | changes]
    return ns.Chip.parse(values, "behind")


def ann(mapping, images, bits=None, sparsity=0.0):
    """What so many images cost without spikes, in the cores of *mapping*."""
    return without(Spikeless(mapping, bits=bits, sparsity=sparsity), images).told(images)
