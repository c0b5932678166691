"""``kmeans-fast demo``."""

import importlib.util
import os
import types

import numpy as np
import pytest
from command_line import check_error, run_process

import kmeans_fast
from kmeans_fast.cli import main, tutorial


def test_demo_draws_pictures_and_finds_no_wrong_label(tmp_path):
    if not all(importlib.util.find_spec(name) for name in ("matplotlib", "PIL")):
        pytest.skip("the demo needs matplotlib and Pillow")
    done = run_process(tmp_path, "demo", "--quick", "-o", "out")
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert pictures == ["blobs.png", "photograph-china.png", "photograph-flower.png", "race.png"]
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"out{os.sep}{path.name}" in done.stdout
    for words in (
        "none wrong",
        "10 iterations of Lloyd's algorithm from the same rows",
        "A whole fit",
        "The README's mean",
    ):
        assert words in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if line.startswith("  ---")) <= 80


@pytest.mark.parametrize("part", ["photographs", "race"])
def test_the_times_of_the_demo_are_without_compiling(part, X, monkeypatch):
    pytest.importorskip("matplotlib")
    module = importlib.import_module(f"kmeans_fast.cli.{part}")
    now = [0.0]

    class Model(kmeans_fast.KMeans):
        """A fit of a shape takes a minute the first time, a second from then on."""

        compiled = set()

        def fit(self, X, y=None, sample_weight=None):
            key = (X.shape, self.n_clusters, isinstance(self.init, str))
            now[0] += 1.0 if key in self.compiled else 60.0
            self.compiled.add(key)
            return super().fit(X, sample_weight=sample_weight)

    monkeypatch.setattr(module, "KMeans", Model)
    monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    if part == "photographs":
        picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
        assert [module.quantise(picture, k).seconds for k in module.COLOURS] == [1.0, 1.0]
    else:
        heat = module.heat("data", X.astype(np.float32), 3)
        assert (heat.same.ours, heat.whole.ours) == (1.0, 1.0)
        assert heat.wrong == 0


def test_kernels_are_what_the_demo_times(monkeypatch):
    """Not NumPy, which is first where nothing is compiled."""
    for name in ("matplotlib", "jinja2"):
        pytest.importorskip(name)
    monkeypatch.delenv("KMEANS_FAST_WAIT")
    seen = []
    monkeypatch.setattr(tutorial, "run", lambda *_: seen.append(os.environ.get("KMEANS_FAST_WAIT")))
    assert main(["demo", "tutorial"]) == 0
    assert seen == ["1"]


def test_demo_without_matplotlib_says_what_to_install(tmp_path):
    done = run_process(tmp_path, "demo", code=1, without=["matplotlib"])
    line = check_error(done.stdout, done.stderr)
    assert "matplotlib" in line
    assert "install them (the extra 'plot')" in line
