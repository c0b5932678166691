"""What the pages in docs/ name is there: files, names in them, links; and the examples of how to add something run."""

import ast
import functools
import importlib
import re
import sys
import types

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import REPOSITORY, rows

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast import door, reference, sources

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
SUFFIXES = ("py", "cu", "hpp", "md", "svg", "png", "jpg", "toml", "json", "yml", "yaml")
FILE = re.compile(rf"^[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:{'|'.join(SUFFIXES)})(?::([\w.]+))?)$")
DOTTED = re.compile(r"^(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*(?:\(\))?$")
# Names of other packages, and of variables in examples.
OTHERS = ("np.", "numpy.", "sklearn.", "torch.", "cupy.", "cuml.", "threadpoolctl.")
OTHERS += ("self.", "X.", "model.", "km.", "result.")
ROOMS = ("", ".engine", ".estimators", ".backends", ".backends.cpu", ".backends.cuda", ".kernels")


def spans(text):
    """What is in code font: inside backquotes, outside blocks of code."""
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def has_name(path, name):
    """Whether a source defines a name, a method of a class by both."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return re.search(rf"\b{re.escape(name)}\b", text) is not None
    tree, *parts = ast.parse(text), *name.split(".")
    body = tree.body
    for part in parts:
        found = [node for node in body if part in _names(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def _names(node):
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return {node.name}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {
        name.id for target in targets if target is not None for name in ast.walk(target) if isinstance(name, ast.Name)
    }


@functools.cache
def _module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def resolves(dotted):
    """Whether a dotted name is something of the package, its beginning a module or a class in one of the `ROOMS`."""
    first, *rest = dotted.removesuffix("()").removeprefix("kmeans_fast.").split(".")
    for room in ROOMS:
        owner = _module(f"kmeans_fast{room}")
        for at, part in enumerate([first, *rest]):
            inner = getattr(owner, part, None)
            if inner is None and hasattr(owner, "__annotations__") and part in owner.__annotations__:
                return at == len(rest)
            if inner is None and hasattr(owner, "__path__"):
                inner = _module(f"{owner.__name__}.{part}")
            owner = inner
            if owner is None:
                break
        else:
            return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_names_are_there(page):
    missing = []
    for span in spans(page.read_text(encoding="utf-8")):
        found = FILE.match(span)
        if found:
            path = REPOSITORY / span.partition(":")[0]
            if not path.exists() or (found[1] and not has_name(path, found[1])):
                missing.append(span)
        elif DOTTED.match(span) and not span.startswith(OTHERS) and not resolves(span):
            missing.append(span)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", text)):
        if "://" in target:
            continue
        other = page.parent / target if target else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_are_short(page):
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if len(line) > 120] == []


def test_the_picture_of_the_architecture_has_all_backends():
    picture = (REPOSITORY / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert {*kmeans_fast.available_backends()} - {*re.findall(r'class="t"[^>]*>(\w+)<', picture)} == set()


def test_every_public_name_has_a_page():
    """That of the package, and of the rooms that are names of it."""
    listed = re.findall(
        r"^   ([A-Za-z][\w.]*)$", (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(listed) == len(set(listed))
    public = {*kmeans_fast.__all__} - {"__version__"}
    for room in {*dir(kmeans_fast)} - {*kmeans_fast.__all__}:
        module = getattr(kmeans_fast, room)
        names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        public |= {f"{room}.{name}" for name in names if not isinstance(getattr(module, name), types.ModuleType)}
    assert public - {*listed} == set()
    assert [name for name in listed if not resolves(name)] == []


# ---- how to add something ------------------------------------------------------------------------------------------

BLOCK = re.compile(r"^```(py|diff) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8"))
FILES = {path: code for kind, path, code in BLOCKS if kind == "py"}
CHANGES = {path: code for kind, path, code in BLOCKS if kind == "diff"}


@pytest.fixture
def written(monkeypatch):
    """``written(path)``: the module that the page has as this file."""

    def imported(path):
        name = path.removesuffix(".py").replace("/", ".")
        module = types.ModuleType(name)
        module.__package__ = name.rpartition(".")[0]
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(FILES[path], path, "exec"), module.__dict__)
        return module

    return imported


@pytest.mark.parametrize("path", CHANGES)
def test_lines_that_change_are_there(path):
    """In this order, and nothing but what is new is missing."""
    there, at = (REPOSITORY / path).read_text(encoding="utf-8").splitlines(), 0
    for line in CHANGES[path].splitlines():
        if line != "..." and not line.startswith("+"):
            assert line[1:] in there[at:]
            at = there.index(line[1:], at) + 1


def test_sizes_of_the_examples():
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    new = [sum(line.startswith("+") for line in change.splitlines()) for change in CHANGES.values()]
    sizes = [(code.count("\n"), lines) for code, lines in zip(FILES.values(), new)]
    told = re.findall(r"\*\*Size: one file of (\d+) lines, (\w+) lines? elsewhere\.\*\*", page)
    assert [(int(lines), {"one": 1, "two": 2}[elsewhere]) for lines, elsewhere in told] == sizes


def fitted(X, k, **options):
    return kmeans_fast.kmeans(X, k, seed=1, tol=0.0, **options)


def assert_is_the_references(found, X, k):
    start = X[reference.kmeans_plusplus(X, None, k, 1)]
    wanted = reference.lloyd(X, None, start, tol=0.0)
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)
    assert (found.inertia, found.n_iter) == (wanted.inertia, wanted.n_iter)


def test_adding_a_technique(written, monkeypatch):
    from kmeans_fast.backends.cpu import techniques

    float64 = written("kmeans_fast/backends/cpu/techniques/float64.py").Float64
    monkeypatch.setattr(techniques, "TECHNIQUES", (*techniques.TECHNIQUES[:-1], float64, techniques.TECHNIQUES[-1]))
    monkeypatch.setattr(techniques.CHOICE, "ways", techniques.TECHNIQUES)
    X = rows(400, 5, np.float32)
    with registry.use_technique("float64"):
        found = fitted(X, 6, device="cpu")
    assert {step.path for step in found.history} == {"float64"}
    assert_is_the_references(found, X, 6)


def test_adding_an_estimator(written):
    X = rows(300, 4, np.float64)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    model = written("kmeans_fast/estimators/spherical.py").SphericalKMeans(5, random_state=0).fit(X)
    assert np.abs(np.linalg.norm(model.cluster_centers_, axis=1) - 1).max() < 1e-15
    assert_array_equal(model.predict(X), (X @ model.cluster_centers_.T).argmax(axis=1))


def test_adding_a_source(written, monkeypatch, tmp_path):
    archive = written("kmeans_fast/sources/archive.py").Archive
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, archive))
    X = rows(300, 4, np.float32)
    np.savez(tmp_path / "x.npz", *np.split(X, [70, 200]))
    for share in (0.0, 0.5):
        monkeypatch.setattr(door, "_ARRAY_SHARE", share)
        assert_is_the_references(fitted(archive(tmp_path / "x.npz"), 6), X, 6)


@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e130])
@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_adding_a_backend(written, monkeypatch, kind, scale):
    blas = written("kmeans_fast/backends/blas.py").BlasBackend()
    monkeypatch.setattr(registry, "BACKENDS", (*registry.BACKENDS, blas))
    X = rows(300, 4, np.float64, kind) * scale
    with kmeans_fast.use_backend("blas"):
        assert_is_the_references(fitted(X, 6), X, 6)
