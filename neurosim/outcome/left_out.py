"""What a run leaves out, in words."""

from __future__ import annotations

from neurosim.chip.chip import Chip
from neurosim.cost.spikeless import Spikeless
from neurosim.mapping.mapping import Mapping
from neurosim.outcome.times import Times

ALWAYS_LEFT_OUT = (
    "training; loading of tables onto the chip",
    "dependence on data values, temperature and voltage of the prices",
)

LAZY_LEAK = "leak multiplies beyond one per visit: a core is taken to catch up with the steps a neuron was idle by a table"

ONE_PASS = "that an ANN with feedback or delays runs once per time step: the ANN beside it is one pass"
UNREAD = "the way of the last layer's spikes out of the chip, and what counts them"
AT_HOST = "multiply-accumulates of the layers that an image feeds: a host computes their currents"
SUMMED = "memory for the sums of pooling windows: their additions alone are counted"
LOADING = "loading of weights onto the chip: no memory stands behind the one that holds them"
UNHINDERED = "waiting of packets for each other and for full buffers: time is analytic, a lower bound of packet timing"
SAMPLED = "waiting of packets in the steps that were not drawn to be timed: their time is analytic times the ratio of those"
DELAYED = "memory for the events of shortcuts until they are due: in a pipeline a layer holds them for some turns"
FLOAT_PRICES = "floating point: a float32 network is priced with the chip's integer operations, and its state width is 32 bits"
WIDE_WEIGHTS = "wider arithmetic: additions and multiplications cost the same for weights of more than 8 bits"
EXTRAPOLATED = "published prices for memories as large as {}: theirs are extrapolated"


def left_out(mapping: Mapping, time: Times, pooled: bool, room: str) -> list[str]:
    """Of a run; *pooled*: whether windows were summed in cores; *room*: that the network without spikes lacks."""
    network, chip = mapping.network, mapping.chip
    notes = [
        (LOADING, not mapping.spills),
        (UNHINDERED, time.timing == "analytic"),
        (SAMPLED, bool(time.sample.error)),
        (DELAYED, time.schedule == "pipelined" and any(layer.shortcuts for layer in network.layers)),
        (ONE_PASS, any(delay for layer in network.layers for delay in layer.delays)),
        (UNREAD, network.decoding.reads == "never"),
        (AT_HOST, network.input.encoding == "direct" and chip.policy.analog == "host"),
        (SUMMED, pooled),
        (LAZY_LEAK, chip.policy.update == "touched"),
        (FLOAT_PRICES, not network.integer),
        (WIDE_WEIGHTS, network.integer and any((layer.weight_bits or 8) > 8 for layer in network.layers)),
        (room, bool(room)),
        *_ports(chip),
    ]
    return [*left_out_of_prices(chip), *(text for text, applies in notes if applies), *ALWAYS_LEFT_OUT]


def left_out_without(spikeless: Spikeless) -> list[str]:
    """What the machine of the network without spikes leaves out, where it is one of its own."""
    chip = spikeless.mapping.chip
    return [f"{chip.name}, without spikes: {note}" for note in left_out_of_prices(chip)] if spikeless.own else []


def left_out_of_prices(chip: Chip) -> list[str]:
    """What the prices of a chip leave out."""
    beyond = [memory.name for memory in chip.memory if memory.extrapolated]
    return [*chip.not_counted, *([EXTRAPOLATED.format(", ".join(beyond))] if beyond else [])]


def _ports(chip: Chip) -> list[tuple[str, bool]]:
    """Waiting for memories that is not modelled."""
    portless = [m.name for m in chip.memory if not m.ported and {"weights", "state", "input"} & {*chip.kinds(m)}]
    shared = [
        m.name for m in chip.memory
        if m.per != "core" and m.ported and not m.fetched and {"weights", "state"} & {*chip.kinds(m)}
    ]  # fmt: skip
    return [
        (f"cores waiting for each other at the ports of {', '.join(shared)}", bool(shared)),
        (f"waiting for the ports of {', '.join(portless)}: neither words_per_cycle nor cells are given", bool(portless)),
    ]
