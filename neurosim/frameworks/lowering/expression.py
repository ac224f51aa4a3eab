"""What the nodes of a graph are in terms of populations: linear maps are folded, and what is no linear map is a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neurosim.frameworks.graph.node import AtenCall, Entry, GraphNode, as_map
from neurosim.frameworks.graph.refusal import RefusedError
from neurosim.frameworks.lowering.affine import Affine, AffineTerm
from neurosim.frameworks.lowering.maps import Connected, Convolved, Largest, Multiplied, Other
from neurosim.frameworks.lowering.pooling import average, largest, mean
from neurosim.network.layers import Shape

Given = list[Affine]


class Expressions:
    """Affine expressions of nodes. *sums*: of the nodes that add up over time what they were a step ago, what they are in terms
    of that; elsewhere they are sources. *gates*, *pools*: what products of spikes and pools of currents are made of."""

    def __init__(self, spiking_input: bool):
        self.spiking_input = spiking_input
        self.known: dict[int, Affine] = {}
        self.sums: dict[int, Affine] = {}
        self.gates: dict[int, Affine] = {}
        self.pools: dict[int, Affine] = {}
        self.open: list[GraphNode] = []

    def of(self, entry: Entry) -> Affine:
        """What a node reads, in the shape in which it does."""
        return self.value(entry.node, entry.output).late(entry.delay).shaped(as_map(entry.shape))

    def value(self, node: GraphNode, output: int = 0) -> Affine:
        if node.kind in ("input", "neuron"):
            return Affine(as_map(node.shapes[output]), (AffineTerm(node, output),))
        if output:
            raise RefusedError("it uses where the largest number stands", "use the number alone", node.place)
        if id(node) not in self.known:
            if node in self.open:
                # It reads itself: it becomes a source of its own.
                self.sums.setdefault(id(node), Affine(as_map(node.shapes[0]), ()))
                return Affine(as_map(node.shapes[0]), (AffineTerm(node, 0),))
            self.known[id(node)] = self._opened(node)
        return self.known[id(node)]

    def _opened(self, node: GraphNode) -> Affine:
        self.open.append(node)
        try:
            found = self._made(node)
        except RefusedError as refusal:
            raise refusal.at(node.place) from None
        finally:
            self.open.pop()
        if id(node) not in self.sums:
            return found
        self.sums[id(node)] = found
        return Affine(found.shape, (AffineTerm(node, 0),))

    def _made(self, node: GraphNode) -> Affine:
        make = MAKERS.get(node.kind)
        if make is None:
            raise RefusedError(f"{node.kind} is no part of a layer", "it can only be what the model returns")
        return make(self, node, [self.of(entry) for entry in node.entries]).shaped(as_map(node.shapes[0]))

    def fires(self, term: AffineTerm) -> bool:
        """Whether a term is spikes."""
        if term.node.kind == "input":
            return self.spiking_input
        return id(term.node) in self.gates or (term.node.kind == "neuron" and term.output == 0)


def _arguments(node: GraphNode) -> dict[str, Any]:
    assert isinstance(node.call, AtenCall)
    return node.call.arguments


def _numbers(value: Any, row: bool, none: int) -> tuple[int, int]:
    """Down and across; a signal over time or frequency is a map of one row, on which *none* has no effect."""
    given = [value] if isinstance(value, int) else list(value)
    if row:
        return none, given[0]
    return (given[0], given[0]) if len(given) == 1 else (given[0], given[1])


def _conv(self: Expressions, node: GraphNode, given: Given) -> Affine:
    a = _arguments(node)
    if a["transposed"]:
        raise RefusedError("it is a transposed convolution", "a network has convolutions, all-to-all synapses and pools")
    weight: Tensor = a["weight"].detach().cpu()
    if weight.ndim not in (3, 4):
        raise RefusedError(f"its weight has {weight.ndim} axes", "convolutions over one or two axes are supported")
    row = weight.ndim == 3
    stride, dilation = (_numbers(a[name], row, 1) for name in ("stride", "dilation"))
    padding = _numbers(a["padding"], row, 0)
    kernel = weight.unsqueeze(2) if row else weight
    step = Convolved(
        node.place, given[0].shape, as_map(node.shapes[0]), kernel.double(), stride, padding, dilation, a["groups"]
    )
    bias = a.get("bias")
    return given[0].then(step, None if bias is None else bias.detach().cpu()[:, None, None])


def _linear(self: Expressions, node: GraphNode, given: Given) -> Affine:
    a = _arguments(node)
    if a.get("alpha", 1) != 1 or a.get("beta", 1) != 1:
        raise RefusedError("it has an alpha or beta other than 1", "put factors into the weights")
    weight = a["weight"] if "weight" in a else a["mat2"].T
    bias = a.get("bias", a.get("self"))
    step = Connected(node.place, given[0].shape, as_map(node.shapes[0]), weight.detach().cpu().double())
    return given[0].then(step, None if bias is None else bias.detach().cpu()[:, None, None])


def _norm(self: Expressions, node: GraphNode, given: Given) -> Affine:
    a = _arguments(node)
    mean, variance = (a[name].detach().cpu().double() for name in ("running_mean", "running_var"))
    factor = 1 / torch.sqrt(variance + a.get("eps", a.get("epsilon")))
    if a["weight"] is not None:
        factor = factor * a["weight"].detach().cpu().double()
    shift = -mean * factor
    if a["bias"] is not None:
        shift = shift + a["bias"].detach().cpu().double()
    shape = given[0].shape
    return given[0].then(Multiplied(node.place, shape, shape, factor[:, None, None]), shift[:, None, None])


def _factor(value: Any, axes: int) -> Tensor:
    """A constant that broadcasts over features of so many *axes*, over [C, H, W]."""
    found = torch.as_tensor(value).detach().cpu().double()
    native = found.reshape(*(1,) * (axes - found.ndim), *found.shape)
    return native.reshape(as_map(tuple(native.shape))) if found.ndim else found


def _scale(self: Expressions, node: GraphNode, given: Given) -> Affine:
    call, a = node.call, _arguments(node)
    assert isinstance(call, AtenCall)
    name = call.function._schema.name.partition("::")[2]
    if a.get("rounding_mode"):
        raise RefusedError("it rounds", "leave it out")
    constant = -1.0 if name == "neg" else call.leaves[1 - call.holes[0]]
    factor = _factor(constant, len(node.shapes[0]))
    shape = given[0].shape
    return given[0].then(Multiplied(node.place, shape, shape, 1 / factor if name == "div" else factor))


def _sum(self: Expressions, node: GraphNode, given: Given) -> Affine:
    call, a = node.call, _arguments(node)
    assert isinstance(call, AtenCall)
    if call.function._schema.name == "aten::sum":
        return mean(node, given[0], total=True)
    name, alpha = call.function._schema.name.partition("::")[2], float(a.get("alpha", 1))
    factors = {"add": (1.0, alpha), "sub": (1.0, -alpha), "rsub": (-alpha, 1.0)}[name]
    found: Affine | None = None
    for place in (0, 1):
        if place in call.holes:
            part = _times(node, given[call.holes.index(place)], factors[place])
            found = part if found is None else found.added(part)
    assert found is not None
    for place in {0, 1} - set(call.holes):
        found = found.plus(factors[place] * _factor(call.leaves[place], len(node.shapes[0])))
    return found


def _times(node: GraphNode, given: Affine, factor: float) -> Affine:
    if factor == 1:
        return given
    return given.then(Multiplied(node.place, given.shape, given.shape, torch.tensor(factor, dtype=torch.float64)))


def _pad(self: Expressions, node: GraphNode, given: Given) -> Affine:
    a = _arguments(node)
    if a.get("value", 0):
        raise RefusedError(f"it pads with {a['value']}", "pad with 0")
    sides = a["pad"]
    return given[0].then(Other(node.place, given[0].shape, as_map(node.shapes[0]), lambda x: torch.nn.functional.pad(x, sides)))


def _upsample(self: Expressions, node: GraphNode, given: Given) -> Affine:
    assert node.call is not None
    return given[0].then(Other(node.place, given[0].shape, as_map(node.shapes[0]), node.call))


def _assembly(self: Expressions, node: GraphNode, given: Given) -> Affine:
    """Every part in its places, and the sum of them."""
    shape, found = as_map(node.shapes[0]), None
    for part, (places, features) in zip(given, node.call.parts, strict=True):  # type: ignore[union-attr]
        put = part.then(_placed(node, part.shape, shape, places, features))
        found = put if found is None else found.added(put)
    assert found is not None
    return found


def _placed(node: GraphNode, given: Shape, made: Shape, places: Tensor, features: Tensor) -> Convolved | Other:
    """Whole channels are a convolution; single features are not."""
    size = given[1] * given[2]
    whole = len(features) % size == 0 and given[1:] == made[1:]
    tidy = whole and all(
        bool((x.reshape(-1, size) == x.reshape(-1, size)[:, :1] + torch.arange(size)).all()) for x in (places, features)
    )
    if tidy and bool((features.reshape(-1, size)[:, 0] % size == 0).all()):
        weight = torch.zeros(made[0], given[0], 1, 1, dtype=torch.float64)
        weight[places.reshape(-1, size)[:, 0] // size, features.reshape(-1, size)[:, 0] // size] = 1
        return Convolved(node.place, given, made, weight)

    def function(x: Tensor) -> Tensor:
        out = x.new_zeros(len(x), made[0] * made[1] * made[2])
        out[:, places] = x.flatten(1)[:, features]
        return out

    return Other(node.place, given, made, function)


def _largest(self: Expressions, node: GraphNode, given: Given) -> Affine:
    window, shape = largest(_arguments(node)), as_map(node.shapes[0])
    term = given[0].plain
    if term is not None and self.fires(term):
        return given[0].then(Largest(node.place, given[0].shape, shape, window))
    self.pools[id(node)] = given[0]
    return Affine(shape, (AffineTerm(node, 0),))


def _gate(self: Expressions, node: GraphNode, given: Given) -> Affine:
    """Products of spikes, and of what is no spike where there is one: sums of whole numbers that are 1 or more where it
    fires."""
    found: Affine | None = None
    for part in given:
        if not _literal(self, part):
            raise RefusedError(
                "it multiplies what two layers answer, and these are not both spikes", "a network has no such products"
            )
        found = part if found is None else found.added(part)
    assert found is not None
    both = node.kind == "product"
    self.gates[id(node)] = found.plus(torch.tensor(-1.0)) if both else found
    return Affine(found.shape, (AffineTerm(node, 0),))


def _literal(self: Expressions, part: Affine) -> bool:
    """Whether it is spikes, pooled or not, or 1 where there is no spike."""
    if len(part.terms) != 1 or not self.fires(part.terms[0]):
        return False
    factor = 1.0
    for place, step in enumerate(part.terms[0].maps):
        if place == 0 and isinstance(step, Largest):
            continue
        value = step.uniform if isinstance(step, Multiplied) else None
        if value is None:
            return False
        factor *= value
    constant = torch.zeros(()) if part.constant is None else part.constant
    return (factor, set(constant.unique().tolist())) in ((1.0, {0.0}), (-1.0, {1.0}))


Maker = Callable[[Expressions, GraphNode, Given], Affine]
MAKERS: dict[str, Maker] = {
    "conv": _conv, "linear": _linear, "norm": _norm, "scale": _scale, "sum of": _sum, "sum": _sum, "pad": _pad,
    "upsample": _upsample, "assembly": _assembly, "largest": _largest, "product": _gate, "or": _gate,
    "average": lambda self, node, given: average(node, given[0]), "mean": lambda self, node, given: mean(node, given[0]),
}  # fmt: skip
