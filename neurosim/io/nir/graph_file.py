"""The graph in a NIR file, nested graphs laid flat."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py

from neurosim.errors import FileError
from neurosim.io.hdf5 import MAX_TEXT, Node, opening

Edge = tuple[str, str]
# Groups visited at most, and how deep: hard links can make a group its own child.
MAX_GROUPS = 20_000
MAX_DEPTH = 24
MAX_EDGES = 100_000
MAX_LOST = 64
ROWS = 16
PLUMBING = ("nodes", "edges", "metadata", "type")
# What fields are called elsewhere.
ALIASES = {"R": "r", "v_th": "v_threshold", "v_thr": "v_threshold", "vthr": "v_threshold", "kernel": "kernel_size"}


@dataclass(frozen=True, eq=False)
class NirNode:
    """A node: its type by NIR's name, and its datasets by name: arrays as they are stored, or text."""

    name: str
    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes by name, those of a nested graph as "graph.node", and edges between them.

    Input and Output nodes of nested graphs are of the kind "Through". *lost*: what the file says of itself, where neurosim
    wrote it, that the nodes do not say.
    """

    nodes: dict[str, NirNode] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def of_kind(self, *kinds: str) -> list[NirNode]:
        return [node for node in self.nodes.values() if node.kind in kinds]


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """The graph in the file; raises FileError with everything that is wrong with the file."""
    with opening(path) as (_, root):
        found = Graph()
        if "node" not in root or (top := root.child("node")) is None:
            root.say("it has no group 'node'; this is not a NIR file")
            return found
        reader = _GraphReader(found, root.problems)
        if reader.kind(top) == "NIRGraph" or "nodes" in top:
            reader.graph(top, "", 0)
        else:
            reader.node(top, "node", "node", 0)
        found.lost.extend(_lost(top))
    return found


class _GraphReader:
    """Collects nodes and edges into a flat graph."""

    def __init__(self, graph: Graph, problems: list[str]):
        self.found = graph
        self.problems = problems
        self.groups = 0

    def graph(self, group: Node, prefix: str, depth: int) -> tuple[list[str], list[str]]:
        """Add the graph in *group*; the names of the nodes where it begins and where it ends."""
        nodes = group.child("nodes")
        ends: dict[str, tuple[list[str], list[str]]] = {}
        for name, child in self._children(nodes, depth) if nodes is not None else ():
            ends[name] = self.node(child, name, prefix + name, depth)
        edges = _edges(group)
        if len(set(edges)) < len(edges):
            twice = sorted({e for e in edges if edges.count(e) > 1})[:3] if len(edges) < 10_000 else "some"
            group.say(f"edges are there more than once: {twice}; whether that means twice the input, NIR does not say")
        for source, target in dict.fromkeys(edges):
            missing = [n for n in (source, target) if n not in ends]
            if missing:
                named = " and no ".join(repr(n[:80]) for n in missing)
                group.say(f"edge {source[:80]!r} -> {target[:80]!r}: there is no node {named}")
                continue
            self._connect(group, source, ends[source][1], target, ends[target][0])
        targets, sources = {b for _, b in edges}, {a for a, _ in edges}
        given = [[n for n in ends if self._is(prefix + n, kind)] for kind in ("Input", "Output")]
        begins = given[0] or [n for n in ends if n not in targets]
        finishes = given[1] or [n for n in ends if n not in sources]
        return [x for n in begins for x in ends[n][0]], [x for n in finishes for x in ends[n][1]]

    def node(self, group: Node, name: str, full: str, depth: int) -> tuple[list[str], list[str]]:
        """Add a node, or all nodes of a nested graph; where edges to it lead, and where those from it begin."""
        kind = self.kind(group)
        if kind == "NIRGraph":
            entries, exits = self.graph(group, f"{full}.", depth + 1)
            for end in {*entries, *exits}:
                node = self.found.nodes[end]
                if node.kind in ("Input", "Output"):
                    self.found.nodes[end] = NirNode(end, "Through", node.fields)
            return entries, exits
        if not kind:
            group.say("dataset 'type' is missing")
        if full in self.found.nodes:
            group.say(f"there are two nodes {full!r} once nested graphs are laid flat")
        self.found.nodes[full] = NirNode(full, kind, _fields(group))
        return [full], [full]

    def kind(self, group: Node) -> str:
        return group.word("type") or _decoded(group.group.attrs.get("type", ""))

    def _is(self, full: str, kind: str) -> bool:
        return full in self.found.nodes and self.found.nodes[full].kind == kind

    def _connect(self, group: Node, source: str, exits: list[str], target: str, entries: list[str]) -> None:
        for name, ends, word in ((source, exits, "end"), (target, entries, "begin")):
            if len(ends) != 1:
                group.say(f"graph {name!r} has {len(ends)} nodes where it can {word}; an edge needs exactly one")
        if len(exits) == len(entries) == 1:
            self.found.edges.append((exits[0], entries[0]))

    def _children(self, group: Node, depth: int, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """The nodes in a group; a name with slashes is a group within a group."""
        if depth + prefix.count("/") > MAX_DEPTH:
            # Whatever else would be said of such a file follows from it.
            problem = f"graphs and names are nested more than {MAX_DEPTH} deep; is a graph inside itself?"
            raise FileError(group.group.file.filename, [problem])
        for name in group.group:
            if self.groups > MAX_GROUPS:
                return
            if (prefix and name in PLUMBING) or name not in group or group.group.get(name, getclass=True) is not h5py.Group:
                continue
            self.groups += 1
            if self.groups > MAX_GROUPS:
                group.say(f"there are more than {MAX_GROUPS:,} groups")
                return
            child = Node(group.group[name], self.problems)
            if self.kind(child):
                yield prefix + name, child
            if self.kind(child) != "NIRGraph" and _has_groups(child):
                yield from self._children(child, depth, f"{prefix}{name}/")
            elif not self.kind(child):
                child.say("dataset 'type' is missing")


def _has_groups(group: Node) -> bool:
    known = (*PLUMBING, "input_type", "output_type")
    return any(group.group.get(n, getclass=True) is h5py.Group for n in group.group if n not in known)


def _fields(group: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in group.group:
        if name in PLUMBING or name not in group:
            continue
        item = group.group.get(name)
        if isinstance(item, h5py.Group) and name in ("input_type", "output_type"):
            inner = Node(item, group.problems)
            key = name.removesuffix("_type")
            item, group_of, label = item.get(key) if key in inner else None, inner, key
        else:
            group_of, label = group, name
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            value = group_of.array(label, "iufb", None) if item.dtype.kind in "iufb" else group_of.word(label)
            if value is not None:
                found[ALIASES.get(name, name)] = value
    return found


def _lost(top: Node) -> list[str]:
    """What neurosim noted in the metadata; nothing where another program wrote them."""
    metadata = top.child("metadata") if "metadata" in top else None
    try:
        told = json.loads((metadata and metadata.word("neurosim")) or "{}")
    except (ValueError, RecursionError):
        return []
    lost = told.get("lost") if isinstance(told, dict) else None
    return [text for text in lost[:MAX_LOST] if isinstance(text, str)] if isinstance(lost, list) else []


def _decoded(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _edges(group: Node) -> list[Edge]:
    """Pairs of names."""
    item = group.group.get("edges") if "edges" in group else None
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        group.say("dataset 'edges' is missing")
        return []
    if item.size == 0:
        return []
    text = item.dtype.kind == "S" or (item.dtype.kind == "O" and h5py.check_string_dtype(item.dtype))
    if not text or item.ndim != 2 or item.shape[1] != 2 or item.external or item.is_virtual:
        group.say(f"dataset 'edges' is {item.dtype} {list(item.shape)}; needed: text [edges, 2]")
        return []
    if len(item) > MAX_EDGES or item.nbytes > MAX_TEXT * 4:
        group.say(f"dataset 'edges' holds {len(item):,} edges; at most {MAX_EDGES:,} are taken")
        return []
    found: list[Edge] = []
    length = 0
    for first in range(0, len(item), ROWS):
        rows = item[first : first + ROWS]
        length += sum(len(x) for row in rows for x in row)
        if length > MAX_TEXT:
            group.say(f"the names in 'edges' are longer than {MAX_TEXT:,} letters together")
            return []
        found += [(_decoded(a), _decoded(b)) for a, b in rows]
    return found
