"""What is said of compilations, and what happens where nothing can be compiled."""

import contextlib
import gc
import re

import pytest
from support import run_python

MEASURE = """
import logging, sys
import numpy as np
import kmeans_fast
from kmeans_fast.kernels.cpu.runtime import compiling

records, heard = [], []

class Keep(logging.Handler):
    def emit(self, record):
        records.append((record.levelname, record.getMessage()))

logging.getLogger("kmeans_fast").addHandler(Keep())
logging.getLogger("kmeans_fast").setLevel(logging.INFO)
compiling.listeners.append(lambda name, seconds: heard.append((name, seconds)))

def measure():
    from kmeans_fast.backends.cpu.session import CpuSession
    X = np.random.default_rng(0).normal(size=(40, 3))
    return CpuSession(X, None, 4, 1).distances(X[:4])
"""


def test_a_compilation_is_announced_once_and_loading_is_not(tmp_path):
    once = (
        MEASURE
        + """
measure()
(first, nothing), (second, seconds) = heard
assert first == second == "distance_table" and nothing is None and seconds > 0
assert [level for level, _ in records] == ["INFO", "INFO"]
assert records[0][1] == "compiling the kernel distance_table"
assert records[1][1].startswith("compiling the kernel distance_table took ")
measure()
assert len(heard) == len(records) == 2
"""
    )
    run_python(once, KMEANS_FAST_CACHE_DIR=tmp_path)
    run_python(
        MEASURE + "measure()\nassert not heard and not records, (heard, records)", KMEANS_FAST_CACHE_DIR=tmp_path
    )
    run_python(once, KMEANS_FAST_CACHE_DIR="")


def test_a_listener_that_fails_breaks_no_fit():
    run_python(
        MEASURE
        + """
def fails(name, seconds):
    raise RuntimeError("no")

compiling.listeners.insert(0, fails)
assert measure().shape == (40, 4)
assert len(heard) == 2
assert any(level == "WARNING" for level, _ in records)
""",
        KMEANS_FAST_CACHE_DIR="",
    )


@pytest.mark.parametrize("looked_for", [True, False])
def test_garbage_is_not_looked_for_while_kernels_are_compiled(looked_for):
    compiling = pytest.importorskip("kmeans_fast.kernels.cpu.runtime.compiling", reason="Numba compiles kernels")
    before = gc.isenabled()
    try:
        (gc.enable if looked_for else gc.disable)()
        with contextlib.suppress(ZeroDivisionError), compiling.may_compile("kernel"):
            assert gc.isenabled() == looked_for  # it may be loaded
            compiling.begins()
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == looked_for
    finally:
        (gc.enable if before else gc.disable)()


NUMPY_RUNS = "backend numpy available"  # as `info` says it, but for the width of the columns
FIT = """
import sys
import kmeans_fast
assert "numba" not in sys.modules
reason = kmeans_fast.available_backends()["cpu"]
assert sys.argv[1] in reason, reason
X = [[0.0], [1], [10], [11]]
found = kmeans_fast.kmeans(X, 2, seed=0)
assert found.backend == "numpy" and sorted(found.centroids.ravel()) == [0.5, 10.5]
assert kmeans_fast.assign(X, [[0.0], [10]])[0].tolist() == [0, 0, 1, 1]
assert kmeans_fast.KMeans(2, random_state=0).fit(X).predict(X).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
assert sys.argv[1] in kmeans_fast.explain((1000, 3), 5)
try:
    with kmeans_fast.use_backend("cpu"):
        pass
except RuntimeError as error:
    assert sys.argv[1] in str(error)
else:
    raise SystemExit("the backend was forced")
assert not any(name.startswith("kmeans_fast.kernels.cpu.runtime.jit") for name in sys.modules)
from kmeans_fast.cli import main
assert main(["info"]) == 0
"""


def test_where_numba_is_told_not_to_compile_numpy_runs():
    assert NUMPY_RUNS in re.sub(" +", " ", run_python(FIT, "NUMBA_DISABLE_JIT", NUMBA_DISABLE_JIT=1))


@pytest.mark.parametrize("error", ["ImportError('no NumPy that Numba likes')", "SystemError('made for another')"])
def test_where_numba_cannot_be_imported_numpy_runs(tmp_path, error):
    (tmp_path / "numba.py").write_text(f"raise {error}")
    (tmp_path / "llvmlite.py").write_text("raise ImportError('as Numba')")
    printed = run_python("import sys; sys.path.insert(0, sys.argv[2])\n" + FIT, "cannot be imported", tmp_path)
    assert NUMPY_RUNS in re.sub(" +", " ", printed)


WITHOUT = """
import sys
import numpy as np

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
import kmeans_fast
from kmeans_fast import KMeans, metrics, reference
from kmeans_fast.cli import main
X = np.random.default_rng(0).normal(size=(300, 4)) + 9 * (np.arange(300) % 3)[:, None]
assert "No module named 'numba'" in kmeans_fast.available_backends()["cpu"]
model = KMeans(3, random_state=0).fit(X)
assert model.backend_ == "numpy" and (model.labels_ == reference.assign(X, model.cluster_centers_)[0]).all()
assert (model.predict(X) == model.labels_).all() and model.transform(X).shape == (300, 3)
for init in ("k-means++", "k-means||", "random"):
    kmeans_fast.kmeans(X, 3, init=init, seed=0, refine="breathing")
assert len(kmeans_fast.kmeans_batch(X.reshape(3, 100, 4), 2, seed=0).inertia) == 3
assert kmeans_fast.choose_k(X, seed=0).n_clusters == 3
assert metrics.silhouette_score(X, model.labels_) > 0.8
np.save("rows.npy", X)
assert main(["fit", "rows.npy", "-k", "3", "--model", "model.npz", "--seed", "0"]) == 0
assert main(["predict", "model.npz", "rows.npy", "--output", "labels.npy"]) == 0
assert main(["info"]) == 0
assert "numba" not in sys.modules
"""


def test_the_whole_library_runs_where_numba_is_not_installed(here):
    assert NUMPY_RUNS in re.sub(" +", " ", run_python(WITHOUT))
