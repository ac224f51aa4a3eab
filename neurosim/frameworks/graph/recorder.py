"""Watching a model run: every operation on what comes from the samples becomes a node, once for all steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves

from neurosim.frameworks.graph.address import (
    AFTER,
    ALWAYS,
    FEATURE_BITS,
    NOTHING,
    addresses,
    features_of,
    leading,
    origins_of,
    row,
    rows_of,
    samples_of,
    sources_of,
    steps_of,
)
from neurosim.frameworks.graph.node import Assembly, AtenCall, Entry, Features, GraphNode
from neurosim.frameworks.graph.operations import (
    ELEMENTWISE,
    ELSE,
    HELP,
    KINDS,
    LIKES,
    MOVES,
    REDUCING,
    SAID,
    WEIGHTED,
    identity,
)
from neurosim.frameworks.graph.refusal import MiscalledError, Place, RefusedError, source_line

ROWS = "one operation has to see the same features of every sample and step; flatten a sample before a Linear"
SUMS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "mean": torch.mean, "sum": torch.sum, "amax": torch.amax, "max": torch.amax, "amin": torch.amin,
}  # fmt: skip


class Read(NamedTuple):
    """What an operation reads: rows of its leading axes, and an output of a node in this shape."""

    rows: Tensor
    node: GraphNode
    output: int
    shape: Features

    def entry(self, delay: int = 0) -> Entry:
        return Entry(self.node, self.output, delay, self.shape)


@dataclass
class Storage:
    """The addresses of all numbers of a storage, and a tensor that keeps it where it is; *whole*: none is NOTHING; *refusal*:
    why what a hook wrote there can be no part of a network."""

    addresses: Tensor
    keeper: Tensor
    whole: bool = False
    refusal: RefusedError | None = None


class GraphRecorder(TorchDispatchMode):
    """The nodes that a model is made of, while it runs under this mode; *storages* holds the addresses of all numbers.

    *inside* neurons nothing is noted. Where hooks are *looking* nothing is refused before the model itself uses what they made.
    """

    def __init__(self, model: nn.Module):
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: dict[int, Storage] = {}
        self.sources: list[tuple[GraphNode, int]] = []
        self.numbers: dict[tuple[int, int], int] = {}
        self.nodes: dict[Any, GraphNode] = {}
        self.alike: dict[Any, list[Any]] = {}
        self.calls: dict[int, int] = {}
        self.stack = [Place(type(model).__name__)]
        self.inside = self.looking = False
        self.problems: list[RefusedError] = []
        self.lasting = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}

    @property
    def place(self) -> Place:
        return replace(self.stack[-1], line=source_line())

    def samples(self, rows: Tensor, shape: Features) -> Tensor:
        """The addresses [rows, shape...] of what the model is given."""
        node = self.nodes.setdefault("input", GraphNode("input", Place("the samples"), [shape]))
        return addresses(rows, self._number(node, 0), shape)

    def address(self, tensor: Any) -> Tensor | None:
        """int64 in the shape of a tensor, None where nothing of it comes from the samples. Raises RefusedError where a hook
        made it of them in a way that cannot be said."""
        if not isinstance(tensor, Tensor) or not tensor.numel():
            return None
        found = self.storages.get(tensor.untyped_storage().data_ptr())
        if found is None:
            return None
        if found.refusal is not None:
            raise found.refusal
        address = found.addresses.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        return address if found.whole or bool((address != NOTHING).any()) else None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.partition("::")[2]
        if self.inside:
            return func(*args, **kwargs)
        try:
            if not any(self.address(leaf) is not None for leaf in tree_leaves((args, kwargs))):
                return func(*args, **kwargs)
            if func._schema.is_mutable:
                return self._changed(func, name, args, kwargs)
            answer = func(*args, **kwargs)
            outs = [t for t in tree_leaves(answer) if isinstance(t, Tensor)]
            if name in LIKES or (all(t.untyped_storage().data_ptr() in self.storages for t in outs if t.numel()) and outs):
                return answer
            for out, address in zip(outs, self._answers(func, name, args, kwargs, outs), strict=False):
                self.made(out, address)
        except RefusedError as refusal:
            if not self.looking:
                raise refusal.at(self.place) from None
            answer = func(*args, **kwargs)
            for changed in tree_leaves((answer, args[:1] if func._schema.is_mutable else ())):
                if isinstance(changed, Tensor) and changed.numel():
                    self._storage(changed).refusal = refusal.at(self.place)
        return answer

    def _answers(self, func: Any, name: str, args: Any, kwargs: Any, outs: Sequence[Tensor]) -> list[Tensor]:
        if name in MOVES:
            return self._moved(func, name, args, kwargs)
        if name in KINDS:
            return self._operated(func, name, args, kwargs, outs)
        refusal = RefusedError(SAID.get(name, f"{name} is no part of a network"), HELP.get(name, ELSE))
        found = [a for leaf in tree_leaves((args, kwargs)) if (a := self.address(leaf)) is not None]
        if self.looking or len(found) > 1 or not outs or outs[0].shape != found[0].shape:
            raise refusal
        # It goes on as if nothing had happened, so that all that is wrong is found.
        self.problems.append(refusal.at(self.place))
        return [found[0]]

    def made(self, tensor: Tensor, address: Tensor) -> None:
        """Note the addresses of a tensor; whatever else looks at its storage sees them."""
        if not tensor.numel():
            return
        found = self._storage(tensor)
        found.addresses.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).copy_(address.expand(tensor.shape))
        found.whole = bool((found.addresses != NOTHING).all())

    def _storage(self, tensor: Tensor) -> Storage:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.storages:
            count = storage.nbytes() // tensor.element_size()
            self.storages[storage.data_ptr()] = Storage(torch.full((count,), NOTHING, dtype=torch.int64), tensor)
        return self.storages[storage.data_ptr()]

    def _number(self, node: GraphNode, output: int) -> int:
        key = (id(node), output)
        if key not in self.numbers:
            self.numbers[key] = len(self.sources)
            self.sources.append((node, output))
        return self.numbers[key]

    def _moved(self, func: Any, name: str, args: Any, kwargs: Any) -> list[Tensor]:
        kind = kwargs.get("dtype")
        if kind not in (None, torch.float32):
            raise RefusedError(f"its numbers become {kind}", "float32 is needed: model.float()")
        kept = {
            key: value
            for key, value in kwargs.items()
            if key not in ("dtype", "device", "layout", "pin_memory", "non_blocking")
        }

        def instead(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            address = self.address(leaf)
            # What is joined with constants has numbers that come from nowhere.
            joined = name in ("cat", "stack")
            return (
                torch.full(leaf.shape, NOTHING)
                if address is None and joined
                else leaf
                if address is None
                else address.contiguous()
            )

        leaves, form = tree_flatten((args, kept))
        args, kept = torch.utils._pytree.tree_unflatten([instead(leaf) for leaf in leaves], form)
        move = torch.clone if name == "_to_copy" else func
        return [t for t in tree_leaves(move(*args, **({} if name == "_to_copy" else kept))) if isinstance(t, Tensor)]

    def _changed(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Note what is written in place; everything that looks at it changes with it."""
        base, place = name.rstrip("_"), args[0]
        if base == "copy":
            source = self.address(args[1])
            new = torch.full(place.shape, NOTHING) if source is None else source.expand(place.shape)
        elif base in ("zero", "fill"):
            new = torch.full(place.shape, NOTHING)
        elif base in KINDS and name.endswith("_"):
            pure = getattr(getattr(torch.ops.aten, base), func._overloadname)
            (new,) = self._operated(pure, base, args, kwargs, [place])
        else:
            raise RefusedError(
                f"{name} changes numbers in place", HELP.get(name, HELP.get(base, "let it return a new tensor instead"))
            )
        answer = func(*args, **kwargs)
        self.made(place, new)
        return answer

    def read(self, address: Tensor) -> Read:
        """A tensor as one output of one node; what was moved around within features becomes a node of its own."""
        if bool((address == NOTHING).any()):
            raise RefusedError(
                "a part of its numbers does not come from the samples", "write constants into no tensor with data"
            )
        rows, shape = leading(address)
        origins, steps = origins_of(address).reshape(rows.numel(), -1), steps_of(rows).flatten()
        last = int(steps.argmax())
        pattern, late = origins[last], 0 < int(steps[last]) < AFTER
        # A recurrence may begin with something else: running the graph has to show that it comes to the same.
        if bool(((origins != pattern).any(1) & ~((steps == 0) & late)).any()):
            raise MiscalledError("reads samples row by row", ROWS)
        numbers = pattern >> FEATURE_BITS
        found = numbers.unique()
        if len(found) == 1:
            node, output = self.sources[int(found)]
            whole = torch.Size(node.shapes[output]).numel()
            if len(pattern) == whole and torch.equal(features_of(pattern), torch.arange(whole)):
                return Read(rows, node, output, shape)
        return Read(rows, self._assembly(rows, pattern, shape), 0, shape)

    def _assembly(self, rows: Tensor, pattern: Tensor, shape: Features) -> GraphNode:
        numbers = sources_of(pattern)
        found = list(dict.fromkeys(numbers.tolist()))
        places = [torch.nonzero(numbers == n).flatten() for n in found]
        parts = tuple((p, features_of(pattern)[p]) for p in places)
        outputs = [self.sources[n] for n in found]
        entries = [Entry(node, output, 0, node.shapes[output]) for node, output in outputs]
        key = ("assembly", identity(pattern, set()), shape)
        node = self._node(key, "assembly", [shape], Assembly(parts, shape))
        node.note(steps_of(rows), entries)
        return node

    def _node(
        self, key: Any, kind: str, shapes: list[Features], call: Any = None, module: nn.Module | None = None
    ) -> GraphNode:
        if key not in self.nodes:
            self.nodes[key] = GraphNode(kind, self.place, shapes, call, module)
        return self.nodes[key]

    def _operated(self, func: Any, name: str, args: Any, kwargs: Any, outs: Sequence[Tensor]) -> list[Tensor]:
        leaves, form = tree_flatten((args, kwargs))
        holes = [i for i, leaf in enumerate(leaves) if self.address(leaf) is not None]
        found = [a for i in holes if (a := self.address(leaves[i])) is not None]
        kind = "product" if name == "mul" and len(holes) > 1 else KINDS[name]
        self._check(name, kind, holes, leaves, func)
        if name == "sum" and (parts := self._stacked(found[0], self._dims(func, args, kwargs, found[0].ndim))):
            return [reduce(self._added, parts)]
        if kind in ELEMENTWISE or len(holes) > 1:
            found = [address.expand(outs[0].shape) for address in found]
        reads = [self.read(address) for address in found]
        now, entries = self._timed(reads)
        lead = reads[0].rows.ndim
        if name in REDUCING:
            dims = self._dims(func, args, kwargs, found[0].ndim)
            if min(dims) < lead:
                return self._over_time(name, dims, reads[0], entries)
            at = next(i for i, leaf in enumerate(args) if i and leaf is not None)
            counted = [d - lead + 1 for d in dims]
            leaves, form = tree_flatten(
                ((*args[:at], counted if isinstance(args[at], list | tuple) else counted[0], *args[at + 1 :]), kwargs)
            )
        if outs[0].shape[:lead] != reads[0].rows.shape:
            raise MiscalledError(f"{name} mixes steps or samples", ROWS)
        shapes = [tuple(t.shape[lead:]) for t in outs if t.shape[:lead] == outs[0].shape[:lead]]
        if kind in ELEMENTWISE or kind == "product":
            leaves = [leaf if i in holes else self._narrowed(leaf, len(shapes[0])) for i, leaf in enumerate(leaves)]
        node = self._called(func, kind, leaves, form, holes, entries, shapes, int(now.max()))
        node.note(now, entries)
        rows = row(now, samples_of(reads[0].rows))
        return [addresses(rows, self._number(node, i), shape) for i, shape in enumerate(shapes)]

    @staticmethod
    def _stacked(address: Tensor, dims: list[int]) -> list[Tensor]:
        """What is added up along an axis on which different things lie side by side, or one alone; none where it is steps or
        features of one."""
        rows = rows_of(address)
        axis = dims[0]
        if len(dims) > 1 or axis >= leading(address)[0].ndim or bool((address == NOTHING).any()):
            return []
        parts = list(address.unbind(axis))
        samples, steps, first = samples_of(rows), steps_of(rows), sources_of(parts[0])
        alike = bool((samples == samples.narrow(axis, 0, 1)).all())
        at_once = bool(((steps == steps.narrow(axis, 0, 1)) & (steps != ALWAYS)).all())
        return parts if alike and (at_once or any(not torch.equal(sources_of(p), first) for p in parts)) else []

    def _added(self, one: Tensor, other: Tensor) -> Tensor:
        """The addresses of a sum of two."""
        reads = [self.read(one), self.read(other)]
        now, entries = self._timed(reads)
        form = tree_flatten(((None, None), {}))[1]
        add, shape = torch.ops.aten.add.Tensor, reads[0].shape
        node = self._called(add, "sum of", [None, None], form, [0, 1], entries, [shape], int(now.max()))
        node.note(now, entries)
        return addresses(row(now, samples_of(reads[0].rows)), self._number(node, 0), shape)

    def _check(self, name: str, kind: str, holes: list[int], leaves: list[Any], func: Any) -> None:
        if name in WEIGHTED and len(holes) > 1:
            raise RefusedError(f"{name} multiplies what two layers answer", HELP["bmm"])
        if name in WEIGHTED and holes[0] != (1 if name == "addmm" else 0):
            raise RefusedError(f"{name} takes for a weight what comes from the samples", HELP["bmm"])
        if (name == "div" and len(holes) > 1) or (name == "div" and holes[0] != 0):
            raise RefusedError("it divides by what a layer answers", ELSE)
        names = [a.name for a in func._schema.arguments]
        if kind == "norm" and "training" in names and leaves[names.index("training")]:
            raise RefusedError("it normalises by what it sees", "call model.eval() first; it needs track_running_stats=True")

    def _timed(self, reads: list[Read]) -> tuple[Tensor, list[Entry]]:
        """(the step at which each row is computed, what is read with its delay)."""
        steps = [steps_of(read.rows) for read in reads]
        if any(s.shape != steps[0].shape for s in steps):
            raise MiscalledError("it mixes numbers of other steps or samples", ROWS)
        now = torch.stack(steps).amax(0)
        entries = []
        for read, step in zip(reads, steps, strict=True):
            late = (now - step).unique().tolist() if bool((step != ALWAYS).any()) else [0]
            if len(late) > 1 or not 0 <= late[0] < AFTER // 2:
                raise RefusedError(
                    "it mixes steps that are not the same number of steps apart everywhere", "let every step do the same"
                )
            if not torch.equal(samples_of(read.rows), samples_of(reads[0].rows)):
                raise RefusedError("it mixes samples", "a sample must not depend on the others")
            entries.append(read.entry(late[0]))
        return now, entries

    @staticmethod
    def _dims(func: Any, args: Any, kwargs: Any, ndim: int) -> list[int]:
        at = (
            [a.name for a in func._schema.arguments].index("dim")
            if any(a.name == "dim" for a in func._schema.arguments)
            else -1
        )
        given = kwargs.get("dim", args[at] if 0 < at < len(args) else None)
        dims = [given] if isinstance(given, int) else list(given or ())
        if not dims:
            raise RefusedError("it reduces all samples to one number", "say over which axes: dim=")
        return [d % ndim for d in dims]

    def _over_time(self, name: str, dims: list[int], read: Read, entries: list[Entry]) -> list[Tensor]:
        samples = samples_of(read.rows)
        axis = dims[0]
        if len(dims) > 1 or not bool((samples == samples.narrow(axis, 0, 1)).all()):
            raise RefusedError(
                f"{name} over samples, or over steps and features at once", "one after the other: x.mean(0).mean(...)"
            )
        total = SUMS[name]
        kind = f"{'max' if name == 'amax' else name} over time"
        node = self._node((kind, entries[0].key), kind, [read.shape], lambda x: total(x, 0))
        node.note(steps_of(read.rows), entries)
        node.over_time = True
        rows = row(AFTER, samples.narrow(axis, 0, 1).squeeze(axis))
        return [addresses(rows, self._number(node, 0), read.shape)]

    @staticmethod
    def _narrowed(leaf: Any, axes: int) -> Any:
        """A constant without the axes that stand for steps and samples."""
        if not isinstance(leaf, Tensor) or leaf.ndim <= axes:
            return leaf
        rows = leaf.reshape(-1, *leaf.shape[leaf.ndim - axes :])
        if not bool((rows == rows[:1]).all()):
            raise RefusedError(
                "a constant is another one at other steps or for other samples", "weights must not depend on the step"
            )
        return rows[0]

    def _called(
        self,
        func: Any,
        kind: str,
        leaves: list[Any],
        form: Any,
        holes: list[int],
        entries: list[Entry],
        shapes: list[Features],
        step: int,
    ) -> GraphNode:
        """The node of an operation: the one of an earlier step, if that did the same with the same."""
        known = [identity(leaf, self.lasting) for i, leaf in enumerate(leaves) if i not in holes]
        key: tuple[Any, ...] = (str(func), tuple(known), tuple("past" if e.delay else e.key for e in entries), tuple(shapes))
        if any(e.delay for e in entries):
            # Those that differ in their past alone are told apart by their order within a step.
            past, mine = self.alike.setdefault((key, step), []), [e.key for e in entries]
            if mine not in past:
                past.append(mine)
            key = (*key, past.index(mine))
        if key not in self.nodes:
            kept = [self._kept(leaf) if i not in holes else None for i, leaf in enumerate(leaves)]
            self.nodes[key] = GraphNode(kind, self.place, shapes, AtenCall(func, tuple(kept), form, tuple(holes)))
        return self.nodes[key]

    def _kept(self, leaf: Any) -> Any:
        """A constant that stays what it is when the model changes its own."""
        if not isinstance(leaf, Tensor) or leaf.untyped_storage().data_ptr() in self.lasting:
            return leaf
        return leaf.detach().clone()

    def fires(
        self,
        module: nn.Module,
        moments: Callable[[Sequence[int]], Tensor],
        given: Tensor,
        states: list[Tensor],
        answers: dict[int, Tensor],
    ) -> Tensor:
        """Note one call of neurons, of which nothing inside is seen.

        *moments*: of the shape of the leading axes, which step of the call each row is. *states*: what they were told of
        before; *answers*: their outputs by number. Returns the addresses of what was given, as if they were their own.
        """
        address, due = self.address(given), self.calls.get(id(module), 0)
        if address is None:
            raise RefusedError("reads nothing that comes from the samples", "a layer has to stand before it", self.place)
        read = self.read(address)
        steps = steps_of(read.rows)
        wanted = due + moments(read.rows.shape)
        if not bool(((steps == wanted) | (steps == ALWAYS)).all()):
            seen = sorted(set(steps.flatten().tolist()))
            raise MiscalledError(
                f"is called for step {_words(seen)} where step {due} would be next", "each once per step", self.place
            )
        self._check_states(module, states, due)
        self.calls[id(module)] = int(wanted.max()) + 1
        node = self._node(("neuron", id(module)), "neuron", [read.shape] * (1 + max(answers)), module=module)
        node.shapes += [read.shape] * (1 + max(answers) - len(node.shapes))
        node.note(wanted, [read.entry()])
        rows = row(wanted, samples_of(read.rows))
        for number, out in answers.items():
            lead = rows if out.numel() == given.numel() else rows[-1]
            self.made(out, addresses(lead, self._number(node, number), read.shape).reshape(out.shape))
        return addresses(rows, 0, read.shape).reshape(given.shape)

    def _check_states(self, module: nn.Module, states: list[Tensor], due: int) -> None:
        for state in states:
            address = self.address(state)
            if address is None and (due or bool((state != 0).any())):
                what = "begins anew" if due else "begins with a state that is not zero"
                raise RefusedError(
                    f"{what} at step {due}", "pass on the state that it returned, and begin with none", self.place
                )
            if address is not None:
                kept = rows_of(address), sources_of(address)
                own = {n for n, (node, _) in enumerate(self.sources) if node.module is module}
                if set(kept[1].unique().tolist()) - own or set(steps_of(kept[0]).unique().tolist()) != {due - 1}:
                    raise RefusedError(
                        "its state is not its own of the step before", "pass on the state that it returned", self.place
                    )


def _words(steps: list[int]) -> str:
    names = {ALWAYS: "any", AFTER: "after the last"}
    told = [names.get(s, str(s)) for s in steps]
    return told[0] if len(told) == 1 else f"{told[0]} to {told[-1]}"
