"""A network without spikes that one can read: activation by activation, site by site, every counter raised by hand.

The specification of `neurosim.cost.ann`: what one image makes every brick do. The synapses are those of naive.py; nothing of
the package is used for counting.
"""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import pairwise

from tests.helpers import naive

PADDED = "padded"


class Twin:
    """counts[name][brick]; *cut*, brick i in core cores[i]; *bits*: None, or at most so many; *zeros*: share of activations."""

    def __init__(self, network, chip, cut, cores, reuse, bits, zeros):
        self.network, self.chip, self.reuse, self.bits, self.zeros = network, chip, reuse, bits, zeros
        self.cut, self.cores = list(cut), [int(core) for core in cores]
        self.counts = defaultdict(Counter)
        self.memory = {kind: memory for memory in chip.memory for kind in memory.holds}
        self.activation = bits if bits is not None else min(8, chip.core.mac_bits)
        # An address and a value; flits are as wide as a link, the last one as full as it happens to be.
        self.packet = chip.mesh.packet_bits + self.activation
        self.flits = len(range(0, self.packet, chip.mesh.flit_bits))
        self.home = {}
        # Of every place that synapses lead to: the bricks that need it, several where windows of currents overlap.
        self.kept = [set() for _ in self.cut]
        for number, b in enumerate(self.cut):
            layer = network.layers[b.layer]
            windows = naive.windows(layer)
            for c in range(b.c0, b.c1):
                for y in range(b.y0, b.y1):
                    for x in range(b.x0, b.x1):
                        self.home[b.layer, c, y, x] = number
                        held = windows[naive.flat(layer.shape, c, y, x)]
                        self.kept[number] |= {place(naive.landing(layer), neuron) for neuron in held}
        for number in range(len(self.cut)):
            self.work(number)
        for source in ("input", *(layer.name for layer in network.layers)):
            self.deliver(source)
        for number in range(len(self.cut)):
            self.time(number)

    def count(self, name, brick, amount=1):
        self.counts[name][brick] += amount

    def words(self, kind, bits):
        return -(-bits // self.memory[kind].word_bits)

    def row(self, values, bits):
        """Words of the state in which so many values of a site lie."""
        memory = self.memory["state"]
        if memory.layout == PADDED or bits > memory.word_bits:
            return values * self.words("state", bits)
        return -(-values // (memory.word_bits // bits))

    def links(self, layer):
        """(source, shortcut or None, synapses as (source neuron, its (c, y, x) on the pooled map, target (c, y, x)))."""
        shortcuts = [None] * len(layer.inputs) + list(layer.shortcuts)
        for name, shortcut, synapses in zip(layer.sources, shortcuts, naive.synapses_of(self.network, layer), strict=True):
            _, h, w = naive.landing(layer)
            yield name, shortcut, [(s, at, (t // (h * w), t // w % h, t % w)) for s, t, _, _, at in synapses]

    def work(self, number):
        """Sums of a brick."""
        b, core = self.cut[number], self.chip.core
        layer, channels = self.network.layers[b.layer], b.c1 - b.c0
        sites = sorted({(y, x) for _, y, x in self.kept[number]})
        width = layer.weight_bits if self.bits is None else min(layer.weight_bits, self.bits)
        turns = -(-len(sites) // core.ann_sites)
        stored, per_site, one_by_one = 0, 0, 0
        for source, shortcut, synapses in self.links(layer):
            identity = shortcut is not None and shortcut.weight is None
            if identity:
                # The constant takes the place of as many weights as hold it.
                places = next(n for n in range(1, 9) if shortcut.scale < 2 ** (n * layer.weight_bits - 1))
                fan_in, rows, one = 1, [places * width], places * width
                groups = [channels]
            else:
                link = shortcut or layer
                share = layer.shape[0] // getattr(link, "groups", 1)
                groups = [*Counter(c // share for c in range(b.c0, b.c1)).values()]
                fan_in, rows = link.weight[0].size, [many * width for many in groups]
                one = fan_in * sum(rows)
            stored += one
            per_site += fan_in * sum(self.words("weights", row) for row in rows)
            one_by_one += fan_in
            kept = 1 if source == "input" and not identity else 1 - self.zeros
            for _ in sites:
                for _ in range(channels):
                    self.count("accumulate" if identity else "mac", number, fan_in * kept)
                    self.count("done", number, fan_in * kept)
            each = turns * fan_in * self.cycles("accumulate" if identity else "mac")
            for many in groups:
                self.count("cycles", number, -(-many // core.lanes) * each)
            self.activations(number, synapses, identity, groups)
        again = {"none": len(sites), "rows": turns if core.ann_sites > 1 else len({y for y, _ in sites})}
        for _ in range(again.get(self.reuse, 0)):
            self.count("weight words", number, per_site)
        if self.reuse == "perfect":
            self.count("weight words", number, self.words("weights", stored))
        if self.reuse != "none":
            self.count("partial_sum", number, self.counts["done"][number])
        updates = max(1, self.counts["done"][number] / (channels * len(sites))) if self.reuse == "none" else 1
        for _ in sites:
            row = self.row(channels, core.state_bits)
            self.count("sum words", number, row * updates)
            self.count("all sum words", number, row * (one_by_one if self.reuse == "none" else 1))
        self.count("compare", number, b.neurons)
        self.count("cycles", number, -(-b.neurons // core.update_lanes) * self.cycles("update_active"))

    def cycles(self, operation):
        return getattr(self.chip.operation, operation).cycles

    def activations(self, number, synapses, identity, groups):
        """Rows of channels that are read over one projection; *groups*: channels of the brick in each."""
        mine = [(at, target) for _, at, target in synapses if target in self.kept[number]]
        fetches = {
            "none": {(at[1:], target[1:]) for at, target in mine}, "rows": {(at[1:], target[1]) for at, target in mine},
            "perfect": {at[1:] for at, _ in mine},
        }[self.reuse]  # fmt: skip
        channels = len({at[0] for at, _ in mine})
        words = self.row(channels, self.activation)
        if self.chip.core.ann_sites > 1 and not identity and self.reuse != "perfect":
            # Every round of the lanes reads the channels of its group.
            row = self.row(channels // len(groups), self.activation)
            words = sum(-(-many // self.chip.core.lanes) * row for many in groups)
        for _ in fetches:
            self.count("activation words", number, words)

    def deliver(self, source):
        """Every activation to each core that needs it."""
        read, pools = [], set()
        for index, layer in enumerate(self.network.layers):
            for name, shortcut, synapses in self.links(layer):
                if name == source:
                    pools.add(naive.pool_of((shortcut or layer).pool)[1:])
                    mine = [number for number, b in enumerate(self.cut) if b.layer == index]
                    read += [(i, at, number) for i, at, target in synapses for number in mine if target in self.kept[number]]
        shape = self.network.shape_of(source)
        # Where all read the same windows, of which no two share an activation, those are what is sent.
        size, stride, padding = next(iter(pools)) if len(pools) == 1 else ((1, 1), (1, 1), (0, 0))
        all_pool = size != (1, 1) and padding == (0, 0) and all(s >= k for s, k in zip(stride, size, strict=True))
        area = size[0] * size[1] if all_pool else 1
        share = Fraction(1, area)
        bricks = {}
        for neuron, _, brick in read:
            bricks.setdefault(neuron, set()).add(brick)
        if source != "input":
            for neuron, reached in bricks.items():
                self.send(source, place(shape, neuron), reached, share)
        self.arrive(source, read, area, shape)

    def send(self, source, at, reached, share):
        sender = self.home[[layer.name for layer in self.network.layers].index(source), *at]
        cores = {self.cores[brick] for brick in reached}
        self.count("packet", sender, share * (1 if self.chip.mesh.delivery == "multicast" else len(cores)))
        self.cross(sender, [self.way(self.cores[sender], core) for core in cores], share)
        for core in cores:
            self.count("queue words", min(brick for brick in reached if self.cores[brick] == core),
                       share * self.words("queue", self.packet))  # fmt: skip
            self.count("event", min(brick for brick in reached if self.cores[brick] == core), share)
        for brick in reached:
            self.count("look_ups", brick, share)

    def cross(self, sender, ways, share):
        """Every flit over every link; a tree has a link once."""
        taken = set().union(*ways) if self.chip.mesh.delivery == "multicast" else [link for way in ways for link in way]
        mesh = self.chip.mesh
        for (x, y), (to_x, to_y) in taken:
            for _ in range(self.flits):
                self.count("hop_x" if y == to_y else "hop_y", sender, share)
                between = (x // mesh.width, y // mesh.height) != (to_x // mesh.width, to_y // mesh.height)
                self.count("crossing", sender, share if between else 0)

    def way(self, core, other):
        """Links from tile to tile, along the row of the sender and then along the column of the receiver."""
        mesh, board = self.chip.mesh, self.chip.board
        sizes = (mesh.width * (board.columns if board else 1), mesh.height * (board.rows if board else 1))
        (x, y), (to_x, to_y) = (divmod(each // mesh.cores_per_tile, sizes[0])[::-1] for each in (core, other))
        along, across = self.steps(x, to_x, sizes[0]), self.steps(y, to_y, sizes[1])
        return [((a, y), (b, y)) for a, b in pairwise(along)] + [((to_x, a), (to_x, b)) for a, b in pairwise(across)]

    def steps(self, start, end, size):
        """All places of an axis on the way; around a torus the shorter way, up where both are as short."""
        if self.chip.mesh.topology == "mesh":
            return range(start, end + 1) if start <= end else range(start, end - 1, -1)
        up, down = (end - start) % size, (start - end) % size
        return [(start + i) % size for i in range(up + 1)] if up <= down else [(start - i) % size for i in range(down + 1)]

    def arrive(self, source, read, area, shape):
        """What is written in each core, and what of the image is fetched for it."""
        for core in {self.cores[brick] for _, _, brick in read}:
            mine = [(neuron, at, brick) for neuron, at, brick in read if self.cores[brick] == core]
            first = min(brick for _, _, brick in mine)
            values = {at if area > 1 else place(shape, neuron) for neuron, at, _ in mine}
            per_site = Counter((y, x) for _, y, x in values)
            for many in per_site.values():
                self.count("written words", first, self.row(many, self.activation))
            if source == "input":
                rows, columns = {y for y, _ in per_site}, {x for _, x in per_site}
                block = (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) * max(per_site.values())
                pixels = block * area
                self.count("image words", first, self.words("input", pixels * (8 if self.network.integer else 32)))

    def time(self, number):
        """Sums and memories at the same time, then the look-up of every packet."""
        state = self.counts["all sum words"][number]
        through = defaultdict(lambda: [0, 0])
        through[self.memory["weights"].name][0] += self.counts["weight words"][number]
        through[self.memory["state"].name][0] += self.counts["activation words"][number] + state
        through[self.memory["state"].name][1] += self.counts["written words"][number] + state
        ports = {m.name: m.words_per_cycle for m in self.chip.memory}
        waits = [-(-sum(words) // ports[name]) for name, words in through.items() if ports[name]]
        looked = -(-self.counts["event"][number] // 1) * self.cycles("event")
        self.count("busy", number, max([self.counts["cycles"][number], *waits]) + looked)


def place(shape, neuron):
    """Its (c, y, x)."""
    _, h, w = shape
    return neuron // (h * w), neuron // w % h, neuron % w
