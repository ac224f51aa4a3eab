"""The specification one can read: plain Python, step by step, synapse by synapse. Slow on purpose."""

from itertools import product


def flat(shape, c, y, x):
    return (c * shape[1] + y) * shape[2] + x


def synapses_of(network, layer):
    """All synapses of a layer: one list per source of (source neuron, target neuron, weight, window).

    *window* is None, or under max pooling the (channel, y, x) of the window: only its first spike in a step counts.
    """
    lists = [main_synapses(network, layer, name) for name in layer.inputs]
    return lists + [shortcut_synapses(network, layer, s) for s in layer.shortcuts]


def main_synapses(network, layer, name):
    return [
        (source, target, weight, window)
        for source, at, window in pooled_neurons(network.shape_of(name), layer.pool)
        for target, weight in targets(layer, *at)
    ]


def pooled_neurons(shape, pool):
    """(neuron, its (c, y, x) on the pooled map, its window or None) of a map, without those that the pool drops."""
    c0, h0, w0 = shape
    size = 2 if pool else 1
    found = []
    for c, y, x in product(range(c0), range(h0), range(w0)):
        at = (c, y // size, x // size)
        if at[1] < h0 // size and at[2] < w0 // size:
            found.append((flat(shape, c, y, x), at, at if pool == "max2" else None))
    return found


def targets(layer, c, y, x):
    if layer.kind == "conv":
        return conv_targets(layer.weight, layer.shape, layer.stride, layer.padding, c, y, x)
    index = flat(layer.in_shape, c, y, x)
    return [(o, layer.weight[o, index].item()) for o in range(layer.neurons)]


def conv_targets(weight, shape, stride, padding, c, y, x):
    found = []
    for o, ky, kx in product(range(shape[0]), range(weight.shape[2]), range(weight.shape[3])):
        oy, ox = y + padding - ky, x + padding - kx
        if oy % stride == 0 and ox % stride == 0 and 0 <= oy // stride < shape[1] and 0 <= ox // stride < shape[2]:
            found.append((flat(shape, o, oy // stride, ox // stride), weight[o, c, ky, kx].item()))
    return found


def shortcut_synapses(network, layer, shortcut):
    neurons = pooled_neurons(network.shape_of(shortcut.source), shortcut.pool)
    if shortcut.weight is None:
        return [(source, flat(layer.shape, *at), shortcut.scale, window) for source, at, window in neurons]
    return [
        (source, target, weight, window)
        for source, at, window in neurons
        for target, weight in conv_targets(shortcut.weight, layer.shape, shortcut.stride, shortcut.padding, *at)
    ]


class Population:
    """All neurons of a layer, visited at every step."""

    def __init__(self, network, layer, state_bits=32):
        self.network = network
        self.layer = layer
        self.u = [0] * layer.neurons
        self.low, self.high = -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1
        self.clips = 0
        self.by_source = []
        for synapses in synapses_of(network, layer):
            table = {}
            for source, target, weight, window in synapses:
                table.setdefault(source, []).append((target, weight, window))
            self.by_source.append(table)

    def step(self, inputs):
        """*inputs*: per source, {source neuron: value}. Returns the set of neurons that fire."""
        layer = self.layer
        if layer.leak is not None:
            k, m = layer.leak
            self.u = [(k * u) >> m for u in self.u]
        for table, values in zip(self.by_source, inputs, strict=True):
            latched = set()
            for source, value in values.items():
                entries = table.get(source, [])
                window = entries[0][2] if entries else None
                if window is not None and window in latched:
                    continue
                latched.add(window)
                for target, weight, _ in entries:
                    self.u[target] += weight * value
        fired = set()
        for i, u in enumerate(self.u):
            if not self.low <= u <= self.high:
                self.clips += 1
                self.u[i] = u = min(max(u, self.low), self.high)
            if layer.spiking and (u > layer.threshold or (u == layer.threshold and self.network.compare == ">=")):
                fired.add(i)
                self.u[i] = 0 if self.network.reset == "zero" else u - layer.threshold
        return fired


def run(network, sample, state_bits=32):
    """Simulate one sample: image [C,H,W] of integers, or spikes [T,C,H,W].

    Returns ({layer: [set of neurons firing] per step}, {layer: [potentials] per step}, number of clips).
    """
    populations = {layer.name: Population(network, layer, state_bits) for layer in network.layers}
    fired = {layer.name: [] for layer in network.layers}
    potentials = {layer.name: [] for layer in network.layers}
    for t in range(network.timesteps):
        image = sample if network.input.encoding == "direct" else sample[t]
        values = {"input": {i: int(v) for i, v in enumerate(image.ravel()) if v}}
        for layer in network.layers:
            spikes = populations[layer.name].step([values[s] for s in layer.sources])
            values[layer.name] = dict.fromkeys(sorted(spikes), 1)
            fired[layer.name].append(spikes)
            potentials[layer.name].append(list(populations[layer.name].u))
    return fired, potentials, sum(p.clips for p in populations.values())
