"""Small networks on random chips, and what is found on them."""

import os
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.settings import set_path
from neurosim.cost.activity import COUNTS, activity
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.partition import partition
from neurosim.mapping.storage import kernel_weights
from tests.helpers import hardware_twin, naive
from tests.helpers.strategies import cases, counted, recurrents, residuals

# The gate runs the tests that are marked fuzz once more, with so many times the examples.
FUZZ = int(os.environ.get("NEUROSIM_FUZZ", "1"))


def examples(count, **how):
    """As many, or a tenth of them where packets move in plain Python, or several times as many where that is asked for."""
    return settings(max_examples=max(3, count // 10) if numba.config.DISABLE_JIT else count * FUZZ, **how)


@st.composite
def chips(draw, network):
    """Small cores, so that layers are cut by channel, row and column; a mesh or torus, on several chips or one, with room for
    every neuron; small buffers and queues, slow links and memories."""
    chip = ns.load_chip(draw(st.sampled_from(["mesh45", "loihi"])))
    width, per_tile = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    flit_bits, packet_flits = draw(st.sampled_from([16, 24, 32])), draw(st.integers(1, 3))
    carry, payload_bits = any(layer.graded for layer in network.layers), draw(st.sampled_from([16, 24]))
    packet_bits = draw(st.integers(1 + flit_bits * (packet_flits - 1), flit_bits * packet_flits))
    flits = -(-(packet_bits + payload_bits * carry) // flit_bits)
    torus, few, port = draw(st.booleans()), st.integers(1, 3), st.sampled_from([None, 1, 2])
    changes = {
        "core.max_neurons": draw(st.sampled_from([2, 3, 5, 8, 8, 12, 12, 20, 40])),
        "core.state_bits": draw(st.sampled_from([4, 6, 24, 32])),
        "core.queue_packets": draw(st.sampled_from([None, 1, 1, 2])),
        "mesh.topology": "torus" if torus else "mesh",
        "mesh.width": width,
        "mesh.height": -(-sum(layer.neurons for layer in network.layers) // (width * per_tile)),
        "mesh.cores_per_tile": per_tile,
        "mesh.delivery": draw(st.sampled_from(["unicast", "multicast"])),
        "mesh.flit_bits": flit_bits,
        "mesh.packet_bits": packet_bits,
        "mesh.payload_bits": payload_bits,
        "mesh.carry": carry,
        "mesh.virtual_channels": draw(st.integers(1 + torus, 3)),
        "mesh.buffer_flits": flits + draw(st.integers(0, 2)),
        "mesh.router_cycles": draw(few),
        "mesh.link_cycles": draw(few),
        "mesh.link_interval": draw(few),
        "mesh.local_cycles": draw(few),
        "mesh.credit_cycles": draw(few),
        "board": draw(st.one_of(st.none(), boards)),
        "policy.update": draw(st.sampled_from(["touched", "all"])),
        "policy.analog": draw(st.sampled_from(["once", "per_step", "host"])),
        "core.axon_channels": draw(st.sampled_from([1, 1, 2, 3])),
        "policy.pool": draw(st.sampled_from(["folded", "summed"])),
        "core.storage": draw(st.sampled_from(["shared", "unrolled", "crossbar", "sparse"])),
        "core.skip_zeros": draw(st.booleans()),
    }
    if changes["core.storage"] != "crossbar":
        changes["core.max_layers"] = draw(st.sampled_from([1, 2, 4]))
    if changes["core.storage"] == "sparse":
        changes["core.index_bits"] = draw(st.integers(5, 12))
    changes["core.accumulate_registers"] = draw(st.sampled_from([0, 0, 1, 4, 100]))
    changes |= {f"memory.{chip.home(kind).name}.words_per_cycle": draw(port) for kind in ("weights", "state", "input")}
    changes |= {f"memory.{chip.home(kind).name}.word_bits": draw(st.sampled_from([8, 24, 64])) for kind in ("weights", "state")}
    if draw(st.booleans()):
        changes |= {f"memory.{chip.home('state').name}.{name}": to for name, to in (("layout", "packed"), ("word_bits", 100))}
    changes |= {f"operation.{name}.cycles": draw(st.sampled_from([0, 1, 1, 4])) for name in ("packet", "event", "accumulate")}
    if draw(st.booleans()):
        index = changes.get("core.index_bits", 0)
        # Of each place in its window.
        held = {layer.name: max(map(len, naive.windows(layer).values())) for layer in network.layers}
        weights = {layer: (kernel_weights(layer, 1) + layer.fan_in) * held[layer.name] for layer in network.layers}
        one_neuron = max(many * (layer.weight_bits + index) for layer, many in weights.items())
        changes[f"memory.{chip.home('weights').name}.bits"] = one_neuron * draw(st.integers(1, 3))
    chip = changed(chip, changes)
    if draw(st.booleans()):
        front = chip.home(draw(st.sampled_from(["weights", "state"]))).name
        cache = {"name": "behind", "backs": front, "bits": 10**9, "per": "chip", "word_bits": draw(st.sampled_from([16, 64])),
                 "words_per_cycle": draw(port), "source": "made up",
                 "miss_rate": draw(st.integers(0, 100)) / 100, "read": {"pj": 3.0}, "write": {"pj": 5.0}}  # fmt: skip
        chip = ns.Chip.parse(chip.values | {"memory": [*chip.values["memory"], cache]}, "cached")
    return chip


boards = st.builds(
    lambda columns, rows, cycles, interval: {
        "columns": columns, "rows": rows, "link_cycles": cycles, "link_interval": interval, "pj": 0.5, "source": "made up",
    },
    st.integers(1, 3), st.integers(1, 2), st.integers(1, 9), st.integers(1, 4),
)  # fmt: skip


def changed(chip, changes):
    """All settings changed at once, so that they are judged together."""
    values = chip.values
    for path, value in changes.items():
        set_path(values, path, value, "test")
    return ns.Chip.parse(values, "test")


@st.composite
def mappings(draw, network):
    """Bricks on scattered cores of a mesh with a little room to spare, alone or with bricks of other layers."""
    chip = draw(chips(network))
    cut = partition(network, chip)
    assert not cut.problems
    per_row = chip.mesh.width * chip.mesh.cores_per_tile * chip.chips
    chip = chip.replace("mesh.height", -(-len(cut.bricks) // per_row) + 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Mapping(network, chip, cut.bricks, scattered(rng, cut.bricks, chip), "row-major")


def scattered(rng, bricks, chip):
    """A core for every brick: as many layers in one as it may hold, whatever they need."""
    held = {core: set() for core in range(chip.cores)}
    cores = []
    for brick in bricks:
        open_to = [core for core, layers in held.items() if brick.layer not in layers and len(layers) < chip.core.max_layers]
        shared = [core for core in open_to if held[core]]
        cores.append(int(rng.choice(shared if shared and rng.random() < 0.8 else open_to)))
        held[cores[-1]].add(brick.layer)
    return np.array(cores)


@st.composite
def runs(draw):
    network, inputs = draw(st.one_of(cases(), cases(), counted(), residuals(), recurrents()))
    return inputs, draw(mappings(network.over(inputs.steps, inputs.frames is not None)))


def traced(inputs, mapping):
    return ns.simulate(mapping.network, inputs, state_bits=mapping.chip.core.state_bits)


def twin_of(inputs, mapping):
    samples = inputs.images if inputs.images is not None else inputs.by_step
    return hardware_twin.run(mapping.network, samples, mapping.chip, mapping.bricks, mapping.cores)


def nonzero(array):
    return {tuple(int(i) for i in at): int(array[tuple(at)]) for at in np.argwhere(array)}


def placed_alone(network, inputs, **changes):
    """The sum of every count on `mesh45` with some settings changed, mapped as usual."""
    mapping = ns.map_network(network, changed(wide_mesh(ns.load_chip("mesh45"), network), changes))
    found = activity(traced(inputs, mapping), mapping)
    return {name: int(getattr(found, name).sum()) for name in COUNTS}


def fork(encoding="spikes"):
    """Two layers that see the input, one that sees both."""
    return ns.Network.build(
        "fork", timesteps=2, input_shape=(1, 3, 3), encoding=encoding,
        layers=[
            ns.Conv("a", 2 * ones(1, 1, 1, 1), threshold=1), ns.Conv("b", 2 * ones(2, 1, 1, 1), threshold=1, inputs=["input"]),
            ns.Conv("c", ones(1, 1, 1, 1), 1, inputs=["a"], shortcuts=[ns.Shortcut("b", ones(1, 2, 1, 1))]),
            ns.Output("out", ones(2, 9)),
        ],
    )  # fmt: skip


def ones(*shape):
    return np.ones(shape, np.int64)


def almost(joules):
    """Equal up to rounding; energies are so small that an absolute tolerance would accept anything."""
    return pytest.approx(joules, rel=1e-12, abs=0)


TIMING, SCHEDULE = st.sampled_from(["packet", "analytic"]), st.sampled_from(["sequential", "pipelined"])


def evaluated(inputs, mapping, **how):
    """The result, without choices of the model; the laws about counts need no packets that move in plain Python."""
    how = {"timing": "analytic" if numba.config.DISABLE_JIT else "packet"} | how
    return replace(ns.evaluate(traced(inputs, mapping), mapping, **how), trial=None)


def wide_mesh(chip, network):
    """Room for one core per neuron."""
    return changed(chip, {"mesh.width": 8, "mesh.height": -(-sum(layer.neurons for layer in network.layers) // 8)})
