"""The house rules, checked from the source text: arrows point down, calls included; heavy imports stay in their rooms."""

import ast
import re
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neurosim"
ROOMS = {"numba": ["kernels"], "h5py": ["io"], "torch": ["training", "frameworks"], "simpy": ["noc"], "plotly": ["report"]}
# From the bottom up. A module may import from lower floors and from its own room.
FLOORS = [
    {"version", "errors", "bits", "saving", "schema"},
    {"families"},
    {"kernels"},
    {"noc", "network"},
    {"chip", "events"},
    {"spikes"},
    {"mapping"},
    {"cost"},
    {"timing"},
    {"outcome"},
    {"io"},
    {"training", "frameworks", "explore"},
    {"report"},
    {"exports"},
    {"api"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
USES = (ast.Name, ast.Attribute)
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(("neurosim", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): p for p in FILES}


def imports(path):
    """The full names of all that a file imports, inside functions too: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relative to itself"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(name):
    """The module of the package that an imported name is, or lies in; none for others."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(name):
    return name.split(".")[1] if "." in name else "__init__"


def floor(name):
    return next(i for i, rooms in enumerate(FLOORS) if room(name) in rooms)


def test_rooms_are_few_and_all_have_a_floor():
    top = {p.stem for p in PACKAGE.glob("*.py")}
    assert len(top) <= 10, top
    assert {room(name) for name in MODULES} <= set().union(*FLOORS)


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_down(name):
    for imported in filter(None, map(module, imports(MODULES[name]))):
        same = room(imported) == room(name)
        assert same or floor(imported) < floor(name), f"{name} ({room(name)}) imports {imported}, which is not below it"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_face_and_the_commands_import_by_name(name):
    """An arrow in a string is one that the tests above cannot see: it may start at the top alone, where all arrows go down."""
    nodes = ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    by_name = {"import_module", "__import__"} & {ast.unparse(node).split(".")[-1] for node in nodes if isinstance(node, USES)}
    assert not by_name or room(name) in ("__init__", "cli"), f"{name} uses {by_name}"


def test_no_module_reaches_itself():
    arrows = defaultdict(set)
    for name, path in MODULES.items():
        # The face of the package stands on everything, and what is above it uses it by name.
        arrows[name] = {found for found in map(module, imports(path)) if found not in (name, "", "neurosim")}
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        raise AssertionError("a circle: " + " -> ".join(reversed(error.args[1]))) from None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_imports_stay_in_their_rooms(path):
    for name in imports(path):
        rooms = ROOMS.get(name.split(".")[0])
        assert rooms is None or path.relative_to(PACKAGE).parts[0] in rooms, f"{path.name} imports {name}"


def test_no_code_knows_a_chip_by_name():
    presets = [p.stem for p in (PACKAGE / "presets").glob("*.toml")]
    assert presets
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for name in presets:
            uses = text.count(f'"{name}"')
            allowed = 1 if path.name == "presets.py" and name == "lp45" else 0
            documented = text.count(f'base = "{name}"')
            assert uses - documented <= allowed, f"{path.name} names {name}"


@pytest.mark.parametrize("name", MODULES)
def test_what_a_docstring_points_to_exists(name):
    for reference in re.findall(r"`(neurosim(?:\.\w+)+)`", MODULES[name].read_text(encoding="utf-8")):
        found = module(reference)
        rest = reference.removeprefix(found).strip(".").split(".")[0]
        text = MODULES[found].read_text(encoding="utf-8")
        assert not rest or re.search(rf"^(def|class) {rest}\b|^{rest}\b", text, re.MULTILINE), f"{name}: {reference}"


def test_one_class_name_stands_for_one_thing():
    homes = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)
    assert not {name: where for name, where in homes.items() if len(where) > 1}
