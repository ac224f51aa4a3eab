"""The specification one can read: plain Python, step by step, synapse by synapse. Slow on purpose."""

import math
from fractions import Fraction
from itertools import product

import numpy as np


def flat(shape, c, y, x):
    return (c * shape[1] + y) * shape[2] + x


def synapses_of(network, layer):
    """All synapses of a layer: one list per source of (source neuron, target neuron, weight, window, at), one for every window
    that the neuron lies in: *at* is its (channel, y, x).

    *window* is None, or under max pooling the (channel, y, x) of the window: only its first spike in a step counts.
    """
    lists = [louder(main_synapses(network, layer, name), layer.weight_shift) for name in layer.inputs]
    return lists + [louder(shortcut_synapses(network, layer, s), s.weight_shift) for s in layer.shortcuts]


def louder(synapses, weight_shift):
    """The same with weights times a power of two."""
    return [(source, target, weight * 2**weight_shift, window, at) for source, target, weight, window, at in synapses]


def main_synapses(network, layer, name):
    return [
        (source, target, weight, window, at)
        for source, at, window in pooled_neurons(network.shape_of(name), layer.pool)
        for target, weight in targets(layer, *at)
    ]


def pooled_neurons(shape, pool):
    """(neuron, its (c, y, x) on the pooled map, its window or None) of a map, one for every window that it lies in, by rising
    neuron."""
    kind, size, stride, padding = pool_of(pool)
    (c0, h0, w0), (_, h, w) = shape, pooled_shape(shape, pool)
    found = []
    for c, i, j, a, b in product(range(c0), range(h), range(w), range(size[0]), range(size[1])):
        y, x = i * stride[0] + a - padding[0], j * stride[1] + b - padding[1]
        if 0 <= y < h0 and 0 <= x < w0:
            found.append((flat(shape, c, y, x), (c, i, j), (c, i, j) if kind == "max" else None))
    return sorted(found, key=lambda each: each[:2])


def pool_of(pool):
    """(kind, size, stride, padding), each down and across."""
    if pool is None:
        return None, (1, 1), (1, 1), (0, 0)
    if isinstance(pool, str):
        return pool[:3], (2, 2), (2, 2), (0, 0)
    return pool.kind, both(pool.size), both(pool.size if pool.stride is None else pool.stride), both(pool.padding)


def pooled_shape(shape, pool):
    _, size, stride, padding = pool_of(pool)
    return shape[0], *((n + 2 * p - k) // s + 1 for n, k, s, p in zip(shape[1:], size, stride, padding, strict=True))


def targets(layer, c, y, x):
    if layer.kind == "conv":
        return conv_targets(layer, landing(layer), c, y, x)
    return dense_targets(layer.weight, flat(layer.in_shape, c, y, x))


def landing(layer):
    """The map that synapses reach: that of the neurons, or what the convolution gives where its currents are pooled."""
    if getattr(layer, "pool_currents", None) is None:
        return layer.shape
    parts = map(both, (layer.stride, layer.padding, layer.dilation))
    moves = zip(layer.in_shape[1:], layer.weight.shape[2:], *parts, strict=True)
    return layer.shape[0], *((n + 2 * p - (k - 1) * d - 1) // s + 1 for n, k, s, p, d in moves)


def windows(layer):
    """{neuron: places of the landing map in its window}."""
    found = {}
    for place, at, _ in pooled_neurons(landing(layer), getattr(layer, "pool_currents", None)):
        found.setdefault(flat(layer.shape, *at), []).append(place)
    return found


def dense_targets(weight, index):
    return [(o, row[index].item()) for o, row in enumerate(weight)]


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def conv_targets(link, shape, c, y, x):
    """A convolution as PyTorch defines it, asked from the side of its input: out[o, i, j] sums the weights [o, k, a, b] times
    what is at channel (o's group) + k and at (stride * i + dilation * a - padding, and likewise)."""
    weight, (down, across), (top, left) = link.weight, both(link.stride), both(link.padding)
    spread, wide = both(link.dilation)
    of_group, inputs = shape[0] // link.groups, weight.shape[1]
    found = []
    for o, k, a, b in product(*map(range, weight.shape)):
        if o // of_group * inputs + k != c:
            continue
        oy, ox = y + top - spread * a, x + left - wide * b
        if oy % down == 0 and ox % across == 0 and 0 <= oy // down < shape[1] and 0 <= ox // across < shape[2]:
            found.append((flat(shape, o, oy // down, ox // across), weight[o, k, a, b].item()))
    return found


def shortcut_synapses(network, layer, shortcut):
    neurons = pooled_neurons(network.shape_of(shortcut.source), shortcut.pool)
    if shortcut.weight is None:
        return [(source, flat(landing(layer), *at), shortcut.scale, window, at) for source, at, window in neurons]
    if shortcut.weight.ndim == 2:
        seen = pooled_shape(network.shape_of(shortcut.source), shortcut.pool)
        return [
            (source, target, weight, window, at)
            for source, at, window in neurons
            for target, weight in dense_targets(shortcut.weight, flat(seen, *at))
        ]
    return [
        (source, target, weight, window, at)
        for source, at, window in neurons
        for target, weight in conv_targets(shortcut, landing(layer), *at)
    ]


class Population:
    """All neurons of a layer, visited at every step."""

    def __init__(self, network, layer, state_bits=32):
        self.network = network
        self.layer = layer
        bounds = -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1
        self.u = [min(max(u, bounds[0]), bounds[1]) for u in self.each(0 if layer.initial is None else layer.initial)]
        self.floor = [-math.inf] * layer.neurons if layer.floor is None else self.each(layer.floor)
        self.wait = [0] * layer.neurons
        rules = {"reset": network.reset, "compare": network.compare, "order": network.dynamics}
        own = {"reset": layer.reset, "compare": layer.compare, "order": layer.order}
        self.rules = {name: own[name] if own[name] else rule for name, rule in rules.items()}
        self.current = [0] * layer.neurons
        self.fired = set()
        parts = {"threshold": layer.threshold, "rest": layer.rest}
        self.parameters = {name: self.each(0 if value is None else value) for name, value in parts.items()}
        self.bias = np.broadcast_to(0 if layer.bias is None else layer.bias, landing(layer)).ravel().tolist()
        self.windows = windows(layer)
        self.join = max if pool_of(getattr(layer, "pool_currents", None))[0] == "max" else sum
        leaks = {"leak": layer.leak, "current_leak": layer.current_leak}
        self.leaks = {name: leak and (self.each(leak[0]), leak[1]) for name, leak in leaks.items()}
        self.low, self.high = -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1
        self.clips = 0
        self.by_source = []
        for synapses in synapses_of(network, layer):
            table = {}
            for source, target, weight, window, _ in synapses:
                table.setdefault(source, []).append((target, weight, window))
            self.by_source.append(table)

    def step(self, inputs):
        """*inputs*: per source, {source neuron: value}. Returns who fires, {neuron: how often, all at once}."""
        layer, before = self.layer, list(self.u)
        self.u = self.leaked(self.u, "leak")
        if layer.current_leak is not None:
            self.current = self.leaked(self.current, "current_leak")
            passing = self.bias if layer.bias_into == "potential" else [0] * layer.neurons
            self.receive(self.current, inputs, [0] * len(self.bias) if layer.bias_into == "potential" else self.bias)
            self.u = [u + i + b for u, i, b in zip(self.u, self.current, passing, strict=True)]
        else:
            self.receive(self.u, inputs, self.bias)
        self.u = [old if wait else u for old, wait, u in zip(before, self.wait, self.u, strict=True)]
        late = self.rules["order"] == "leak, integrate, reset, compare"
        if late:
            self.reset(self.fired)
        self.u = [max(u, floor) for u, floor in zip(self.u, self.floor, strict=True)]
        fired = self.compare()
        if not late:
            self.reset(fired)
        self.wait = [layer.refractory if i in fired else max(0, wait - 1) for i, wait in enumerate(self.wait)]
        self.fired = fired
        return fired

    def each(self, parameter):
        """A parameter, one number, [C,1,1] or [C,H,W], for every neuron."""
        return np.broadcast_to(parameter, self.layer.shape).ravel().tolist()

    def leaked(self, values, name):
        if self.leaks[name] is None:
            return values
        factors, shift = self.leaks[name]
        if self.layer.leak_rounding == "zero":
            return [int(Fraction(k * value, 2**shift)) for k, value in zip(factors, values, strict=True)]
        return [(k * value) >> shift for k, value in zip(factors, values, strict=True)]

    def receive(self, values, inputs, bias):
        """The *bias*, and the weights of all inputs, pooled."""
        currents = list(bias)
        for table, shown in zip(self.by_source, inputs, strict=True):
            largest = {}
            for source, value in shown.items():
                entries = table.get(source, [])
                for target, weight, window in entries:
                    currents[target] += weight * (value if window is None else max(0, value - largest.get(window, 0)))
                largest |= {window: max(value, largest.get(window, 0)) for _, _, window in entries if window is not None}
        for neuron, places in self.windows.items():
            values[neuron] += self.join(currents[place] for place in places)

    def compare(self):
        """Clip the potentials; who fires."""
        fired, self.clipped = {}, []
        for i, u in enumerate(self.u):
            if not self.low <= u <= self.high:
                self.clipped.append(i)
                self.u[i] = u = min(max(u, self.low), self.high)
            threshold = self.parameters["threshold"][i]
            if self.wait[i] or not self.layer.spiking:
                continue
            if u > threshold or (u == threshold and self.rules["compare"] == ">="):
                fired[i] = 1
                while self.layer.graded and (u - fired[i] * threshold > threshold or (
                    u - fired[i] * threshold == threshold and self.rules["compare"] == ">="
                )):  # fmt: skip
                    fired[i] += 1
        self.clips += len(self.clipped)
        return fired

    def reset(self, fired):
        for i in fired:
            if self.rules["reset"] == "zero":
                self.u[i] = self.parameters["rest"][i]
            elif self.rules["reset"] == "subtract":
                self.u[i] -= fired[i] * self.parameters["threshold"][i]


def answer(network, fired, potentials):
    """One number a class, of what `run` returns for a sample: spikes counted, or potentials read, of the last layer."""
    last, steps = network.layers[-1], range(network.timesteps)
    spikes = [sum(fired[last.name][t].get(i, 0) for t in steps) for i in range(last.neurons)]
    over_time = [[potentials[last.name][t][i] for t in steps] for i in range(last.neurons)]
    word = network.decode or ("spikes" if last.spiking else "potential")
    if word.startswith("votes:"):
        each, size = spikes if last.spiking else [u[-1] for u in over_time], int(word[len("votes:") :])
        return [sum(each[i : i + size]) for i in range(0, len(each), size)]
    ways = {"potential": [u[-1] for u in over_time], "max-potential": [max(u) for u in over_time],
            "mean-potential": [sum(u) for u in over_time], "spikes": spikes}  # fmt: skip
    return ways[word]


def run(network, sample, state_bits=32):
    """Simulate one sample: image [C,H,W] of integers, or spikes or values [T,C,H,W].

    Returns ({layer: [neurons firing, with what their spikes carry] per step}, {layer: [potentials] per step}, number of clips).
    """
    populations = {layer.name: Population(network, layer, state_bits) for layer in network.layers}
    fired = {layer.name: [] for layer in network.layers}
    potentials = {layer.name: [] for layer in network.layers}
    shown = {name: [] for name in ("input", *populations)}
    for t in range(network.timesteps):
        image = sample if network.input.encoding == "direct" else sample[t]
        shown["input"].append({i: int(v) for i, v in enumerate(image.ravel()) if v})
        for layer in network.layers:
            delays = [layer.delay for _ in layer.inputs] + [s.delay for s in layer.shortcuts]
            arriving = [shown[s][t - d] if t >= d else {} for s, d in zip(layer.sources, delays, strict=True)]
            spikes = populations[layer.name].step(arriving)
            shown[layer.name].append(dict(sorted(spikes.items())))
            fired[layer.name].append(spikes)
            potentials[layer.name].append(list(populations[layer.name].u))
    return fired, potentials, sum(p.clips for p in populations.values())
