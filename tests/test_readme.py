"""Every code block of the README does what it says: Python is executed, commands run, installs name known extras."""

import itertools
import re
import shlex
import sys

import numpy as np
import pytest
from support import REPOSITORY

from kmeans_fast import backends as registry
from kmeans_fast.cli import main
from simulator.build import COMPILER
from simulator.device import SimBackend

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
OURS = [line for line in COMMANDS if line.startswith("kmeans-fast ")]
INSTALLS = [line for line in COMMANDS if "pip install" in line]
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
COLUMNS = ["x", "y", "z"]


class OnSimulatedGpu(SimBackend):
    """The CUDA backend on a simulated device, for whoever asks for a GPU."""

    devices = ("cuda",)

    def declines(self, problem):
        return ""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with the files that the README speaks of."""
    rng = np.random.default_rng(0)
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    points = pandas.DataFrame(rng.normal(size=(500, 4)), columns=["w", *COLUMNS])
    points.to_parquet(tmp_path / "points.parquet")
    points[:20].to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return points


def test_nothing_is_left_out():
    assert PYTHON
    assert OURS
    assert {language for language, _ in BLOCKS} == {"python", "sh"}
    assert set(COMMANDS) == {*OURS, *INSTALLS}


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0][:40])
def test_python_blocks_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    on_gpu = '"cuda"' in code
    if on_gpu and not COMPILER:
        pytest.skip("there is no C++ compiler for the simulator of a GPU")
    if on_gpu:
        others = [backend for backend in registry.BACKENDS if backend.name != "cuda"]
        monkeypatch.setattr(registry, "BACKENDS", (OnSimulatedGpu(), *others))
    # Sizes from a thousand on are cut to a hundredth, so that this is quick.
    code = re.sub(r"\d[\d_]{3,}", lambda number: str(int(number[0].replace("_", "")) // 100), code)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2)).astype(np.float32)
    names = {"X": X, "new": X[:7].copy(), "w": rng.random(1000), "tensor": X[:9].copy()}
    if "KMeans" in code:
        from kmeans_fast import KMeans

        names["KMeans"] = KMeans
    exec(code, names)  # a name that is not defined before would be a fault of the README
    if "predict(new)" in code:
        assert np.array_equal(names["model"].predict(X), names["model"].labels_)


def test_commands_run_one_after_the_other(here, capsys):
    for line in OURS:
        words = shlex.split(line, comments=True)
        code, printed = main(words[1:]), capsys.readouterr()
        assert code == 0, (line, printed)
        assert printed.out or "written" in printed.err, line


def test_installs_name_extras_that_there_are():
    named = [re.findall(r"'\.\[(.+?)\]'", line) for line in INSTALLS]
    assert all(named)
    for extra in itertools.chain.from_iterable(group.split(",") for found in named for group in found):
        assert extra in EXTRAS
    for package in re.findall(r"\(or (cuda\w+)|# or (cuda\w+)", README):
        assert next(filter(None, package)) in EXTRAS


def test_no_message_names_a_package_that_no_registry_has():
    """The project is installed from a checkout: a message names what to install, and the extra that has it."""
    sources = [path for part in ("kmeans_fast", "kernels") for path in (REPOSITORY / part).rglob("*.py")]
    advising = [path.name for path in sources if re.search(r"pip install \W*kmeans.fast", path.read_text("utf-8"))]
    assert advising == []
    for extra in re.findall(r"the extra[s]? [`'](\w+)[`']", "".join(path.read_text("utf-8") for path in sources)):
        assert extra in EXTRAS


def test_files_that_the_text_links_to_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (REPOSITORY / target).exists(), target
