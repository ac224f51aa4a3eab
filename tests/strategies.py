"""Random small networks and inputs."""

import numpy as np
from hypothesis import strategies as st

import neurosim as ns


@st.composite
def networks(draw, encodings=("direct", "spikes")):
    """Integer networks of one to three convolutions, dense layers, pools, shortcuts, strides, paddings, leaks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    encoding = draw(st.sampled_from(encodings))
    shape = (draw(st.integers(1, 2)), draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    shapes = {"input": shape}
    layers = []
    last = "input"
    for index in range(draw(st.integers(1, 3))):
        pools = [None, "sum2"] + (["max2"] if last != "input" or encoding == "spikes" else [])
        pool = draw(st.sampled_from(pools))
        c, h, w = shapes[last]
        if pool:
            h, w = h // 2, w // 2
        stride = draw(st.integers(1, 3))
        padding = draw(st.integers(0, 2))
        sizes = [k for k in (1, 2, 3) if padding < k <= min(h, w) + 2 * padding]
        if min(h, w) < 1 or not sizes:
            break
        k = draw(st.sampled_from(sizes))
        out = (draw(st.integers(1, 3)), (h + 2 * padding - k) // stride + 1, (w + 2 * padding - k) // stride + 1)
        name = f"conv{index}"
        layers.append(
            ns.Conv(
                name, weights(rng, (out[0], c, k, k)), threshold=draw(st.integers(1, 25)), leak=draw(leaks()),
                stride=stride, padding=padding, pool=pool, shortcuts=draw(shortcuts(rng, shapes, out, encoding)),
            )
        )  # fmt: skip
        shapes[name] = out
        last = name
    if draw(st.booleans()):
        pool = draw(st.sampled_from([None, "sum2"])) if min(shapes[last][1:]) > 1 else None
        size = int(np.prod(shapes[last])) if not pool else shapes[last][0] * (shapes[last][1] // 2) * (shapes[last][2] // 2)
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
    sources = [n for n in shapes if n != "input" or encoding == "spikes"]
    found = []
    for name in sources:
        if not draw(st.booleans()):
            continue
        if shapes[name] == out:
            found.append(ns.Shortcut(name, scale=draw(st.integers(1, 9))))
        else:
            pairs = list(zip(shapes[name][1:], out[1:], strict=True))
            strides = [s for s in (1, 2, 3) if all((a - 1) // s + 1 == b for a, b in pairs)]
            if strides:
                found.append(ns.Shortcut(name, weights(rng, (out[0], shapes[name][0], 1, 1)), stride=strides[0]))
    return found


@st.composite
def samples(draw, network, count=2):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if network.input.encoding == "direct":
        return ns.Inputs(rng.integers(0, 12, (count, *network.input.shape)).astype(np.uint8), rng.integers(0, 3, count))
    spikes = rng.random((count, network.timesteps, *network.input.shape)) < draw(st.sampled_from([0.05, 0.3, 0.8]))
    return ns.Inputs.from_spikes(spikes, rng.integers(0, 3, count))


@st.composite
def cases(draw, encodings=("direct", "spikes")):
    network = draw(networks(encodings))
    return network, draw(samples(network))
