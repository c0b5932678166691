"""Every block of code in the README and in docs/ does what it says, and prints what the page says.

The blocks of a page run one after the other, in a folder of their own, with `X`, `new`, `w` and the files of `here`:

* ``python`` is executed, all of a page in one namespace; where it names "cuda", on a simulated GPU;
* ``sh``: commands of kmeans-fast run, installs name extras that there are;
* ``text`` right after one of these is what it prints; ``...`` stands for anything;
* ``py`` and ``diff`` with the path of a file are examples of how to add something, which `test_docs.py` runs.

A block that cannot run has a comment before it, ``<!-- not run: the reason -->``.
"""

import doctest
import re
import shlex
import sys
from typing import NamedTuple

import numpy as np
import pytest
from support import REPOSITORY

from kmeans_fast import backends as registry
from kmeans_fast.cli import main
from simulator.build import COMPILER
from simulator.device import SimBackend, SimDevice

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n+)?```(?P<language>[^\s`]*) ?(?P<path>\S*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    language: str
    path: str
    code: str
    reason: str  # why it is not run
    where: str
    printed: str | None  # what it prints, where the page says it


def blocks(page):
    """The blocks of a page, but for directives of Sphinx."""
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for match in BLOCK.finditer(text):
        where = f"{page.name}:{text.count(chr(10), 0, match.start('language')) + 1}"
        if match["language"].startswith("{"):
            continue
        if match["language"] == "text" and found and not match["reason"] and not text[end : match.start()].strip():
            found[-1] = found[-1]._replace(printed=match["code"])
            continue
        end = match.end()
        found.append(Block(*match.group("language", "path", "code"), match["reason"] or "", where, None))
    return found


OF_PAGES = {page.stem: blocks(page) for page in PAGES}
WITH_BLOCKS = [name for name, found in OF_PAGES.items() if any(one.language in ("python", "sh") for one in found)]


class OnSimulatedGpu(SimBackend):
    """The CUDA backend on a simulated device, for whoever asks for a GPU."""

    devices = ("cuda",)

    def declines(self, problem):
        return ""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files that pages speak of, and the names that they use."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib").use("Agg")
    rng = np.random.default_rng(0)
    centers = rng.normal(scale=10.0, size=(4, 4))
    points = centers[rng.integers(0, 4, 500)] + rng.normal(size=(500, 4))
    table = pandas.DataFrame(points, columns=["w", "x", "y", "z"])
    table.to_parquet(tmp_path / "points.parquet")
    table[:20].to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.chdir(tmp_path)
    X = rng.normal(size=(1000, 2)).astype(np.float32)
    return {"X": X, "new": X[:7].copy(), "w": rng.random(1000), "__name__": "__main__"}


@pytest.mark.parametrize("page", OF_PAGES)
def test_every_block_is_of_a_kind_that_is_run(page):
    for block in OF_PAGES[page]:
        known = block.language in ("python", "sh") or (block.language in ("py", "diff") and block.path)
        assert known or block.reason, f"{block.where}: {block.language or 'no language'}, and no reason not to run it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_blocks_import_the_page_says_how_to_install(page):
    code = "\n".join(block.code for block in OF_PAGES[page.stem] if block.language == "python" and not block.reason)
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE)) - sys.stdlib_module_names
    said = "\n".join(re.findall(r"pip install .*|extra `.*", page.read_text(encoding="utf-8")))
    assert [name for name in imported - {"kmeans_fast", "numpy", "sklearn"} if name not in said] == []


@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_blocks_run(page, here, capsys, monkeypatch):
    for block in OF_PAGES[page]:
        if block.reason:
            continue
        if block.language == "python":
            run_python(block, here, monkeypatch)
        elif block.language == "sh":
            run_commands(block, capsys)
        out, err = capsys.readouterr()
        if block.printed is not None:
            same = doctest.OutputChecker().check_output(block.printed, out + err, doctest.ELLIPSIS)
            assert same, f"{block.where} prints\n{out}{err}"
    if sys.modules.get("matplotlib.pyplot"):
        sys.modules["matplotlib.pyplot"].close("all")


def run_python(block, names, monkeypatch):
    with monkeypatch.context() as patched:
        if '"cuda' in block.code:
            if not COMPILER:
                pytest.skip("there is no C++ compiler for the simulator of a GPU")
            others = [backend for backend in registry.BACKENDS if backend.name != "cuda"]
            patched.setattr(registry, "BACKENDS", (OnSimulatedGpu(SimDevice(), SimDevice(number=1)), *others))
        exec(compile(block.code, block.where, "exec"), names)


def run_commands(block, capsys):
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "kmeans-fast":
            assert main(words[1:]) == 0, (f"{block.where}: {line}", capsys.readouterr())
        else:
            named = re.findall(r"'\.\[(.+?)\]'", line)
            assert "pip install" in line, f"{block.where}: {line}"
            assert named, f"{block.where} installs no extra: {line}"
            for extra in ",".join(named).split(","):
                assert extra in EXTRAS, f"{block.where}: {line}"
