"""Random small networks and inputs."""

import numpy as np
from hypothesis import strategies as st

import neurosim as ns
from tests.helpers import naive


@st.composite
def networks(draw, encodings=("direct", "spikes")):
    """Integer networks of one to three convolutions, dense layers, pools, shortcuts, strides, paddings, groups, dilations,
    leaks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    encoding = draw(st.sampled_from(encodings))
    shape = (draw(st.sampled_from([1, 2, 2, 4])), draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    shapes = {"input": shape}
    layers = []
    last = "input"
    for index in range(draw(st.integers(1, 3))):
        pool = draw(pooling(shapes[last][1:], last != "input" or encoding == "spikes"))
        c, h, w = pooled(shapes[last], pool)
        stride = draw(st.integers(1, 3))
        padding = draw(st.integers(0, 2))
        dilation = draw(st.sampled_from([1, 1, 2, 3]))
        extents = {k: (k - 1) * dilation + 1 for k in (1, 2, 3)}
        sizes = [k for k, extent in extents.items() if padding < extent <= min(h, w) + 2 * padding]
        if min(h, w) < 1 or not sizes:
            break
        k, groups = draw(st.sampled_from(sizes)), draw(divisors(c))
        size = ((n + 2 * padding - extents[k]) // stride + 1 for n in (h, w))
        out = (groups * draw(st.integers(1, max(1, 3 // groups))), *size)
        after = draw(pooling(out[1:])) if draw(st.booleans()) else None
        name = f"conv{index}"
        layers.append(
            ns.Conv(
                name, weights(rng, (out[0], c // groups, k, k)), threshold=draw(st.integers(1, 25)), leak=draw(leaks()),
                stride=stride, padding=padding, pool=pool, groups=groups, dilation=dilation,
                pool_currents=after, shortcuts=draw(shortcuts(rng, shapes, out, encoding)),
            )
        )  # fmt: skip
        shapes[name] = pooled(out, after)
        last = name
    if draw(st.booleans()):
        pool = draw(pooling(shapes[last][1:], last != "input" or encoding == "spikes"))
        size = int(np.prod(pooled(shapes[last], pool)))
        layers.append(
            ns.Dense("fc", weights(rng, (draw(st.integers(1, 6)), size)), draw(st.integers(1, 20)), draw(leaks()), pool)
        )
        shapes["fc"] = (layers[-1].weight.shape[0], 1, 1)
        last = "fc"
    layers.append(ns.Output("out", weights(rng, (3, int(np.prod(shapes[last]))))))
    return ns.Network.build(
        "random", timesteps=draw(st.integers(1, 5)), input_shape=shape, encoding=encoding, layers=layers,
        reset=draw(st.sampled_from(["subtract", "subtract", "zero"])), compare=draw(st.sampled_from([">", ">="])),
    )  # fmt: skip


def weights(rng, shape):
    """Small integers with zeros among them; mostly positive, so that spikes travel far."""
    return rng.integers(-4, 8, shape) * (rng.random(shape) < 0.9)


@st.composite
def leaks(draw):
    m = draw(st.integers(1, 6))
    return draw(st.sampled_from([None, (draw(st.integers(0, 2**m)), m)]))


@st.composite
def shortcuts(draw, rng, shapes, out, encoding):
    """At most three shortcuts onto a map of shape *out* from any of *shapes*, pooled or not, over a kernel of 1 where they
    differ: the kernel is compiled anew for a fourth."""
    sources = [n for n in shapes if n != "input" or encoding == "spikes"]
    found = []
    for name in sources:
        pool = draw(pooling(shapes[name][1:]))
        c, *size = seen = pooled(shapes[name], pool)
        if not draw(st.booleans()):
            continue
        if seen == out:
            found.append(ns.Shortcut(name, scale=draw(st.integers(1, 9)), pool=pool))
        else:
            pairs = list(zip(size, out[1:], strict=True))
            strides = [s for s in (1, 2, 3) if all((a - 1) // s + 1 == b for a, b in pairs)]
            if strides:
                groups = draw(divisors(np.gcd(c, out[0])))
                kernel = weights(rng, (out[0], c // groups, 1, 1))
                found.append(ns.Shortcut(name, kernel, stride=strides[0], pool=pool, groups=groups))
    return found[:3]


def divisors(number):
    """Of a number, itself and 1 among them."""
    return st.sampled_from([n for n in range(1, number + 1) if number % n == 0])


@st.composite
def pooling(draw, size, largest=True):
    """A pool of a map of this *size*, or none: of 2x2 or any, with windows that overlap, leave sites out or reach over the
    edge."""
    kinds = ["sum", "max"] if largest else ["sum"]
    kind = draw(st.sampled_from([None, None, *kinds, *kinds]))
    if kind is None or draw(st.booleans()):
        return f"{kind}2" if kind and min(size) > 1 else None
    windows = [draw(st.integers(1, min(3, n))) for n in size]
    padding = tuple(draw(st.integers(0, k // 2)) for k in windows)
    return ns.Pool(kind, tuple(windows), draw(st.sampled_from([None, 1, 2, (1, 2)])), padding)


def pooled(shape, pool):
    return naive.pooled_shape(shape, pool)


pools = st.sampled_from([None, "sum2", "max2"])


def halved(shape):
    c, h, w = shape
    return c, h // 2, w // 2


@st.composite
def residual_networks(draw):
    """Two to four convolutions that keep the shape of the map or pool it, with shortcuts of every kind between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels, shape = draw(st.integers(1, 4)), (2, draw(st.integers(3, 7)), draw(st.integers(3, 7)))
    layers = [ns.Conv("conv0", weights(rng, (channels, 2, 3, 3)), draw(st.integers(1, 25)), draw(leaks()), padding=1)]
    shapes = {"conv0": (channels, *shape[1:])}
    for index in range(1, draw(st.integers(2, 4))):
        last, pool = shapes[layers[-1].name], draw(pools)
        pool = pool if min(last[1:]) > 1 else None
        name, out = f"conv{index}", halved(last) if pool else last
        kernel, threshold = weights(rng, (channels, channels, 3, 3)), draw(st.integers(1, 40))
        found, after = draw(residual_shortcuts(rng, shapes, out)), draw(pools) if min(out[1:]) > 1 else None
        layers.append(
            ns.Conv(name, kernel, threshold, draw(leaks()), padding=1, pool=pool, shortcuts=found, pool_currents=after)
        )
        shapes[name] = out = halved(out) if after else out
    pool = draw(pools) if min(out[1:]) > 1 else None
    layers.append(ns.Output("out", weights(rng, (3, int(np.prod(halved(out) if pool else out)))), pool=pool))
    encoding = draw(st.sampled_from(["direct", "spikes"]))
    return ns.Network.build("residual", timesteps=3, input_shape=shape, encoding=encoding, layers=layers)


@st.composite
def residual_shortcuts(draw, rng, shapes, out):
    """At most three identity and weighted shortcuts from the layers whose map, as it is or pooled, has the shape *out*."""
    found = []
    for name, shape in shapes.items():
        for pool in [None] * (shape == out) + ["sum2", "max2"] * (halved(shape) == out):
            if draw(st.booleans()):
                found.append(ns.Shortcut(name, scale=draw(st.integers(1, 9)), pool=pool))
            if draw(st.booleans()) and draw(st.booleans()):
                groups, dilation = draw(divisors(out[0])), draw(st.sampled_from([1, 1, 2]))
                kernel = weights(rng, (out[0], out[0] // groups, 3, 3))
                found.append(
                    ns.Shortcut(name, kernel, padding=dilation, dilation=dilation, groups=groups, pool=pool)
                )  # fmt: skip
    return found[:3]


@st.composite
def parameters(draw, rng, shape, low, high):
    """One number, or one for every channel, or one for every neuron."""
    size = draw(st.sampled_from([(), shape[:1], shape]))
    return rng.integers(low, high + 1, size) if size else draw(st.integers(low, high))


@st.composite
def varied_leaks(draw, rng, shape):
    m = draw(st.integers(1, 6))
    return draw(st.sampled_from([None, (draw(parameters(rng, shape, 0, 2**m)), m)]))


@st.composite
def dynamics(draw, rng, shape, reset, order, plain, spiking=True):
    """What a population can have beside its synapses, in a network with this *reset* and *order*; *plain*: what it could from
    the first version of files on."""
    found = {"bias": draw(st.none() | parameters(rng, shape, -6, 9)), "leak": draw(varied_leaks(rng, shape))}
    found["current_leak"] = draw(varied_leaks(rng, shape))
    if spiking:
        found["threshold"] = draw(parameters(rng, shape, 1, 25))
    if plain:
        return found | ({"rest": draw(st.none() | parameters(rng, shape, -9, 0))} if spiking and reset == "zero" else {})
    found["floor"] = draw(st.none() | parameters(rng, shape, -20, -9))
    found["initial"] = draw(st.none() | parameters(rng, shape, -9, 0))
    found["leak_rounding"] = draw(st.sampled_from(["floor", "zero"]))
    found["bias_into"] = draw(st.sampled_from(["current", "potential"]))
    found["weight_shift"] = draw(st.sampled_from([0, 0, 1, 3]))
    if not spiking:
        return found
    found["compare"] = draw(st.sampled_from([None, ">", ">="]))
    found["reset"] = draw(st.sampled_from([None, None, "subtract", "zero", "none"]))
    found["order"] = draw(st.sampled_from([None, None, *ORDERS]))
    if (found["reset"] or reset) == "zero":
        found["rest"] = draw(st.none() | parameters(rng, shape, -9, 0))
    if (found["order"] or order) == ORDERS[0]:
        found["refractory"] = draw(st.sampled_from([0, 0, 1, 3]))
        found["graded"] = (found["reset"] or reset) == "subtract" and draw(st.booleans())
    return found


ORDERS = ("leak, integrate, compare, reset", "leak, integrate, reset, compare")


@st.composite
def pairs(draw, low, high):
    return draw(st.one_of(st.integers(low, high), st.tuples(st.integers(low, high), st.integers(low, high))))


@st.composite
def feedback(draw, rng, shapes, name, plain):
    """Delayed connections of every kind onto layer *name*, from any layer, itself and later ones too."""
    found, out = [], shapes[name]
    # Each number of sources is a program of its own to compile.
    for source in draw(st.lists(st.sampled_from(sorted(shapes)), max_size=2)):
        shape = shapes[source]
        late = {"delay": draw(st.integers(1, 3))}
        shift = {} if plain else {"weight_shift": draw(st.sampled_from([0, 0, 2]))}
        if shape == out and draw(st.booleans()):
            found.append(ns.Shortcut(source, scale=draw(st.integers(-9, 9)), **late))
        elif out[1:] == (1, 1):
            found.append(ns.Shortcut(source, weights(rng, (out[0], int(np.prod(shape)))), **late, **shift))
        elif shape[1:] == out[1:]:
            found.append(ns.Shortcut(source, weights(rng, (out[0], shape[0], 3, 3)), padding=1, **late, **shift))
    return found


@st.composite
def recurrent_networks(draw, encodings=("direct", "spikes"), plain=False):
    """Two or three layers with everything that a neuron can have: biases, parameters of channels and neurons, synaptic
    currents, resets late and to a rest, oblong kernels, delays, feedback, a last layer that fires or leaks; unless *plain*,
    rules of their own too, and any way to answer."""
    rng, encoding = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.sampled_from(encodings))
    reset, channels = draw(st.sampled_from(["subtract", "zero"])), draw(st.integers(1, 2))
    order = draw(st.sampled_from(ORDERS))
    how = reset, order, plain
    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    kernel = [draw(st.integers(1, min(3, n))) for n in shape[1:]]
    padding, stride = tuple(draw(st.integers(0, k - 1)) for k in kernel), draw(pairs(1, 2))
    down, across = stride if isinstance(stride, tuple) else (stride, stride)
    size = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[1:], padding, kernel, (down, across), strict=True)]
    shapes = {"conv": (channels, *size)}
    names = ["conv"] + ["same"] * draw(st.booleans()) + ["fc"] * draw(st.booleans())
    shapes |= {"same": shapes["conv"]} if "same" in names else {}
    shapes |= {"fc": (draw(st.integers(1, 5)), 1, 1)} if "fc" in names else {}
    known = {"input": shape} if encoding == "spikes" else {}
    first = draw(dynamics(rng, shapes["conv"], *how))
    # An image goes where the bias goes.
    first |= {"bias_into": "current"} if encoding == "direct" else {}
    layers = [
        ns.Conv("conv", weights(rng, (channels, shape[0], *kernel)), stride=stride, padding=padding,
                delay=draw(st.integers(0, 2)) if encoding == "spikes" else 0,
                shortcuts=draw(feedback(rng, known | shapes, "conv", plain)), **first)
    ]  # fmt: skip
    if "same" in names:
        layers.append(
            ns.Conv("same", weights(rng, (channels, channels, 3, 3)), padding=1, delay=draw(st.integers(0, 2)),
                    shortcuts=draw(feedback(rng, known | shapes, "same", plain)), **draw(dynamics(rng, shapes["same"], *how)))
        )  # fmt: skip
    if "fc" in names:
        found = draw(feedback(rng, known | shapes, "fc", plain))
        layers.append(
            ns.Dense("fc", weights(rng, (shapes["fc"][0], int(np.prod(size)) * channels)), shortcuts=found,
                     **draw(dynamics(rng, shapes["fc"], *how)))
        )  # fmt: skip
    kind = draw(st.sampled_from([None, ns.Dense, ns.Output]))
    if kind:
        found = draw(feedback(rng, known | shapes | {"out": (3, 1, 1)}, "out", plain))
        found = [s for s in found if kind is ns.Dense or s.source != "out"]
        layers.append(
            kind("out", weights(rng, (3, int(np.prod(shapes[layers[-1].name])))), shortcuts=found,
                 **draw(dynamics(rng, (3, 1, 1), *how, kind is ns.Dense)))
        )  # fmt: skip
    answers = ["potential", "max-potential", "mean-potential", f"votes:{layers[-1].weight.shape[0]}"]
    return ns.Network.build(
        "recurrent", timesteps=draw(st.integers(1, 5)), input_shape=shape, encoding=encoding, layers=layers, reset=reset,
        compare=draw(st.sampled_from([">", ">="])), dynamics=order,
        decode=None if plain else draw(st.none() | st.sampled_from(answers)),
    )  # fmt: skip


@st.composite
def recurrents(draw, encodings=("direct", "spikes"), plain=False):
    network = draw(recurrent_networks(encodings, plain))
    return network, draw(samples(network, valued=not plain))


@st.composite
def samples(draw, network, count=2, valued=False):
    """*valued*: what comes step by step may be other numbers than 0 and 1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, min(3, network.classes), count)
    if network.input.encoding == "direct":
        return ns.Inputs(rng.integers(0, 12, (count, *network.input.shape)).astype(np.uint8), labels)
    spikes = rng.random((count, network.timesteps, *network.input.shape)) < draw(st.sampled_from([0.05, 0.3, 0.8]))
    if valued and draw(st.booleans()):
        return ns.Inputs.from_frames(spikes * rng.integers(-2, 5, spikes.shape), labels)
    return ns.Inputs.from_spikes(spikes, labels)


@st.composite
def cases(draw, encodings=("direct", "spikes")):
    network = draw(networks(encodings))
    return network, draw(samples(network))


@st.composite
def counted(draw):
    """A network that takes spikes, with counts of them."""
    network = draw(networks(("spikes",)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (2, network.timesteps, *network.input.shape)
    return network, ns.Inputs.from_frames(rng.integers(0, 5, shape) * (rng.random(shape) < draw(st.sampled_from([0.3, 0.8]))))


@st.composite
def residuals(draw):
    network = draw(residual_networks())
    return network, draw(samples(network))
