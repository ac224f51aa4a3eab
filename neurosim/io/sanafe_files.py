"""A mapped network as the two YAML files of SANA-FE 2.2 (architecture, spiking network), to be checked against it.

Its rules differ from ours, and what is written makes up for them where that is possible. It delays every packet by one step: a
layer works on a step later by its depth, and a gate, one input unit, silences it after its last. It truncates potentials to
1/64 of a 32-bit integer: weights and thresholds are multiplied by up to 2^12, as far as potentials allow. It has no
multiply-accumulates: the layers that an image feeds are input units that fire when those layers did. A leak is a factor there,
without the rounding of an integer network. It knows no memories, no leakage, and visits every neuron in every step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import ChipError, FileError, NetworkError
from neurosim.io.hdf5 import replacing
from neurosim.kernels.layer import Synapses
from neurosim.mapping.brick import Brick
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import AT_ONCE, INPUT, Layer, after, pool_kind
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS
from neurosim.outcome.result import Result
from neurosim.spikes.synapses import feeds
from neurosim.spikes.trace import SpikeTrace

LARGEST_SCALE = 12
# Larger potentials are left room for those that a gate pushes down; at 2^25 they wrap around.
LARGEST = 2**24
# Threshold of an output neuron, which never fires.
NEVER = 1e12
# Synapses are written one by one, some 30 bytes each.
MOST_SYNAPSES = 2_000_000
ARCHITECTURE, NETWORK = "architecture.yaml", "network.yaml"
GATES = "neurosim_gates"


def save_sanafe(result: Result, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Write both files for the first sample of a run; returns the time steps to run, what SANA-FE counts, by its names, and
    whether exactly that. Raises NetworkError or ChipError with every reason why the network or the chip has no counterpart."""
    trace, mapping = result.trace, result.mapping
    depth, scale = depths(trace.network), scale_of(trace)
    problems = _differences(result)
    if problems:
        raise ChipError(f"chip {mapping.chip.name!r} for SANA-FE", problems)
    place = Path(folder)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(str(folder), [f"cannot be made: {error.strerror}"]) from error
    for name, lines in ((ARCHITECTURE, _architecture(mapping)), (NETWORK, _network(trace, mapping, depth, scale))):
        with replacing(place / name) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    ours, gated = result.counts, [trace.network.layer(name) for name in _gated(trace.network, depth)]
    cores = [int((mapping.layer_of == trace.network.layers.index(layer)).sum()) for layer in gated]
    return {
        "timesteps": trace.timesteps + max(depth.values()),
        "spikes": ours["synaptic_events"] + sum(layer.neurons for layer in gated),
        "packets_sent": ours["packets"] + sum(cores),
        "neurons_fired": ours["spikes"] + len(gated),
        "exact": not trace.network.integer or all(layer.leak is None for layer in trace.network.layers),
    }


def _differences(result: Result) -> list[str]:
    """What of the chip has no counterpart."""
    chip, clipped = result.mapping.chip, result.counts["saturations"]
    problems = []
    if chip.mesh.delivery != "unicast":
        problems.append("mesh.delivery is 'multicast'; there a packet goes to one core: set it to 'unicast'")
    if chip.mesh.topology != "mesh":
        problems.append(f"mesh.topology is {chip.mesh.topology!r}; only a mesh is written")
    if len(result.mapping.used) < len(result.mapping.bricks):
        problems.append("several layers share a core; one in every core is written: set core.max_layers to 1")
    if chip.chips > 1:
        problems.append(f"it has {chip.chips} chips; there is only one")
    added, events = result.counts["accumulates"], result.counts["synaptic_events"]
    if added != events:
        ours = "core.storage = 'shared' or 'unrolled', core.skip_zeros = false and policy.pool = 'folded'"
        problems.append(f"it makes {added:,} additions for {events:,} synaptic events; there each is one: set {ours}")
    if clipped:
        problems.append(f"{clipped:,} times a potential was clipped to core.state_bits = {chip.core.state_bits}; give it more")
    return problems


def depths(network: Network) -> dict[str, int]:
    """Steps by which every layer is late there; raises NetworkError if the network has no counterpart."""
    problems, depth = [], {}
    if network.input.encoding != "direct":
        problems.append("its input is made of spikes; only networks that an image feeds are written")
    if network.reset != "subtract":
        problems.append("its neurons are reset to zero; only subtraction is written")
    if network.dynamics != AT_ONCE:
        problems.append("its neurons reset in the step after the spike; only a reset in the same step is written")
    if network.output.spiking:
        problems.append("its last layer fires; only an Output is written")
    if network.decode is not None:
        problems.append(f"its answer is the largest {network.decoding.meaning}; only the last potentials are compared there")
    for layer in network.layers:
        problems += [f"layer {layer.name!r} has {what}, which is not written" for what in _special(layer)]
        if network.fed_by_image(layer):
            depth[layer.name] = 0
            if len(set(layer.sources)) > 1:
                problems.append(f"layer {layer.name!r} reads the image and spikes; it can read one or the other")
            continue
        late = {source: depth.get(source, 0) + 1 for source in layer.sources if source != INPUT}
        depth[layer.name] = max(late.values(), default=0)
        if len(set(late.values())) > 1:
            steps = ", ".join(f"{source} after {steps}" for source, steps in late.items())
            problems.append(f"layer {layer.name!r} would see its sources at different steps: {steps}")
        if "max" in (pool_kind(layer.pool), *(pool_kind(shortcut.pool) for shortcut in layer.shortcuts)):
            problems.append(f"layer {layer.name!r} pools with max, which has no counterpart")
    odd = [name for name in (network.name, *depth) if not re.fullmatch(r"[\w -]+", name)]
    problems += [f"name {name!r} is more than letters, digits, '_' and '-'" for name in odd]
    unrolled = sum(_many(synapses, network.shape_of(source)[0]) for source, synapses in _edges(network))
    if unrolled > MOST_SYNAPSES:
        problems.append(f"it has {unrolled:,} synapses if each is written; at most {MOST_SYNAPSES:,}")
    if problems:
        raise NetworkError(f"network {network.name!r} for SANA-FE", problems)
    return depth


def scale_of(trace: SpikeTrace) -> int:
    """What weights and thresholds are multiplied by; raises NetworkError if potentials are too large as they are."""
    peaks = {name: float(np.abs(found.peak).max()) for name, found in trace.layers.items() if trace.network.layer(name).spiking}
    name = max(peaks, key=lambda name: peaks[name])
    if peaks[name] >= LARGEST:
        problem = f"layer {name!r} has potentials up to {peaks[name]:,.0f}; at most {LARGEST:,} fit there"
        raise NetworkError(f"network {trace.network.name!r} for SANA-FE", [problem])
    return int(2 ** min(LARGEST_SCALE, int(np.log2(LARGEST / max(peaks[name], 1.0)))))


def _special(layer: Layer) -> Iterator[str]:
    """What the layer has that has no counterpart."""
    # What needs another reset is no problem of its own: that reset is one.
    unsaid = [row for row in PARAMETERS.values() if not row.sanafe and row.reset in (None, "subtract")]
    links = (layer, *layer.shortcuts)
    yield from (row.noun for row in unsaid if any(row.of(link) is not None for link in links))
    if after(layer):
        yield "pool_currents"
    if not layer.spiking and layer.leak is not None:
        yield "a leak and never fires"
    said = [row for row in PARAMETERS.values() if row.sanafe]
    if any(row.varies(layer) for row in said):
        yield f"a {' or '.join(row.name for row in said)} that varies"


def _edges(network: Network) -> Iterator[tuple[str, Synapses]]:
    for layer in network.layers:
        if not network.fed_by_image(layer):
            yield from zip(layer.sources, feeds(network)[layer.name].synapses, strict=True)


def _gated(network: Network, depth: dict[str, int]) -> list[str]:
    """The layers that would go on after their last step."""
    return [layer.name for layer in network.layers if layer.spiking and 0 < depth[layer.name] < max(depth.values())]


def _many(synapses: Synapses, channels: int) -> int:
    return int(synapses.length.sum(dtype=np.int64)) * channels


def _architecture(mapping: Mapping) -> Iterator[str]:
    chip, grid = mapping.chip, mapping.grid
    cost, seconds, neurons = chip.operation, 1 / chip.clock.hz, max(brick.neurons for brick in mapping.bricks)
    flits, hop = chip.mesh.flits_per_packet, (chip.mesh.router_cycles + chip.mesh.link_cycles) * seconds
    name = re.sub(r"[^\w-]", "_", chip.name)
    yield f"architecture:\n  name: {name}\n  attributes:"
    yield f"    width: {grid.width}\n    height: {grid.height}\n    link_buffer_size: {chip.mesh.buffer_flits}"
    yield f"    sync_model: fixed\n    latency_sync: {cost.barrier.cycles * seconds}\n  tile:"
    yield f"    - name: tile[0..{grid.tiles - 1}]\n      attributes:"
    for direction, crossing in (("east", cost.hop_x), ("west", cost.hop_x), ("north", cost.hop_y), ("south", cost.hop_y)):
        yield f"        energy_{direction}_hop: {crossing.pj * flits * 1e-12}\n        latency_{direction}_hop: {hop}"
    yield f"      core:\n        - name: core[0..{grid.cores_per_tile - 1}]\n          attributes:"
    yield "            buffer_position: soma\n            buffer_inside_unit: false"
    yield f"            max_neurons_supported: {neurons + 1}"
    visit, active = cost.update_idle, cost.update_active
    free = dict.fromkeys(("access_neuron", "update_neuron", "spike_out"), (0.0, 0))
    units = (
        ("axon_in", "event", "", {"message_in": (cost.event.pj, cost.event.cycles)}),
        ("synapse", "weights", "current_based", {"process_spike": (cost.accumulate.pj, cost.accumulate.cycles)}),
        ("dendrite", "sums", "accumulator", {"update": (0.0, 0)}),
        ("soma", "neurons", "leaky_integrate_fire", {
            "access_neuron": (visit.pj, visit.cycles),
            "update_neuron": (active.pj - visit.pj, active.cycles - visit.cycles), "spike_out": (cost.spike.pj, 0),
        }),
        ("soma", f"spikes[0..{neurons - 1}]", "input", free),
        ("soma", "gate", "input", free),
        ("axon_out", "packets", "", {"message_out": (cost.packet.pj, cost.packet.cycles)}),
    )  # fmt: skip
    for kind in ("axon_in", "synapse", "dendrite", "soma", "axon_out"):
        yield f"          {kind}:"
        for _, name, model, actions in (unit for unit in units if unit[0] == kind):
            yield f"            - name: {name}\n              attributes:"
            if model:
                yield f"                model: {model}"
            for action, (pj, cycles) in actions.items():
                yield f"                energy_{action}: {pj * 1e-12}\n                latency_{action}: {cycles * seconds}"


def _network(trace: SpikeTrace, mapping: Mapping, depth: dict[str, int], scale: int) -> Iterator[str]:
    network = trace.network
    yield f"network:\n  name: {network.name.replace(' ', '_')}\n  groups:"
    for layer in network.layers:
        yield from _group(trace, layer, scale)
    gated = _gated(network, depth)
    if gated:
        yield f"    - name: {GATES}\n      attributes: []\n      neurons:"
        for number, name in enumerate(gated):
            yield f"        - {number}: [spikes: {[0] * (depth[name] + trace.timesteps - 1) + [1]}]"
    yield "  edges:"
    for number, name in enumerate(gated):
        yield from (f"    - {GATES}.{number} -> {name}.{n}: [weight: {-LARGEST}]" for n in range(network.layer(name).neurons))
    for layer in network.layers:
        if not network.fed_by_image(layer):
            for source, synapses in zip(layer.sources, feeds(network)[layer.name].synapses, strict=True):
                yield from _unrolled(network, source, layer, synapses, scale)
    yield "mappings:"
    for brick, core in zip(mapping.bricks, mapping.cores.tolist(), strict=True):
        layer = network.layers[brick.layer]
        x, y = mapping.grid.xy(core)
        # Tiles are counted column by column there.
        where = f"{x * mapping.grid.height + y}.{core % mapping.grid.cores_per_tile}"
        for place, neuron in enumerate(_members(brick, layer)):
            unit = f"spikes[{place}]" if network.fed_by_image(layer) else "neurons"
            yield f'  - {layer.name}.{neuron}: [core: {where}, soma: "{unit}"]'
        if layer.name in gated:
            yield f'  - {GATES}.{gated.index(layer.name)}: [core: {where}, soma: "gate"]'
            gated[gated.index(layer.name)] = ""


def _members(brick: Brick, layer: Layer) -> list[int]:
    """The neurons of a brick."""
    numbers = np.arange(layer.neurons).reshape(layer.shape)
    return numbers[brick.c0 : brick.c1, brick.y0 : brick.y1, brick.x0 : brick.x1].ravel().tolist()


def _group(trace: SpikeTrace, layer: Layer, scale: int) -> Iterator[str]:
    yield f"    - name: {layer.name}"
    if trace.network.fed_by_image(layer):
        yield "      attributes: [log_spikes: true]\n      neurons:"
        trains = trace.spikes(layer.name)[0].reshape(trace.timesteps, -1).T.astype(int)
        for neuron, train in enumerate(trains.tolist()):
            yield f"        - {neuron}: [spikes: {train}]"
        return
    leak = layer.leak if layer.leak is not None else 1.0
    decay = leak[0] / 2 ** leak[1] if isinstance(leak, tuple) else leak
    threshold = NEVER if layer.threshold is None else _strict(trace.network, layer.threshold) * scale
    yield "      attributes: [log_spikes: true]\n      neurons:"
    soma = f"{{threshold: {threshold}, leak_decay: {decay}, reset_mode: soft}}"
    yield f"        - 0..{layer.neurons - 1}: [soma: {soma}]"


def _strict(network: Network, threshold: Any) -> float:
    """The threshold of a comparison by >, the only one there."""
    if network.compare == ">":
        found: float = threshold
        return found
    return threshold - 0.5 if network.integer else float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))


def _unrolled(network: Network, source: str, layer: Layer, synapses: Synapses, scale: int) -> Iterator[str]:
    """Every synapse by itself."""
    channels, h, w = network.shape_of(source)
    sites, step = layer.shape[1] * layer.shape[2], synapses.channel_step
    for site in range(h * w):
        for run in range(synapses.first[site], synapses.first[site + 1]):
            length = int(synapses.length[run])
            for channel in range(channels):
                start, row = int(synapses.target[run]), channel * step + int(synapses.offset[run])
                if synapses.identity:
                    start, weights = start + channel, [synapses.unit]
                else:
                    start += channel // synapses.group * synapses.group_step
                    weights = synapses.weight[row : row + length].tolist()
                for place, weight in enumerate(weights, start):
                    out_site, out_channel = divmod(place, layer.shape[0])
                    target = out_channel * sites + out_site
                    yield f"    - {source}.{channel * h * w + site} -> {layer.name}.{target}: [weight: {weight * scale}]"
