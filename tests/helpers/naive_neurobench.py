"""The metrics of NeuroBench as one can read them: every module, step, input and synapse in turn. Slow on purpose."""

from itertools import pairwise, product

from tests.helpers import naive


def operations(network, samples, batch):
    """(MACs, ACs, all pairs) summed over *samples*, each an image [C,H,W] or spikes [T,C,H,W]."""
    fired = [naive.run(network, sample)[0] for sample in samples]
    macs = acs = dense = 0
    for layer in network.layers:
        for sources, pool, delay, synapses in modules(network, layer):
            for first, step in product(range(0, len(samples), batch), range(network.timesteps)):
                shown = [
                    module_input(network, sources, pool, samples[i], fired[i], step - delay)
                    for i in range(first, min(first + batch, len(samples)))
                ]
                pairs = sum(value != 0 and weight != 0 for values in shown for at, value in values.items()
                            for weight in synapses(*at))  # fmt: skip
                dense += sum(len(synapses(*at)) for values in shown for at in values)
                if all(value in (-1, 0, 1) for values in shown for value in values.values()):
                    acs += pairs
                else:
                    macs += pairs
    return macs, acs, dense


def modules(network, layer):
    """(sources, pool, delay, function from a place of the pooled map to the weights of its synapses), as PyTorch has them."""
    found = [(layer.inputs, layer.pool, layer.delay, lambda *at: [weight for _, weight in naive.targets(layer, *at)])]
    for s in layer.shortcuts:
        if s.weight is not None:
            found.append(([s.source], s.pool, s.delay, lambda *at, s=s: shortcut_weights(network, layer, s, at)))
    return found


def shortcut_weights(network, layer, shortcut, at):
    if shortcut.weight.ndim == 4:
        return [w for _, w in naive.conv_targets(shortcut, naive.landing(layer), *at)]
    seen = naive.pooled_shape(network.shape_of(shortcut.source), shortcut.pool)
    return [weight for _, weight in naive.dense_targets(shortcut.weight, naive.flat(seen, *at))]


def module_input(network, sources, pool, sample, fired, step):
    """{(c, y, x) of the pooled map: the sum over *sources* of what it is shown}"""
    total = {}
    for source in sources:
        windows = {}
        for neuron, at, _ in naive.pooled_neurons(network.shape_of(source), pool):
            windows.setdefault(at, []).append(value_of(network, source, neuron, sample, fired, step))
        for at, values in windows.items():
            total[at] = total.get(at, 0) + (max(values) if naive.pool_of(pool)[0] == "max" else sum(values))
    return total


def value_of(network, source, neuron, sample, fired, step):
    if step < 0 and not (source == "input" and network.input.encoding == "direct"):
        return 0
    if source != "input":
        return fired[source][step].get(neuron, 0)
    return int((sample if network.input.encoding == "direct" else sample[step]).ravel()[neuron])


def membrane_updates(network, samples):
    """Summed over *samples*: every neuron in the first step, later those whose potential is another."""
    total = 0
    for sample in samples:
        potentials = naive.run(network, sample)[1]
        for layer in network.layers:
            if layer.spiking:
                steps = potentials[layer.name]
                total += layer.neurons
                total += sum(a != b for old, new in pairwise(steps) for a, b in zip(old, new, strict=True))
    return total
