"""Another thread of the caller's writes to X during a fit. Nothing is promised of the result but that there is one.

Each case in its own interpreter: what reads outside an array ends the process, or does not.
"""

import itertools
import warnings

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.scoring import byte_codes
from support import run_python

import kmeans_fast
from kmeans_fast import use_backend
from kmeans_fast.backends.numpy import masses, session, sums, tasks

POISONED = """
import itertools, sys, warnings
import numpy as np
import kmeans_fast
from kmeans_fast.kernels.cpu.runtime import jit

n, d, k, dtype, path = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
rng = np.random.default_rng(0)
original = (rng.normal(size=(n, d)) + 8 * rng.integers(0, 6, (n, 1))).astype(dtype)
X, calls, at, poison = original.copy(), itertools.count(), None, None

def counting(call):
    def counted(self, *arguments):
        if next(calls) == at:
            X[:: 1 + at % 7] = poison
        return call(self, *arguments)
    return counted

jit.Kernel.__call__ = counting(jit.Kernel.__call__)

def fit(init):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kmeans_fast.kmeans(X, k, init=init, seed=0, max_iter=10, n_threads=1)

values = itertools.cycle((np.nan, np.inf, -np.finfo(dtype).max))
paths = set()
for init in ("k-means++", "k-means||") if k < 100 else (original[:k],):
    calls, at, X[:] = itertools.count(), None, original
    paths |= {step.path for step in fit(init).history}
    in_all = next(calls)
    for at in {*range(min(6, in_all)), *np.linspace(6, in_all, 7, dtype=int).tolist()}:
        calls, poison = itertools.count(), next(values)
        X[:] = original
        try:
            found = fit(init)
        except ValueError as error:  # the candidates of k-means|| are looked at as all data are
            assert "Scale" in str(error), error
        else:
            assert 0 <= found.labels.min() <= found.labels.max() < k
assert any(path in taken for taken in paths), paths
"""


@pytest.mark.parametrize(
    ("n", "d", "k", "dtype", "path"),
    [
        (4000, 1, 130, "float64", "sorted"),
        (6000, 2, 60, "float32", "kd-tree"),
        (3000, 300, 130, "float32", "bytes" if byte_codes.AVAILABLE else "float32"),
        (9000, 24, 600, "float32", "hamerly, float32"),
        (30_000, 40, 300, "float32", "exponion"),
    ],
)
def test_values_that_are_no_numbers_appear_during_a_fit(n, d, k, dtype, path):
    run_python(POISONED, n, d, k, dtype, path)


def test_a_draw_from_masses_that_do_not_agree_names_some_row():
    """The sums of the buckets are those of the distances before, or after; targets lie beyond them."""
    run_python("""
import numpy as np
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.masses import Masses

n = 3000
for weights in (None, np.ones(n)):
    for nearest in (0.0, np.nan, -1.0, 1e300, np.inf):
        session = CpuSession(np.random.default_rng(0).normal(size=(n, 3)), weights, 4, 1)
        masses = Masses(session, [session])
        masses.parts[0].nearest[::2] = nearest
        for total in (0, 1 << 44, 1 << 62, -(1 << 50)):
            masses.rescale = lambda: None
            masses.mass = total
            words = np.array([0, 1, 2**63, 2**64 - 1] * 4, np.uint64)
            for drawn in (words, np.tile(words, 3)):  # few, many
                rows = masses.draw(drawn)
                assert 0 <= rows.min() <= rows.max() < n
""")


def test_values_that_are_no_numbers_appear_during_a_fit_in_numpy(monkeypatch, rng):
    """Before every step in turn."""
    original = (rng.normal(size=(2000, 5)) + 8 * rng.integers(0, 6, (2000, 1))).astype(np.float32)
    X, calls, at, poison = original.copy(), itertools.count(), None, np.nan
    in_tasks = tasks.in_tasks

    def counted(*arguments):
        if next(calls) == at:
            X[:: 1 + at % 7] = poison
        in_tasks(*arguments)

    for module in (masses, session, sums):
        monkeypatch.setattr(module, "in_tasks", counted)
    for init, k in (("k-means++", 20), ("k-means||", 20), (original[:200], 200)):
        with use_backend("numpy"), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for at in (None, *range(0, 60, 2)):
                X[:], calls, poison = original, itertools.count(), (np.nan, np.inf, -3e38)[(at or 0) % 3]
                try:
                    found = kmeans_fast.kmeans(X, k, init=init, seed=0, max_iter=10, init_size=None)
                except ValueError as error:  # the candidates of k-means|| are looked at as all data are
                    if "Scale" not in str(error):
                        raise
                else:
                    assert 0 <= found.labels.min() <= found.labels.max() < k
