"""Imports go one way: from faces to engine to backends to kernels, and down between the rooms of kernels."""

import ast
import functools
from collections import Counter

import pytest
from support import REPOSITORY

BASE = (
    "archives", "arrays", "json_values", "lazy_names", "memory", "messages", "parameters", "reference", "whole_files",
)  # fmt: skip
LAYERS = [  # from the lowest; what stands in one line may import what stands in lines above it only
    {"kernels"},
    set(BASE),
    {"array_checks"},
    {"datasets", "sources", "weights"},
    {"label_files"},
    {"door"},
    {"backends"},
    {"engine"},
    {"preparation", "results"},
    {"explaining", "functional", "metrics", "persistence"},
    {"choosing_k", "estimators"},
    {"dask", "plot"},
    {"reporting"},
    {""},  # kmeans_fast itself, whose names are loaded when they are asked for
    {"cli"},
    {"__main__"},
]
ROOMS = [
    {"machine", "runtime"},
    {"exact"},
    {"scoring"},
    {"assignment", "seeding"},
    {"runs"},
]  # likewise, in kernels/cpu
KNOWN_CYCLES: list[set[str]] = []  # of modules, without "kmeans_fast."; none may come


@functools.cache
def modules():
    """Every module by name, without "kmeans_fast.": its file, and whether it is a package."""
    found = {}
    for base, prefix in (("kmeans_fast", ()), ("kernels", ("kernels",))):
        for path in sorted((REPOSITORY / base).rglob("*.py")):
            parts = path.relative_to(REPOSITORY / base).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            found[".".join(prefix + parts[: len(parts) - is_package])] = path, is_package
    return found


def statements(node):
    """All nodes below one, without what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (below for other in child.orelse for below in (other, *statements(other)))
        else:
            yield child
            yield from statements(child)


def imported(name, statement):
    """The full names of what a statement of the module imports: modules, or names in them."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if not isinstance(statement, ast.ImportFrom):
        return []
    package = ["kmeans_fast", *filter(None, name.split("."))]
    package = package[: len(package) - statement.level + modules()[name][1]]
    base = [*(package if statement.level else []), *([statement.module] if statement.module else [])]
    return [".".join([*base, alias.name]) for alias in statement.names]


@functools.cache
def imports(name):
    """What a module imports, anywhere in it: its own package's modules, and the names of other packages."""
    own, others = set(), set()
    for statement in statements(ast.parse(modules()[name][0].read_text(encoding="utf-8"))):
        for full in imported(name, statement):
            top, _, rest = full.partition(".")
            if top != "kmeans_fast":
                others.add(top)
            else:
                own.add(rest if rest in modules() else rest.rpartition(".")[0])
    return own - {name}, others


def arrows(within=""):
    """Pairs of modules, the first of which imports the second; those whose names begin with `within`."""
    chosen = [name for name in modules() if name.startswith(within)]
    return [(name, other) for name in chosen for other in imports(name)[0] if other.startswith(within)]


def upward(pairs, place, order):
    """The pairs that do not go down in an order, `place` being the element of it that a module belongs to."""
    rank = {name: at for at, level in enumerate(order) for name in level}
    places = {place(name) for pair in pairs for name in pair}
    assert places <= set(rank), f"name the place of {sorted(places - set(rank))} in this test"
    return [(a, b) for a, b in pairs if place(a) != place(b) and rank[place(a)] <= rank[place(b)]]


def test_layers_import_only_lower_ones():
    assert upward(arrows(), lambda name: name.partition(".")[0], LAYERS) == []


def test_rooms_of_kernels_import_only_lower_ones():
    prefix = "kernels.cpu."
    assert upward(arrows(prefix), lambda name: name.split(".")[2], ROOMS) == []


@pytest.mark.parametrize("one", ["cpu", "cuda"])
def test_no_device_imports_the_other_ones_kernels(one):
    other = {"cpu": "cuda", "cuda": "cpu"}[one]
    assert [pair for pair in arrows("kernels") if one in pair[0].split(".") and other in pair[1].split(".")] == []
    shared = [pair for pair in arrows("kernels") if not {"cpu", "cuda"} & set(pair[0].split("."))]
    assert [pair for pair in shared if one in pair[1].split(".")] == []


def cycles():
    """Sets of modules each of which reaches the others (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in imports(name)[0]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            at = stack.index(name)
            component = set(stack[at:])
            del stack[at:]
            if len(component) > 1:
                found.append(component)

    for name in modules():
        if name not in index:
            visit(name)
    return found


def test_modules_do_not_import_each_other():
    assert cycles() == KNOWN_CYCLES


@pytest.mark.parametrize("layer", ["kernels", "backends", "engine", "sources", "door", *BASE])
def test_nothing_below_the_faces_imports_scikit_learn(layer):
    chosen = [name for name in modules() if name.partition(".")[0] == layer]
    assert chosen
    assert [name for name in chosen if "sklearn" in imports(name)[1]] == []


def test_files_of_kernels_have_names_of_their_own():
    """Compiled code is kept under the last part of a module's name."""
    names = Counter(name.rpartition(".")[2] for name, (_, package) in modules().items() if "kernels.cpu." in name)
    assert [name for name, count in names.items() if count > 1] == []


def test_imports_are_seen_wherever_they_are():
    """Otherwise the tests above prove nothing."""
    assert ("kernels.cpu.assignment.dense", "kernels.cpu.scoring.tile") in arrows()
    assert ("cli.info", "kernels.cpu.machine.host") in arrows()  # inside a function
    tree = ast.parse("if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    import c")
    assert [alias.name for node in statements(tree) if isinstance(node, ast.Import) for alias in node.names] == [*"bc"]
    pairs = [("engine.fit", "kernels.cache"), ("kernels.cache", "engine.fit"), ("engine.fit", "engine.lloyd")]
    assert upward(pairs, lambda name: name.partition(".")[0], LAYERS) == pairs[1:2]
