"""The hardware one can read: core by core, event by event, synapse by synapse, every counter raised by hand.

The specification of `neurosim.cost.activity` and of the work behind `neurosim.timing.timeline`. The function is that of
naive.py; nothing of the package is used for counting.
"""

import math
from collections import Counter
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np

from tests.helpers import naive

COUNTS = (
    "spikes", "packets", "hops_x", "hops_y", "crossings", "events", "look_ups", "input_arrivals", "input_events",
    "synaptic_events", "weight_words", "state_words", "accumulates", "register_adds", "pool_adds", "pool_macs", "payload_macs",
    "active", "idle", "visit_words", "analog_rows", "macs", "current_adds", "current_writes", "clears", "readouts", "leaks",
    "clips", "input_words", "image_cycles", "update_cycles", "waiting_cycles",
)  # fmt: skip


# What a visit reads where every neuron has its own.
OWN = ("threshold", "rest", "floor", "leak", "current_leak")


class Tally:
    """counts[name][row, brick]; links[((x, y), (x, y))] in flits. Zeros are left out.

    sent[row, layer]: of every spike that goes anywhere, by rising neuron, (sending core, {receiving core: (cycles of work,
    those of them that wait for a memory)}); by rising site and then channel, where cores have registers. own[row, brick]:
    (fetch, work, update, waiting) in cycles.
    """

    def __init__(self):
        self.counts = {name: Counter() for name in COUNTS}
        self.links = Counter()
        self.sent = {}
        self.own = {}


def run(network, samples, chip, bricks, cores):
    """The tally of all *samples*, brick i in core cores[i]; row = sample * timesteps + step."""
    machine = Machine(network, chip, bricks, cores)
    for number, sample in enumerate(samples):
        machine.show(number, sample)
    return machine.tally


class Machine:
    """Cores that hold bricks, and the wires between them."""

    def __init__(self, network, chip, bricks, cores):
        self.network, self.chip = network, chip
        self.bricks = list(bricks)
        self.cores = [int(c) for c in cores]
        wide = chip.mesh.payload_bits if any(layer.graded for layer in network.layers) else 0
        self.flits = -(-(chip.mesh.packet_bits + wide) // chip.mesh.flit_bits)
        self.frames = network.input.valued
        self.image = network.input.encoding == "direct"
        self.home = {layer.name: self.homes(index, layer) for index, layer in enumerate(network.layers)}
        self.windows = {layer.name: naive.windows(layer) for layer in network.layers}
        # Of every place that synapses lead to: the neurons whose windows hold it, which are one, itself, without a pool.
        self.holders = {layer.name: {} for layer in network.layers}
        for name, windows in self.windows.items():
            for neuron, places in windows.items():
                for place in places:
                    self.holders[name].setdefault(place, []).append(neuron)
        self.tables = {layer.name: list(self.tables_of(layer)) for layer in network.layers}
        self.tally = Tally()
        self.outside = {}
        self.pixel_work, self.window_words = Counter(), Counter()

    def tables_of(self, layer):
        """For every source of the layer, the synapses of each of its neurons."""
        yield from map(by_source, naive.synapses_of(self.network, layer))

    def homes(self, index, layer):
        """The brick of every neuron."""
        home = {}
        for number, brick in enumerate(self.bricks):
            for neuron in self.neurons_of(number) if brick.layer == index else ():
                assert neuron not in home
                home[neuron] = number
        assert len(home) == layer.neurons
        return home

    def neurons_of(self, number):
        b = self.bricks[number]
        shape = self.network.layers[b.layer].shape
        return [naive.flat(shape, *at) for at in product(range(b.c0, b.c1), range(b.y0, b.y1), range(b.x0, b.x1))]

    def keepers(self, layer, place):
        """The bricks that keep what arrives at a place."""
        return {self.home[layer.name][neuron] for neuron in self.holders[layer.name].get(place, [])}

    def places_of(self, number):
        """The places of which a brick keeps what arrives."""
        layer = self.network.layers[self.bricks[number].layer]
        return sorted({place for neuron in self.neurons_of(number) for place in self.windows[layer.name][neuron]})

    def bricks_of(self, layer):
        return sorted(set(self.home[layer.name].values()))

    def count(self, name, brick, amount=1):
        if amount:
            self.tally.counts[name][self.row, brick] += amount

    def show(self, number, sample):
        """All steps of one sample."""
        bits = self.chip.core.state_bits
        self.populations = {layer.name: naive.Population(self.network, layer, bits) for layer in self.network.layers}
        self.held = {layer.name: set() for layer in self.network.layers}
        self.seen = {layer.name: [] for layer in self.network.layers} | {"input": []}
        for step in range(self.network.timesteps):
            self.row = number * self.network.timesteps + step
            self.step(step, sample if self.image else sample[step])

    def step(self, step, shown):
        self.seen["input"].append({i: int(v) for i, v in enumerate(shown.ravel()) if v})
        self.outside = {}
        if not self.image:
            self.send("input", self.seen["input"][step])
        for layer in self.network.layers:
            if step == 0:
                self.clear(layer)
            late = zip(layer.sources, self.delays(layer), strict=True)
            values = [self.seen[source][step - delay] if step >= delay else {} for source, delay in late]
            touched = self.drive(layer, step) | self.touched_by(layer, values)
            fired = self.update(layer, touched, values)
            self.send(layer.name, fired)
            self.seen[layer.name].append(dict(sorted(fired.items())))
        # A core adds a weight when the spike arrives, to the sum of the step that it is for.
        for layer in self.network.layers:
            self.deliver(layer, [self.seen[source][step] for source in layer.sources])
        how, fires = self.network.decode or "", self.network.output.spiking
        every, counted = how in ("max-potential", "mean-potential"), fires and how != "potential"
        if every or (step == self.network.timesteps - 1 and not counted):
            for neuron in range(self.network.output.neurons):
                self.count("readouts", self.home[self.network.output.name][neuron])
        for brick in range(len(self.bricks)):
            self.tally.own[self.row, brick] = self.own_work(brick)

    def delays(self, layer):
        return [layer.delay for _ in layer.inputs] + [s.delay for s in layer.shortcuts]

    def clear(self, layer):
        """The potential, the synaptic current, the steps to rest, and a sum for every step that a spike can be late; those by
        place, and one for this step, where currents are pooled."""
        own, late = 1 + (layer.current_leak is not None) + (layer.refractory > 0), max(self.delays(layer))
        for neuron in range(layer.neurons):
            self.count("clears", self.home[layer.name][neuron], own + (0 if pools(layer) else late))
        for brick in self.bricks_of(layer) if pools(layer) else ():
            for _ in self.places_of(brick):
                self.count("clears", brick, 1 + late)

    def numbers(self, layer):
        """(numbers read, numbers written) at a visit of a neuron."""
        changed = ["potential"] + ["current"] * (layer.current_leak is not None)
        changed += ["due sum"] * (any(self.delays(layer)) and not pools(layer))
        changed += ["steps to rest"] * (layer.refractory > 0)
        values = [getattr(layer, name) for name in OWN]
        parts = [value[0] if isinstance(value, tuple) else value for value in values]
        sites = layer.shape[1] * layer.shape[2]
        own = [part for part in parts if np.ndim(part) and (sites == 1 or part[0].size > 1)]
        return len(changed) + len(own), len(changed)

    def send(self, source, fired):
        """Spikes of *source* become packets, flits on links, and events."""
        names, latched = [layer.name for layer in self.network.layers], set()
        sent = self.tally.sent.setdefault((self.row, names.index(source)), []) if source != "input" else []
        for neuron in self.sending_order(source, fired):
            targets = self.destinations(source, neuron)
            for brick in targets:
                self.count("look_ups", brick)
            for brick in self.first_of_cores(targets):
                self.count("events", brick)
                if source == "input":
                    self.count("input_arrivals", brick)
            if source == "input":
                self.count("input_events", min(targets, default=0))
            if source != "input":
                sender = self.home[source][neuron]
                self.count("spikes", sender)
                self.route(sender, targets)
            work = self.work_of_spike(source, neuron, latched)
            assert sorted(work) == targets
            if source == "input":
                for brick, (cycles, waiting) in work.items():
                    before = self.outside.get(brick, (0, 0))
                    self.outside[brick] = before[0] + cycles, before[1] + waiting
            elif work:
                sent.append((self.cores[sender], self.by_core(work)))

    def first_of_cores(self, bricks):
        """Of those that share a core the first: a packet comes to a core once."""
        found = {}
        for brick in sorted(bricks):
            found.setdefault(self.cores[brick], brick)
        return sorted(found.values())

    def by_core(self, work):
        """A core works for one brick after the other."""
        found = {}
        for brick, (cycles, waiting) in work.items():
            before = found.get(self.cores[brick], (0, 0))
            found[self.cores[brick]] = before[0] + cycles, before[1] + waiting
        return found

    def work_of_spike(self, source, neuron, latched):
        """{brick: (cycles, those waiting for a memory)}; a max-pooling window costs at its first spike alone."""
        work = {brick: Counter() for brick in self.destinations(source, neuron)}
        for layer in self.network.layers:
            for place, (name, table) in enumerate(zip(layer.sources, self.tables[layer.name], strict=True)):
                entries = table.get(neuron, []) if name == source else []
                for brick, done in self.work_of(layer, place, neuron, entries, latched).items():
                    work[brick].update(done)
        found = {brick: self.cycles_of_event(done) for brick, done in work.items()}
        for brick in self.first_of_cores(work):
            found[brick] = found[brick][0] + self.chip.operation.event.cycles, found[brick][1]
        return found

    def sending_order(self, source, fired):
        """Neurons by their number, or one site after the other, so that what it reaches can wait in registers."""
        _, height, width = self.network.shape_of(source)
        channel_of, site_of = (lambda neuron: neuron // (height * width)), (lambda neuron: neuron % (height * width))
        kept = self.chip.core.accumulate_registers > 0
        return sorted(fired, key=lambda neuron: (site_of(neuron), channel_of(neuron)) if kept else neuron)

    def waits_in_registers(self, layer, brick, mine):
        """The potentials, all at once, of which a spike from this site may reach any; none if a lane has too few registers."""
        core, shape, b = self.chip.core, self.network.layers[self.bricks[brick].layer].shape, self.bricks[brick]
        reached = self.neurons_of(brick) if core.storage == "crossbar" and not core.skip_zeros else [e.target for e in mine]
        needed, sites = 0, {neuron % (shape[1] * shape[2]) for neuron in reached}
        for _site in sites:
            needed += rounds(b.c1 - b.c0, core.lanes)
        return reached if needed <= core.accumulate_registers else []

    def work_of(self, layer, place, neuron, entries, latched):
        """{brick: Counter} of a spike over one projection, *entries* its synapses; *latched* notes windows that had a spike,
        and sites of a sender whose potentials wait in registers of a brick. Each window that the spike lies in is an axon of
        its own; in registers nothing waits that only the first spike of a window causes, nor where windows overlap."""
        if not entries:
            return {}
        source = layer.sources[place]
        _, height, width = self.network.shape_of(source)
        sender = "outside" if source == "input" else self.home[source][neuron]
        shortcut = layer.shortcuts[place - len(layer.inputs)] if place >= len(layer.inputs) else None
        (kind, size, stride, _), kernel = naive.pool_of((shortcut or layer).pool), (shortcut or layer).weight
        summed, valued = kind == "sum" and self.chip.policy.pool == "summed", self.valued(source)
        once = summed or kind == "max"
        apart = once or kernel is None or getattr(shortcut or layer, "groups", 1) > 1 or pools(layer)
        apart |= any(step < wide for step, wide in zip(stride, size, strict=True))
        found = {}
        for at in {e.at for e in entries}:
            window = (layer.name, place, at)
            first = window not in latched or not once
            latched.add(window)
            here = [e for e in entries if e.at == at]
            for brick in set().union(*(self.keepers(layer, e.target) for e in here)):
                mine = [e for e in here if brick in self.keepers(layer, e.target)]
                done = found.setdefault(brick, Counter())
                if first or summed:
                    done["synaptic_events"] += len(mine)
                if summed:
                    done["pool_adds"] += 1
                    done["passes"] += 1
                if first:
                    words, touched, adds, passes = self.fetch(layer, brick, mine, kernel is None, shortcut)
                    block = [] if apart else self.waits_in_registers(layer, brick, mine)
                    if block:
                        done["register_adds"] += adds
                        waiting = "registers", layer.name, place, brick, sender, neuron % (height * width)
                        touched = 0 if waiting in latched else self.state_words(brick, block)
                        latched.add(waiting)
                    done["weight_words"] += words
                    done["state_words"] += touched
                    done["pool_macs" if summed else "payload_macs" if valued else "accumulates"] += adds
                    done["mac_passes" if summed or valued else "passes"] += passes
        return found

    def valued(self, source):
        """Whether what *source* sends are values."""
        return self.frames if source == "input" else self.network.layer(source).graded

    def fetch(self, layer, brick, mine, identity, shortcut):
        """(words of weights, words of the state, additions, rounds of the lanes) of a visit to the synapses of one axon that
        lie in a brick."""
        core, bits, places, shape = self.chip.core, layer.weight_bits, self.places_of(brick), naive.landing(layer)
        if identity:
            # The constant takes the place of as many weights as hold it.
            bits *= next(n for n in range(1, 9) if shortcut.scale < 2 ** (n * bits - 1))
        kept = [e for e in mine if e.weight != 0] if core.skip_zeros or core.storage == "sparse" else mine
        touched = self.state_words(brick, [e.target for e in kept], shape)
        if core.storage == "shared":
            sites = {}
            for e in mine:
                sites.setdefault(e.target % (shape[1] * shape[2]), []).append(e)
            words = sum(self.words("weights", len(row) * bits) for row in sites.values())
            passes = sum(rounds(len([e for e in row if e in kept]), core.lanes) for row in sites.values())
            return words, touched, len(kept), passes
        if core.storage == "crossbar":
            adds = len(kept) if core.skip_zeros else len(places)
            touched = touched if core.skip_zeros else self.state_words(brick, places, shape)
            return self.words("weights", len(places) * bits), touched, adds, rounds(adds, core.lanes)
        stored = len(kept) * (bits + core.index_bits) if core.storage == "sparse" else len(mine) * bits
        return self.words("weights", stored), touched, len(kept), rounds(len(kept), core.lanes)

    def state_words(self, brick, neurons, shape=None):
        """Words of the state with a number of these *neurons*, or places of a map of this *shape*: a word holds neighbouring
        channels of one site, as many as find room in it whole, and none of another brick; or one alone, which may need
        several."""
        memory, bits = next(m for m in self.chip.memory if "state" in m.holds), self.chip.core.state_bits
        shape, first = shape or self.network.layers[self.bricks[brick].layer].shape, self.bricks[brick].c0
        if memory.layout == "padded" or bits > memory.word_bits:
            return sum(rounds(bits, memory.word_bits) for _ in neurons)
        shared = set()
        for neuron in neurons:
            channel, site = divmod(neuron, shape[1] * shape[2])
            shared.add((site, (channel - first) // (memory.word_bits // bits)))
        return len(shared)

    def cycles_of_event(self, done):
        """After the look-up: sums and memories at the same time."""
        price = self.chip.operation
        sums = done["passes"] * price.accumulate.cycles + done["mac_passes"] * price.mac.cycles
        state = done["state_words"]
        memory = self.port_cycles({"weights": (done["weight_words"], 0), "state": (state, state)})
        return max(sums, memory), max(memory - sums, 0)

    def words(self, kind, bits):
        return rounds(bits, next(m.word_bits for m in self.chip.memory if kind in m.holds))

    def port_cycles(self, words):
        """Memories work at the same time; what goes through the port of one goes through it together. words: {kind: (read,
        written)}"""
        through = {m.name: [0, 0] for m in self.chip.memory}
        for kind, (reads, writes) in words.items():
            for memory, read, written in self.accesses(kind, reads, writes):
                through[memory.name][0] += read
                through[memory.name][1] += written
        return max(self.pass_cycles(memory, *through[memory.name]) for memory in self.chip.memory)

    def pass_cycles(self, memory, reads, writes):
        """Every bank has as many ports as its name says, to read, to write, or for both."""
        if memory.words_per_cycle is not None:
            return rounds(reads + writes, memory.words_per_cycle)
        if memory.cells is None:
            return 0
        if memory.ports == "1rw":
            return rounds(reads + writes, memory.banks)
        if memory.ports == "2rw":
            return rounds(reads + writes, 2 * memory.banks)
        return max(rounds(reads, int(memory.ports[0]) * memory.banks), rounds(writes, memory.banks))

    def accesses(self, kind, reads, writes):
        """Down the caches: of the words read some are fetched from behind, and as many of those written go back."""
        memory = next(m for m in self.chip.memory if kind in m.holds)
        backs = {m.backs: m for m in self.chip.memory if m.miss_rate is not None}
        found = []
        while memory.name in backs:
            back = backs[memory.name]
            missed = math.ceil(reads * Fraction(str(back.miss_rate)))
            dirty = min(missed, writes)
            found.append((memory, reads + dirty, writes + missed))
            each = rounds(memory.word_bits, back.word_bits)
            memory, reads, writes = back, missed * each, dirty * each
        return [*found, (memory, reads, writes)]

    def own_work(self, brick):
        """(fetch, work, update, waiting) of this step besides packets."""
        core, price = self.chip.core, self.chip.operation
        count = {name: values[self.row, brick] for name, values in self.tally.counts.items()}
        sums = self.pixel_work["rounds", self.row, brick] * price.mac.cycles
        rows = self.pixel_work["words", self.row, brick]
        image = max(sums, self.port_cycles({"weights": (rows, 0)}))
        visits = rounds(count["active"], core.update_lanes) * price.update_active.cycles
        visits += rounds(count["idle"], core.update_lanes) * price.update_idle.cycles
        layer, places = self.network.layers[self.bricks[brick].layer], self.places_of(brick)
        read, written = self.numbers(layer)
        current = self.state_words(brick, places, naive.landing(layer)) if count["current_adds"] else 0
        assert count["current_adds"] in (0, len(places))
        pooled = self.window_words[self.row, brick]
        state = count["visit_words"] * read + current + pooled, count["visit_words"] * written + pooled
        update = max(visits, self.port_cycles({"state": state}))
        spikes, waiting = self.outside.get(brick, (0, 0))
        for name, cycles in (("image", image), ("update", update), ("waiting", image - sums + update - visits)):
            self.count(f"{name}_cycles", brick, cycles)
        fetch = self.pass_cycles(next(m for m in self.chip.memory if "input" in m.holds), count["input_words"], 0)
        return fetch, image + spikes, update, waiting + image - sums + update - visits

    def destinations(self, source, neuron):
        """Bricks that a spike has to reach: those with a synapse from it."""
        found = set()
        for layer in self.network.layers:
            for name, table in zip(layer.sources, self.tables[layer.name], strict=True):
                if name == source:
                    found |= set().union(*(self.keepers(layer, entry.target) for entry in table.get(neuron, [])))
        return sorted(found)

    def route(self, sender, targets):
        routes = [self.path(self.cores[sender], core) for core in sorted({self.cores[t] for t in targets})]
        if not routes:
            return
        multicast = self.chip.mesh.delivery == "multicast"
        self.count("packets", sender, 1 if multicast else len(routes))
        crossed = [link for route in routes for link in route]
        for link in set(crossed) if multicast else crossed:
            here, there = link
            self.count("hops_x" if here[1] == there[1] else "hops_y", sender, self.flits)
            self.count("crossings", sender, self.flits if self.chip_of(here) != self.chip_of(there) else 0)
            self.tally.links[link] += self.flits

    def size(self):
        """Columns and rows of tiles of all chips."""
        mesh, board = self.chip.mesh, self.chip.board
        return (mesh.width * board.columns, mesh.height * board.rows) if board else (mesh.width, mesh.height)

    def chip_of(self, place):
        return place[0] // self.chip.mesh.width, place[1] // self.chip.mesh.height

    def path(self, source, target):
        """Links from core to core, a step along x while that is not yet right, then along y."""
        here, there = self.place(source), self.place(target)
        links = []
        for axis in (0, 1):
            step = self.direction(here[axis], there[axis], self.size()[axis])
            while here[axis] != there[axis]:
                before, moved = here, list(here)
                moved[axis] = (here[axis] + step) % self.size()[axis]
                here = tuple(moved)
                links.append((before, here))
        return links

    def direction(self, start, end, size):
        """On a torus whichever way arrives first, the one of rising numbers if both do."""
        if self.chip.mesh.topology == "mesh":
            return 1 if end > start else -1
        forwards = backwards = start
        while end not in (forwards, backwards):
            forwards, backwards = (forwards + 1) % size, (backwards - 1) % size
        return 1 if forwards == end else -1

    def place(self, core):
        tile, width = core // self.chip.mesh.cores_per_tile, self.size()[0]
        return tile % width, tile // width

    def drive(self, layer, step):
        """The current of the image; every neuron is touched by it."""
        times = list(layer.inputs).count("input") if self.image else 0
        analog = self.chip.policy.analog
        # A bias is part of the current of an image, where that is stored.
        if layer.bias is not None and (times == 0 or analog == "per_step"):
            for brick in self.bricks_of(layer):
                self.count("current_adds", brick, len(self.places_of(brick)))
        if times == 0:
            return set(range(layer.neurons)) if layer.bias is not None or layer.current_leak is not None else set()
        for brick in self.bricks_of(layer):
            if analog == "host" and step == 0:
                self.count("input_words", brick, self.words("input", len(self.places_of(brick)) * self.chip.core.state_bits))
            if analog == "per_step" or (analog == "once" and step == 0):
                self.multiply(layer, brick, times)
            for _ in self.places_of(brick) if analog != "per_step" else ():
                self.count("current_adds", brick)
                self.count("current_writes", brick, 1 if step == 0 else 0)
        return set(range(layer.neurons))

    def multiply(self, layer, brick, times):
        """Every weight of every neuron, also where it meets padding; one row serves all channels of a site that a pixel
        reaches, those of its group."""
        b, share = self.bricks[brick], layer.shape[0] // getattr(layer, "groups", 1)
        together = Counter(channel // share for channel in range(b.c0, b.c1))
        _, height, width = naive.landing(layer)
        sites = {place % (height * width) for place in self.places_of(brick)}
        for _site, _element, _time in product(sites, range(layer.weight[0].size), range(times)):
            for channels in together.values():
                self.count("analog_rows", brick)
                self.count("macs", brick, channels)
                self.pixel_work["rounds", self.row, brick] += rounds(channels, self.chip.core.lanes)
                self.pixel_work["words", self.row, brick] += self.words("weights", channels * layer.weight_bits)
        self.count("input_words", brick, self.words_of_patch(layer, brick))

    def words_of_patch(self, layer, brick):
        """Words of the smallest block of 8-bit pixels that holds what the brick reads."""
        _, height, width = self.network.input.shape
        mine = set(self.places_of(brick))
        table = self.tables[layer.name][layer.inputs.index("input")]
        read = [source for source, entries in table.items() if any(entry.target in mine for entry in entries)]
        if not read:
            return 0
        channels = len({s // width // height for s in read})
        ys = [s // width % height for s in read]
        xs = [s % width for s in read]
        bits = channels * (max(ys) - min(ys) + 1) * (max(xs) - min(xs) + 1) * 8
        word = next(m.word_bits for m in self.chip.memory if "input" in m.holds)
        return -(-bits // word)

    def deliver(self, layer, values):
        """Events meet their synapses."""
        latched = set()
        for place, neuron, entries in self.entries(layer, values):
            for brick, done in self.work_of(layer, place, neuron, entries, latched).items():
                for name in ("synaptic_events", "weight_words", "state_words", "accumulates", "register_adds"):
                    self.count(name, brick, done[name])
                for name in ("pool_adds", "pool_macs", "payload_macs"):
                    self.count(name, brick, done[name])

    def touched_by(self, layer, values):
        """Neurons that events reach."""
        places = {entry.target for _, _, entries in self.entries(layer, values) for entry in entries}
        return {neuron for place in places for neuron in self.holders[layer.name].get(place, [])}

    def entries(self, layer, values):
        """(number of the projection, neuron, synapses) of every event."""
        for place, (source, table) in enumerate(zip(layer.sources, self.tables[layer.name], strict=True)):
            for neuron in values[place] if not (self.image and source == "input") else ():
                yield place, neuron, table.get(neuron, [])

    def update(self, layer, touched, values):
        """Leak, compare and reset; returns who fires."""
        population, home = self.populations[layer.name], self.home[layer.name]
        fired = population.step(values)
        for neuron in population.clipped:
            self.count("clips", home[neuron])
        asked = (layer.bias, layer.leak, layer.current_leak, layer.floor)
        if layer.spiking or any(value is not None for value in asked):
            self.visit(layer, touched | self.held[layer.name])
        if layer.spiking:
            waiting = {i for i in range(layer.neurons) if population.wait[i]}
            self.held[layer.name] = {i for i in range(layer.neurons) if self.above(population, i)} | waiting
        return fired

    def above(self, population, neuron):
        u, threshold = population.u[neuron], population.parameters["threshold"][neuron]
        return u >= threshold if population.rules["compare"] == ">=" else u > threshold

    def visit(self, layer, active):
        visited = {brick: [] for brick in self.bricks_of(layer)}
        for neuron in range(layer.neurons):
            brick = self.home[layer.name][neuron]
            if neuron in active:
                self.count("active", brick)
            elif self.chip.policy.update == "all":
                self.count("idle", brick)
            else:
                continue
            visited[brick].append(neuron)
            for leak in (layer.leak, layer.current_leak):
                self.count("leaks", brick, 0 if leak is None else 1)
        for brick, neurons in visited.items():
            self.count("visit_words", brick, self.state_words(brick, neurons))
            if pools(layer):
                # Site by site what of its window holds anything of the visited neurons; read, and then cleared.
                words, (_, height, width) = 0, layer.shape
                for site in range(height * width):
                    here = [neuron for neuron in neurons if neuron % (height * width) == site]
                    places = [place for neuron in here for place in self.windows[layer.name][neuron]]
                    words += self.state_words(brick, places, naive.landing(layer))
                self.window_words[self.row, brick] += words
                self.count("state_words", brick, words)


def pools(layer):
    return getattr(layer, "pool_currents", None) is not None


def rounds(items, at_once):
    return (items + at_once - 1) // at_once


class Entry(NamedTuple):
    """A synapse; at: the pooling window of its source, if there is a pool."""

    target: int
    weight: int
    at: tuple


def by_source(synapses):
    """{source neuron: [Entry]}; a synapse is there once for every window that its source lies in."""
    table = {}
    for source, target, weight, _, at in synapses:
        table.setdefault(source, []).append(Entry(target, weight, at))
    return table
