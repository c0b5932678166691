"""What the pages in docs/ name is there: files, names in them, links; and their Python runs."""

import ast
import functools
import importlib
import re

import pytest
from support import REPOSITORY

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
SUFFIXES = ("py", "cu", "hpp", "md", "svg", "png", "jpg", "toml", "json", "yml", "yaml")
FILE = re.compile(rf"^[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:{'|'.join(SUFFIXES)})(?::([\w.]+))?)$")
DOTTED = re.compile(r"^(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*(?:\(\))?$")
OTHERS = ("np.", "numpy.", "self.", "sklearn.", "torch.", "cupy.")  # names of other packages
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


def test_python_runs(tmp_path, monkeypatch):
    """Each block of Python that is no diff or part of a file, on its own."""
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        for code in re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            exec(compile(code, page.name, "exec"), {"__name__": page.stem})
