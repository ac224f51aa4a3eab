"""The hardware one can read: core by core, event by event, synapse by synapse, every counter raised by hand.

The specification of `neurosim.activity`. The function is that of naive.py; nothing of the package is used for counting.
"""

from collections import Counter
from dataclasses import replace
from itertools import product

import naive

COUNTS = (
    "spikes", "packets", "hops_x", "hops_y", "events", "input_arrivals", "input_events", "rows", "singles", "synaptic_events",
    "active", "idle",
    "analog_rows", "macs", "current_adds", "current_writes", "clears", "readouts", "leaks", "clips", "input_words",
)  # fmt: skip


class Tally:
    """counts[name][row, brick]; links[row, layer, ((x, y), (x, y))] in flits; longest[row, layer]. Zeros are left out."""

    def __init__(self):
        self.counts = {name: Counter() for name in COUNTS}
        self.links = Counter()
        self.longest = Counter()


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
        self.flits = -(-chip.mesh.packet_bits // chip.mesh.flit_bits)
        self.image = network.input.encoding == "direct"
        self.home = {layer.name: self.homes(index, layer) for index, layer in enumerate(network.layers)}
        self.tables = {layer.name: [by_source(s) for s in naive.synapses_of(network, layer)] for layer in network.layers}
        self.tally = Tally()

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
        for step in range(self.network.timesteps):
            self.row = number * self.network.timesteps + step
            self.step(step, sample if self.image else sample[step])

    def step(self, step, shown):
        values = {"input": {i: int(v) for i, v in enumerate(shown.ravel()) if v}}
        if not self.image:
            self.send("input", values["input"])
        for layer in self.network.layers:
            if step == 0:
                self.clear(layer)
            touched = self.drive(layer, step) | self.deliver(layer, values)
            fired = self.update(layer, touched, values)
            self.send(layer.name, fired)
            values[layer.name] = dict.fromkeys(sorted(fired), 1)
        if step == self.network.timesteps - 1:
            for neuron in range(self.network.output.neurons):
                self.count("readouts", self.home[self.network.output.name][neuron])

    def clear(self, layer):
        for neuron in range(layer.neurons):
            self.count("clears", self.home[layer.name][neuron])

    def send(self, source, fired):
        """Spikes of *source* become packets, flits on links, and events."""
        for neuron in sorted(fired):
            targets = self.destinations(source, neuron)
            for brick in targets:
                self.count("events", brick)
                if source == "input":
                    self.count("input_arrivals", brick)
            if source == "input":
                self.count("input_events", min(targets, default=0))
            if source != "input":
                sender = self.home[source][neuron]
                self.count("spikes", sender)
                self.route(source, sender, targets)

    def destinations(self, source, neuron):
        """Bricks that a spike has to reach: those with a synapse from it."""
        found = set()
        for layer in self.network.layers:
            for name, table in zip(layer.sources, self.tables[layer.name], strict=True):
                if name == source:
                    found |= {self.home[layer.name][target] for target, _ in table.get(neuron, [])}
        return sorted(found)

    def route(self, source, sender, targets):
        names = [layer.name for layer in self.network.layers]
        routes = [self.path(self.cores[sender], core) for core in sorted({self.cores[t] for t in targets})]
        if not routes:
            return
        multicast = self.chip.mesh.delivery == "multicast"
        self.count("packets", sender, 1 if multicast else len(routes))
        crossed = [link for route in routes for link in route]
        for link in set(crossed) if multicast else crossed:
            (_, y), (_, to_y) = link
            self.count("hops_x" if y == to_y else "hops_y", sender, self.flits)
            self.tally.links[self.row, names.index(source), link] += self.flits
        key = self.row, names.index(source)
        if longest := max(len(route) for route in routes):
            self.tally.longest[key] = max(self.tally.longest[key], longest)

    def path(self, source, target):
        """Links from core to core, a step along x while that is not yet right, then along y."""
        (x, y), (to_x, to_y) = self.place(source), self.place(target)
        links = []
        while (x, y) != (to_x, to_y):
            before = x, y
            if x != to_x:
                x += 1 if to_x > x else -1
            else:
                y += 1 if to_y > y else -1
            links.append((before, (x, y)))
        return links

    def place(self, core):
        tile = core // self.chip.mesh.cores_per_tile
        return tile % self.chip.mesh.width, tile // self.chip.mesh.width

    def drive(self, layer, step):
        """The current of the image; every neuron is touched by it."""
        times = list(layer.inputs).count("input") if self.image else 0
        if times == 0:
            return set()
        once = self.chip.policy.analog == "once"
        for brick in self.bricks_of(layer):
            if step == 0 or not once:
                self.multiply(layer, brick, times)
            for _ in self.neurons_of(brick) if once else ():
                self.count("current_adds", brick)
                self.count("current_writes", brick, 1 if step == 0 else 0)
        return set(range(layer.neurons))

    def multiply(self, layer, brick, times):
        """Every weight of every neuron, also where it meets padding; one row serves all channels of a site."""
        b = self.bricks[brick]
        for _site, _element, _time in product(range(b.sites), range(layer.weight[0].size), range(times)):
            self.count("analog_rows", brick)
            for _channel in range(b.c0, b.c1):
                self.count("macs", brick)
        self.count("input_words", brick, self.words_of_patch(layer, brick))

    def words_of_patch(self, layer, brick):
        """Words of the smallest block of 8-bit pixels, all channels, that holds what the brick reads."""
        channels, height, width = self.network.input.shape
        mine = set(self.neurons_of(brick))
        table = self.tables[layer.name][layer.inputs.index("input")]
        read = [source for source, entries in table.items() if any(target in mine for target, _ in entries)]
        ys = [s // width % height for s in read]
        xs = [s % width for s in read]
        bits = channels * (max(ys) - min(ys) + 1) * (max(xs) - min(xs) + 1) * 8
        word = next(m.word_bits for m in self.chip.memory if "input" in m.holds)
        return -(-bits // word)

    def deliver(self, layer, values):
        """Events meet their synapses; returns the neurons they touch."""
        touched = set()
        weights = [True] * len(layer.inputs) + [s.weight is not None for s in layer.shortcuts]
        for source, table, has_rows in zip(layer.sources, self.tables[layer.name], weights, strict=True):
            latched = {None}
            for neuron in values[source] if not (self.image and source == "input") else ():
                entries = table.get(neuron, [])
                window = entries[0][1] if entries else None
                if window is None or window not in latched:
                    latched.add(window)
                    targets = [target for target, _ in entries]
                    touched |= self.fetch_rows(layer, targets) if has_rows else self.fetch_single(layer, targets)
        return touched

    def fetch_rows(self, layer, targets):
        """A row holds the weights of all channels of a brick at one site."""
        sites = layer.shape[1] * layer.shape[2]
        reached = set()
        for target in targets:
            brick = self.home[layer.name][target]
            self.count("synaptic_events", brick)
            reached.add((brick, target % sites))
        for brick, _ in reached:
            self.count("rows", brick)
        return {
            channel * sites + site for brick, site in reached for channel in range(self.bricks[brick].c0, self.bricks[brick].c1)
        }

    def fetch_single(self, layer, targets):
        for target in targets:
            self.count("synaptic_events", self.home[layer.name][target])
            self.count("singles", self.home[layer.name][target])
        return set(targets)

    def update(self, layer, touched, values):
        """Leak, compare and reset; returns who fires."""
        population, home = self.populations[layer.name], self.home[layer.name]
        before, clips = list(population.u), population.clips
        shown = [values[source] for source in layer.sources]
        fired = population.step(shown)
        if population.clips > clips:
            for neuron in self.beyond(population, before, shown):
                self.count("clips", home[neuron])
        if layer.spiking:
            self.visit(layer, touched | self.held[layer.name])
            self.held[layer.name] = {i for i, u in enumerate(population.u) if self.above(u, layer.threshold)}
        return fired

    def above(self, u, threshold):
        return u >= threshold if self.network.compare == ">=" else u > threshold

    def visit(self, layer, active):
        for neuron in range(layer.neurons):
            brick = self.home[layer.name][neuron]
            if neuron in active:
                self.count("active", brick)
            elif self.chip.policy.update == "all":
                self.count("idle", brick)
            else:
                continue
            if layer.leak is not None:
                self.count("leaks", brick)

    def beyond(self, population, before, shown):
        """Neurons whose potential leaves the state width: the same step once more, with endless state and no firing."""
        endless = naive.Population(self.network, population.layer, 64)
        endless.layer = replace(population.layer, threshold=2**62)
        endless.u = before
        endless.step(shown)
        return [i for i, u in enumerate(endless.u) if not population.low <= u <= population.high]


def by_source(synapses):
    """{source neuron: [(target neuron, window)]}."""
    table = {}
    for source, target, _, window in synapses:
        table.setdefault(source, []).append((target, window))
    return table
