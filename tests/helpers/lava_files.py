"""Files `.net` for tests: written as slayer lays them out, drawn at random, run by a slow interpreter."""

from itertools import product

import h5py
import numpy as np
from hypothesis import strategies as st


def write(path, blocks, steps=None):
    """A file of *blocks*, {dataset: value}, with "neuron": {dataset: value} below (Source: lava.lib.dl.slayer.block.base,
    export_hdf5, of lava-dl 0.6)."""
    with h5py.File(path, "w") as file:
        for i, block in enumerate(blocks):
            group = file.create_group(f"layer/{i}")
            group.create_dataset("type", (1,), "S10", [block["type"].encode()])
            for name, value in block.items():
                if name == "neuron":
                    for field, number in value.items():
                        group[f"neuron/{field}"] = number
                elif name != "type":
                    group[name] = np.asarray(value, np.float32) if name.startswith(("weight", "bias", "delay")) else value
        if steps:
            file["simulation/Ts"], file["simulation/tSample"] = 1, steps
    return path


def cuba(i=4096, v=128, threshold=80, **more):
    return {"type": "CUBA", "iDecay": i, "vDecay": v, "vThMant": threshold, "refDelay": 1, "gradedSpike": False} | more


def dense(weight, neuron=None, **more):
    weight = np.asarray(weight)
    about = {"type": "dense", "shape": [len(weight)], "weight": weight}
    about |= {"inFeatures": weight.shape[1], "outFeatures": len(weight)}
    return about | ({} if neuron is None else {"neuron": neuron}) | more


def conv(weight, shape, neuron, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, **more):
    """*weight* [Cout, Cin/groups, kh, kw] has a fifth axis in the file."""
    weight = np.asarray(weight)
    about = {"type": "conv", "shape": list(shape), "weight": weight[..., None], "neuron": neuron, "stride": list(stride)}
    about |= {"inChannels": weight.shape[1] * groups, "outChannels": len(weight), "kernelSize": list(weight.shape[2:])}
    return about | {"padding": list(padding), "dilation": list(dilation), "groups": groups} | more


def pool(weight, shape, neuron, stride, padding=(0, 0), **more):
    weight = np.asarray(weight)[None, None, :, :, None]
    about = {"type": "pool", "shape": list(shape), "weight": weight, "neuron": neuron, "stride": list(stride)}
    return about | {"kernelSize": list(weight.shape[2:4]), "padding": list(padding), "dilation": [1, 1]} | more


def input_(shape, neuron=None, **more):
    return {"type": "input", "shape": list(shape)} | ({} if neuron is None else {"neuron": neuron}) | more


STEPS = 6
FLATTEN = {"type": "flatten", "shape": [1, 1, 1]}


class Interpreter:
    """A file in whole numbers, block by block and neuron by neuron.

    Equations: PyLifModelBitAcc of lava.proc.lif.models (Lava 0.10: currents decay by iDecay / 2^12 and potentials by
    vDecay / 2^12, their products rounded towards zero; 2^6 times the weights and biases; a neuron above 2^6 times its
    threshold fires and is set to zero; a potential stays within 24 bits), with the refractory steps that Loihi has.
    Convolutions: those of PyTorch, as slayer trains them; feedback: slayer.utils.recurrent. Within a step spikes cross all
    blocks.
    """

    def __init__(self, path):
        with h5py.File(path) as file:
            self.blocks = [read(file[f"layer/{i}"]) for i in range(len(file["layer"]))]
        self.state = [None] * len(self.blocks)
        self.past = [[] for _ in self.blocks]

    def step(self, frame):
        """*frame* [C, H, W] of whole numbers; [(spikes, potentials) of every block with neurons, None of others]."""
        found = []
        for i, block in enumerate(self.blocks):
            if block["type"] == "flatten":
                frame = [[[x]] for plane in frame for row in plane for x in row]
            if block["type"] in ("flatten", "average") or (block["type"] == "input" and "neuron" not in block):
                found.append(None)
                continue
            self.past[i].append(frame)
            late = [int(np.floor(steps)) for steps in np.ravel(block.get("delay", 0))]
            sums = {steps: arriving(block, self.ago(i, steps)) for steps in set(late)}
            late = late * (1 + max(at[0] for at in sums[late[0]])) if len(late) == 1 else late
            found.append(self.neurons(i, block, {at: sums[late[at[0]]][at] for at in sums[late[0]]}))
            frame = found[-1][0]
        return found

    def ago(self, i, steps):
        """What block *i* was sent so many steps ago."""
        return self.past[i][-1 - steps] if len(self.past[i]) > steps else nothing(self.past[i][-1])

    def neurons(self, i, block, sums):
        """*sums* {(c, y, x): integer}; their spikes and potentials [C, H, W]."""
        if self.state[i] is None:
            self.state[i] = {at: {"u": 0, "v": 0, "rest": 0, "fired": 0} for at in sums}
        state, c = self.state[i], 1 + max(at[0] for at in sums)
        neuron = block.get("neuron", {"iDecay": 0, "vDecay": 4096, "vThMant": 2**40})
        i_decay, v_decay, bias = (each(neuron.get(n, block.get(n, 0)), c) for n in ("iDecay", "vDecay", "bias"))
        bias = [0] * c if block["type"] == "input" else bias
        fired, recurrent = [cell["fired"] for cell in state.values()], "weight_rec" in block
        for at, cell in state.items():
            back = sum(int(w) * s for w, s in zip(block["weight_rec"][at[0]], fired, strict=True)) if recurrent else 0
            cell["u"] = towards_zero(cell["u"] * (4096 - i_decay[at[0]]), 4096) + 64 * (sums[at] + back)
            if cell["rest"]:
                cell["rest"] -= 1
                cell["fired"] = 0
                continue
            v = towards_zero(cell["v"] * (4096 - v_decay[at[0]]), 4096) + cell["u"] + 64 * bias[at[0]]
            v = min(max(v, 1 - 2**23), 2**23 - 1)
            cell["fired"] = int(v > 64 * int(neuron["vThMant"]))
            cell["v"] = 0 if cell["fired"] else v
            cell["rest"] = int(neuron.get("refDelay", 1)) - 1 if cell["fired"] else 0
        return grid(state, "fired"), grid(state, "v")


def read(group):
    """A block as plain values."""
    found = {name: item[()] for name, item in group.items() if isinstance(item, h5py.Dataset)}
    found["type"] = np.ravel(found["type"])[0].decode()
    if "neuron" in group:
        found["neuron"] = {name: item[()] for name, item in group["neuron"].items()}
    return found


def towards_zero(product_, divisor):
    return product_ // divisor if product_ >= 0 else -(-product_ // divisor)


def each(value, channels):
    values = [int(x) for x in np.ravel(value)]
    return values * channels if len(values) == 1 else values


def nothing(frame):
    return [[[0 for _ in row] for row in plane] for plane in frame]


def grid(state, name):
    c, h, w = (1 + max(at[k] for at in state) for k in range(3))
    return [[[state[k, y, x][name] for x in range(w)] for y in range(h)] for k in range(c)]


def arriving(block, frame):
    """{(c, y, x): what the *frame* brings there}, before it is shifted."""
    if block["type"] == "input":
        return {(c, y, x): value for c, plane in enumerate(frame) for y, row in enumerate(plane) for x, value in enumerate(row)}
    weight = block["weight"]
    if block["type"].startswith("dense"):
        flat = [x for plane in frame for row in plane for x in row]
        return {(o, 0, 0): sum(int(w) * x for w, x in zip(np.atleast_2d(weight)[o], flat, strict=True) if x)
                for o in range(np.prod(block["shape"]))}  # fmt: skip
    groups = len(frame) if block["type"] == "pool" else int(block["groups"])
    kernels = np.repeat(weight[..., 0], groups, 0) if block["type"] == "pool" else weight[..., 0]
    windows = (block[name].tolist() for name in ("stride", "padding", "dilation"))
    return convolved(kernels.astype(int).tolist(), frame, groups, *windows)


def convolved(kernels, frame, groups, stride, padding, dilation):
    h, w = len(frame[0]), len(frame[0][0])
    size = len(kernels[0][0]), len(kernels[0][0][0])
    axes = zip((h, w), padding, dilation, size, stride, strict=True)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in axes]
    found = {}
    for o, y, x in product(range(len(kernels)), *map(range, out)):
        first = o // (len(kernels) // groups) * len(kernels[0])
        total = 0
        for c, a, b in product(range(len(kernels[0])), *map(range, size)):
            i, j = y * stride[0] + a * dilation[0] - padding[0], x * stride[1] + b * dilation[1] - padding[1]
            if 0 <= i < h and 0 <= j < w:
                total += kernels[o][c][a][b] * frame[first + c][i][j]
        found[o, y, x] = total
    return found


def run(path, frames):
    """{layer: (spikes [T, C, H, W], likewise potentials)} of blocks with neurons, for *frames* [T, C, H, W]."""
    machine = Interpreter(path)
    steps = [machine.step(frame.tolist()) for frame in frames]
    having = [i for i, first in enumerate(steps[0]) if first is not None]
    return {f"{machine.blocks[i]['type']}{i}": tuple(np.array([step[i][k] for step in steps]) for k in (0, 1)) for i in having}


def pipelined(path, frames):
    """(spikes of every block with neurons [T, neurons], whether neurons with feedback fired before their reset), as Lava runs
    full connections: every block a step after the one before, reset when the first spikes of the samples reach it, with what
    comes back of the step before (Source: PyLifResetModelBitAcc, netx.hdf5.Network of lava-dl 0.6, reset_interval)."""
    machine, steps = Interpreter(path), len(frames)
    numbers = [i for i, block in enumerate(machine.blocks) if block["type"].startswith("dense")]
    sent, early = {i: [] for i in numbers}, False
    for t in range(-1, steps + len(numbers)):
        before = {i: sent[i][-1] if sent[i] else [0] * int(machine.blocks[i]["shape"][0]) for i in numbers}
        for place, i in enumerate(numbers):
            if t == place:
                early |= "weight_rec" in machine.blocks[i] and any(map(any, sent[i]))
                for cell in machine.state[i].values():
                    cell |= {"u": 0, "v": 0}
            first = frames[t].ravel().tolist() if 0 <= t < steps else [0] * frames[0].size
            arrives = before[numbers[place - 1]] if place else first
            sums = arriving(machine.blocks[i], [[[value]] for value in arrives])
            sent[i].append([value for plane in machine.neurons(i, machine.blocks[i], sums)[0] for value in plane[0]])
    return [np.array(sent[i])[place + 1 :][:steps] for place, i in enumerate(numbers)], early


@st.composite
def recurrent(draw):
    """(blocks, frames [T, C, 1, 1] of spikes): two full connections with biases, one of them at least with feedback."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    blocks, size, last = [input_((4,))], 4, draw(st.booleans())
    for feedback in (True, last):
        out = draw(st.integers(2, 4))
        back = {"type": "dense_rec", "weight_rec": kernels(rng, (out, out))} if feedback else {}
        neuron = draw(neurons(out)) | {"refDelay": 1}
        blocks.append(dense(kernels(rng, (out, size)), neuron, bias=rng.integers(-64, draw(st.integers(-50, 64)), out), **back))
        size = out
    return blocks, (rng.random((STEPS, 4, 1, 1)) < 0.4).astype(int)


@st.composite
def neurons(draw, channels, current=True):
    """CUBA neurons with decays of all kinds; thresholds in reach of a few weights."""
    decays = st.sampled_from([0, 1, 128, 1024, 1365, 4095, 4096])
    each_ = st.lists(st.integers(0, 4096), min_size=channels, max_size=channels)
    return cuba(
        draw(st.one_of(decays, decays, each_)) if current else 4096, draw(st.one_of(decays, decays, each_)),
        draw(st.integers(1, 120)), type=draw(st.sampled_from(["CUBA", "LOIHI"])),
        refDelay=draw(st.sampled_from([1, 1, 1, 2, 4])),
    )  # fmt: skip


def kernels(rng, shape):
    """Whole weights, even ones up to what Loihi holds or small ones."""
    return rng.integers(-128, 128, shape) * 2 if rng.random() < 0.5 else rng.integers(-40, 60, shape)


@st.composite
def files(draw):
    """(blocks, frames [T, C, H, W] of spikes, or [1, C, H, W], an image, where the input has neurons)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    c, h, w = draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(2, 6))
    driven = draw(st.booleans())
    blocks = [input_((c, h, w), draw(neurons(c, current=False)) if driven else None)]
    frames = rng.integers(-20, 90, (1, c, h, w)) if driven else (rng.random((STEPS, c, h, w)) < 0.4).astype(int)
    for _ in range(draw(st.integers(0, 2))):
        block = draw(maps(rng, (c, h, w)))
        if min(block["shape"][1:]) < 1:
            break
        blocks.append(block)
        c, h, w = block["shape"]
    if draw(st.booleans()):
        blocks.append(FLATTEN)
    size = c * h * w
    for last in [False] * draw(st.integers(0, 1)) + [True]:
        out = draw(st.integers(1, 4)) * 2
        blocks.append(draw(vectors(rng, size, out, last)))
        size = out
    if "neuron" in blocks[-1] and draw(st.booleans()):
        blocks.append({"type": "average", "shape": [size // 2]})
    return blocks, frames


@st.composite
def maps(draw, rng, shape):
    """A convolution or a pool of a map."""
    size = [draw(st.integers(1, min(3, n))) for n in shape[1:]]
    stride, padding = [draw(st.integers(1, 2)) for _ in size], [draw(st.integers(0, k - 1)) for k in size]
    out = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[1:], padding, size, stride, strict=True)]
    if draw(st.integers(0, 3)) == 0:
        late = draw(st.sampled_from([{}, {"delay": [1.9]}]))
        return pool(np.full(size, 96), (shape[0], *out), draw(neurons(shape[0])), stride, padding, **late)
    groups = draw(st.sampled_from([g for g in range(1, shape[0] + 1) if shape[0] % g == 0]))
    channels = groups * draw(st.integers(1, 2))
    kernel = kernels(rng, (channels, shape[0] // groups, *size))
    about = draw(st.sampled_from([{}, {"bias": rng.integers(-64, 64, channels)}, {"delay": [2.5] * channels}]))
    return conv(kernel, (channels, *out), draw(neurons(channels)), stride, padding, groups=groups, **about)


@st.composite
def vectors(draw, rng, size, out, last):
    """A full connection, with feedback or without, with neurons or as a sum."""
    weight = kernels(rng, (out, size))
    if last and draw(st.booleans()):
        return dense(weight)
    neuron = draw(neurons(out))
    if draw(st.booleans()):
        biased = draw(st.sampled_from([{}, {"bias": rng.integers(-64, 64, out)}]))
        return dense(weight, neuron, type="dense_rec", weight_rec=kernels(rng, (out, out)), **biased)
    late = [3.0] * out if last else rng.choice([0.0, 1.5, 2.0, 4.9], out)
    return dense(weight, neuron, **draw(st.sampled_from([{}, {"bias": rng.integers(-64, 64, out)}, {"delay": late}])))
