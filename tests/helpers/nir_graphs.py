"""NIR graphs for tests: written by hand, run by a slow interpreter, drawn at random."""

import itertools

import h5py
import numpy as np
from hypothesis import strategies as st

DT = 2.0**-10


def write(path, nodes, edges, version="1.0.8"):
    """A file as the package nir lays it out, from {name: {"type": ..., field: value}}."""
    with h5py.File(path, "w") as file:
        if version:
            file["version"] = version
        graph(file.create_group("node"), nodes, edges)
    return path


def graph(group, nodes, edges):
    group["type"] = "NIRGraph"
    group.create_dataset("edges", data=edges, dtype=h5py.string_dtype())
    below = group.create_group("nodes")
    for name, fields in nodes.items():
        child = below.create_group(name)
        if fields["type"] == "NIRGraph":
            graph(child, fields["nodes"], fields["edges"])
            continue
        for field, value in fields.items():
            child[field] = value


def chain(*nodes):
    """Nodes one after another, from an Input to an Output."""
    names = [str(i) for i in range(len(nodes))]
    return dict(zip(names, nodes, strict=True)), list(itertools.pairwise(names))


def input_(*shape):
    return {"type": "Input", "shape": np.array(shape)}


def output(*shape):
    return {"type": "Output", "shape": np.array(shape)}


def lif(shape, tau=2 * DT, r=2.0, v_threshold=1.0, v_leak=0.0, **more):
    values = {"tau": tau, "r": r, "v_threshold": v_threshold, "v_leak": v_leak, **more}
    return {"type": "LIF"} | {k: np.broadcast_to(v, shape).astype(float) for k, v in values.items()}


def if_(shape, r=1 / DT, v_threshold=1.0, **more):
    return {"type": "IF"} | {
        k: np.broadcast_to(v, shape).astype(float) for k, v in {"r": r, "v_threshold": v_threshold, **more}.items()
    }


class Interpreter:
    """A graph in steps, node by node, as the equations of NIR say; nodes that are listed later give their last spikes."""

    def __init__(self, nodes, edges, reset, compare, next_step=False):
        self.nodes, self.edges, self.reset, self.compare, self.next_step = nodes, edges, reset, compare, next_step
        self.state, self.late, self.values = {}, {}, {}

    def run(self, spikes):
        """*spikes* [T, ...]; {name: what each node gives at every step}."""
        found = {name: [] for name in self.nodes}
        for step in spikes:
            for name, node in self.nodes.items():
                into = [self.values[a] for a, b in self.edges if b == name and a in self.values]
                self.values[name] = step if node["type"] == "Input" else self.node(name, node, sum(into) if into else 0.0)
                found[name].append(self.values[name])
        return {name: np.stack([np.asarray(v, float) for v in values]) for name, values in found.items()}

    def node(self, name, node, x):
        kind = node["type"]
        if kind in ("Linear", "Affine"):
            return node["weight"] @ np.ravel(x) + node.get("bias", 0.0)
        if kind == "Scale":
            return node["scale"] * x
        if kind == "Flatten":
            start, end = node["start_dim"], node["end_dim"] % x.ndim
            return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])
        if kind == "Conv2d":
            return convolved(x, node) + node["bias"][:, None, None]
        if kind == "Conv1d":
            wide = {
                k: v if isinstance(v, str) else (1, v) if k in ("stride", "dilation") else (0, v) if k == "padding" else v
                for k, v in node.items()
            }
            return convolved(x[:, None], wide | {"weight": node["weight"][:, :, None]})[:, 0] + node["bias"][:, None]
        if kind in ("SumPool2d", "AvgPool2d"):
            weight = np.ones((len(x), 1, *node["kernel_size"]))
            mean = weight[0].size if kind == "AvgPool2d" else 1
            return convolved(x, {**node, "weight": weight, "groups": len(x), "dilation": (1, 1)}) / mean
        if kind == "Delay":
            return self.delayed(name, node, x)
        return x if kind == "Output" else self.neurons(name, node, x)

    def delayed(self, name, node, x):
        past = self.late.setdefault(name, [])
        past.append(np.array(x, float))
        steps = np.broadcast_to(np.rint(node["delay"] / DT).astype(int), x.shape)
        found = np.zeros(x.shape)
        for at in np.ndindex(x.shape):
            if steps[at] < len(past):
                found[at] = past[-1 - steps[at]][at]
        return found

    def neurons(self, name, node, x):
        kind = node["type"]
        if kind == "Threshold":
            return self.fires(x, node["threshold"])
        v, i, fired = self.state.setdefault(name, (0.0, 0.0, 0.0))
        if kind.startswith("Cuba"):
            i = i + DT / node["tau_syn"] * (node["w_in"] * x - i)
            v = v + DT / node["tau_mem"] * (node["v_leak"] - v + node["r"] * i)
        elif kind in ("LIF", "LI"):
            v = v + DT / node["tau"] * (node["v_leak"] - v + node["r"] * x)
        else:
            v = v + DT * node["r"] * x
        if kind in ("LI", "CubaLI", "I"):
            self.state[name] = (v, i, 0.0)
            return v
        if self.next_step:
            v = self.fallen(v, fired, node)
        z = self.fires(v, node["v_threshold"])
        self.state[name] = (v if self.next_step else self.fallen(v, z, node), i, z)
        return z

    def fires(self, v, threshold):
        return (v > threshold if self.compare == ">" else v >= threshold).astype(float)

    def fallen(self, v, z, node):
        if self.reset == "subtract":
            return v - z * node["v_threshold"]
        return np.where(z == 1, node.get("v_reset", 0.0), v)


def convolved(x, node):
    """Cross-correlation, loop by loop."""
    weight, groups, dilation = node["weight"], node["groups"], node["dilation"]
    padding, stride = node["padding"], node["stride"]
    span = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    ends = (
        [(p, p) for p in padding]
        if not isinstance(padding, str)
        else [(s // 2, s - s // 2) if padding == "same" else (0, 0) for s in span]
    )
    x = np.pad(np.asarray(x, float), [(0, 0), *ends])
    share, each = weight.shape[1], len(weight) // groups
    size = [(n - s - 1) // t + 1 for n, s, t in zip(x.shape[1:], span, stride, strict=True)]
    found = np.zeros((len(weight), *size))
    for o, y, c in np.ndindex(*found.shape):
        for j, a, b in np.ndindex(*weight.shape[1:]):
            row, column = y * stride[0] + a * dilation[0], c * stride[1] + b * dilation[1]
            found[o, y, c] += weight[o, j, a, b] * x[(o // each) * share + j, row, column]
    return found


def numbers(rng, shape):
    """Quarters."""
    return rng.integers(-4, 9, shape) / 4.0


@st.composite
def kernels(draw, rng, shape):
    """A Conv2d that fits."""
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    kernel = [
        draw(st.sampled_from([k for k in (1, 2, 3) if d * (k - 1) < n])) for d, n in zip(dilation, shape[1:], strict=True)
    ]
    padding = draw(st.sampled_from(["same", "valid", (0, 0), (1, 0), (1, 1)]))
    stride = (1, 1) if padding == "same" else draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    out = groups * draw(st.integers(1, 2))
    return {
        "type": "Conv2d", "weight": numbers(rng, (out, shape[0] // groups, *kernel)), "stride": stride, "padding": padding,
        "dilation": dilation, "groups": groups, "bias": numbers(rng, out) * draw(st.integers(0, 1)), "input_shape": shape[1:],
    }  # fmt: skip


@st.composite
def linear_nodes(draw, rng, shape, delays=True):
    """A linear node that takes this shape."""
    kinds = ["Scale", "Affine" if len(shape) == 1 else "Conv2d"] + ["Delay"] * delays
    kinds += ["Flatten", "SumPool2d", "AvgPool2d"] if len(shape) == 3 else ["Linear"]
    kind = draw(st.sampled_from(kinds))
    if kind == "Conv2d":
        return draw(kernels(rng, shape))
    if kind == "Scale":
        return {
            "type": kind,
            "scale": numbers(rng, draw(st.sampled_from([shape, (1,), (shape[0],) + (1,) * (len(shape) - 1)]))),
        }
    if kind in ("Linear", "Affine"):
        out = draw(st.integers(1, 4))
        bias = {"bias": numbers(rng, out)} if kind == "Affine" else {}
        return {"type": kind, "weight": numbers(rng, (out, *shape)), **bias}
    if kind == "Flatten":
        return {"type": kind, "start_dim": 0, "end_dim": -1, "input_type": shape}
    if kind == "Delay":
        same = draw(st.booleans())
        return {"type": kind, "delay": np.broadcast_to(rng.integers(0, 3, (1,) * len(shape) if same else shape) * DT, shape)}
    size = [draw(st.sampled_from([k for k in (1, 2, 4) if k <= n])) for n in shape[1:]]
    padding = [draw(st.integers(0, k // 2)) if draw(st.booleans()) else 0 for k in size]
    return {
        "type": kind,
        "kernel_size": size,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": padding,
    }


@st.composite
def neuron_nodes(draw, rng, shape, reset, kinds=("IF", "LIF", "CubaLIF")):
    kind = draw(st.sampled_from(kinds))
    small = draw(st.sampled_from([shape, (1,)]))

    def some(*choices):
        return rng.choice(np.array(choices, float), small)

    found = {"type": kind, "r": some(0.5, 1, 2)}
    if kind in ("IF", "I"):
        found["r"] = some(0.5, 1, 2) / DT
    elif kind in ("LIF", "LI"):
        found |= {"tau": DT * some(1, 2, 4), "v_leak": some(0, 0.25)}
    else:
        found |= {"tau_syn": DT * some(1, 2, 4), "tau_mem": DT * some(1, 2, 4), "w_in": some(1, 2), "v_leak": some(0)}
    if kind not in ("I", "LI", "CubaLI"):
        found |= {"v_threshold": some(0.5, 1, 1.5), "v_reset": some(0, -0.5) if reset == "zero" else some(0)}
    return found


@st.composite
def graphs(draw):
    """(nodes, edges, reset): chains of linear nodes between one to three populations, with detours that skip some of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reset = draw(st.sampled_from(["subtract", "zero"]))
    shape = draw(st.sampled_from([(2, 4, 5), (3, 5, 4), (6,)]))
    nodes, edges, last = {"in": input_(*shape)}, [], "in"
    probe = Interpreter(nodes, edges, reset, ">")
    for p in range(draw(st.integers(1, 3))):
        for k in range(draw(st.integers(0, 3))):
            node = draw(linear_nodes(rng, shape, delays=not _biased(nodes, edges, last)))
            out = np.shape(probe.node(f"probe{p}{k}", node, np.zeros(shape)))
            if 0 in out:
                continue
            name = f"n{p}.{k}"
            nodes[name], shape = node, out
            edges.append((last, name))
            if draw(st.booleans()) and node["type"] == "Scale":
                # A second way from the same source.
                nodes[f"{name}b"] = {"type": "Scale", "scale": numbers(rng, (1,))}
                edges.append((last, f"{name}b"))
                nodes[f"{name}sum"] = {"type": "Scale", "scale": np.ones(1)}
                edges += [(name, f"{name}sum"), (f"{name}b", f"{name}sum")]
                name = f"{name}sum"
            last = name
        nodes[f"pop{p}"] = draw(neuron_nodes(rng, shape, reset))
        edges.append((last, f"pop{p}"))
        last = f"pop{p}"
        if len(shape) == 1 and draw(st.booleans()):
            nodes[f"back{p}"] = {"type": "Linear", "weight": numbers(rng, (*shape, *shape))}
            edges += [(last, f"back{p}"), (f"back{p}", last)]
    ending = draw(st.sampled_from(["spikes", "sum", "potential"]))
    if ending != "spikes":
        size = int(np.prod(shape))
        nodes["flat"] = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": shape}
        nodes["fc"] = {"type": "Affine", "weight": numbers(rng, (3, size)), "bias": numbers(rng, 3)}
        edges += [(last, "flat"), ("flat", "fc")]
        last, shape = "fc", (3,)
    if ending == "potential":
        nodes["li"] = draw(neuron_nodes(rng, shape, reset, ("I", "LI", "CubaLI")))
        edges.append((last, "li"))
        last = "li"
    nodes["out"] = output(*shape)
    return nodes, [*edges, (last, "out")], reset


def _biased(nodes, edges, name):
    """Whether a constant may reach what follows *name*."""
    while nodes[name]["type"] not in ("Input", "IF", "LIF", "CubaLIF"):
        if nodes[name]["type"] in ("Affine", "Conv2d"):
            return True
        name = next(a for a, b in edges if b == name)
    return False
