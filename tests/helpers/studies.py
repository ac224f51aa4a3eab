"""A small study and its files."""

import neurosim as ns
from tests.helpers import samples

STUDY = """
name = "small"
network = "net.h5"
inputs = "in.h5"
chip = "mesh45"
images = 4
objectives = ["energy", "latency", "cores"]

[set]
"mesh.width" = 6

[axes]
"core.lanes" = [1, 2, 8]
"core.max_neurons" = [8, 40, 1]
placer = ["row-major", "spectral"]

[front]
timing = "packet"
images = 2
"""


def values(**changes):
    base = {
        "network": "net.h5", "inputs": "in.h5", "chip": "mesh45", "images": 4, "objectives": ["energy", "latency"],
        "axes": {"core.lanes": [1, 2], "core.max_neurons": [8, 40]},
    }  # fmt: skip
    found = base | changes
    return {key: value for key, value in found.items() if key != "chip" or "chip" not in found["axes"]}


def filled(place):
    """The folder *place* with networks, inputs and a study file."""
    network = samples.residual()
    network.save(place / "net.h5")
    samples.inputs(network, 6).save(place / "in.h5")
    ns.quantize(samples.floating()).save(place / "float.h5")
    samples.inputs(samples.floating(), 6).save(place / "float_in.h5")
    (place / "study.toml").write_text(STUDY)
    return place
