"""The backend numpy in many small blocks on several threads, with a BLAS as bad as its bound allows; BLAS's threads."""

import os
import threading
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, beside_the_reference, run_python, some_weights, uneven

from kmeans_fast import reference
from kmeans_fast.backends.numpy import exact, masses, scoring, session, sums, tasks
from kmeans_fast.backends.numpy.session import NumpySession
from kmeans_fast.backends.partials import float_of
from kmeans_fast.engine import seeding

KINDS = ("normal", "grid", "clouds", "offset", "sizes", "tails", "features", "outlier")


@pytest.fixture
def small_blocks(monkeypatch):
    """Every step has several blocks, and a thread for each."""
    monkeypatch.setattr(tasks, "LEAST_TASK", 1e-9)
    monkeypatch.setattr(scoring, "_TABLE", 64)
    monkeypatch.setattr(scoring, "_PAIRS", 40)
    monkeypatch.setattr(exact, "_LEAST_ROWS", 1)
    monkeypatch.setattr(exact, "_VALUES", 64)
    monkeypatch.setattr(sums, "_VALUES", 64)
    monkeypatch.setattr(session, "_HASHED", 64)


def iterated(X, k, weights=None, threads=3, iterations=3):
    opened = NumpySession(X, weights, k, threads)
    opened.reset()
    return opened, beside_the_reference(opened, X, weights, k, iterations)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [7, 140])  # tables of either layout
def test_blocks_on_threads_give_the_references_bits(small_blocks, dtype, kind, k):
    X = uneven(400, 5, dtype, kind)
    weights = some_weights(400) if k == 7 else None
    opened, _ = iterated(X, k, weights)
    centers = X[:k]
    assert opened.inertia(centers) == reference.inertia(X, weights, centers, opened.labels)
    assert opened.mean_variance() == reference.mean_variance(X)
    assert_array_equal(opened.hashes(slice(None)), reference.row_hash(X))
    assert_array_equal(opened.distances(centers), np.sqrt(reference.squared_distances(X, centers)).astype(dtype))
    assert_array_equal(seeding.kmeans_plusplus(opened, 9, 1, 0), reference.kmeans_plusplus(X, weights, 9, 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("most", [0, 300, 400])  # of 400 rows; the first seeds have more, the last ones fewer
def test_seeds_are_the_same_whether_what_trials_found_is_kept_or_not(small_blocks, monkeypatch, dtype, most):
    monkeypatch.setattr(masses, "MOST_FOUND", most)
    X, weights, kept = uneven(400, 5, dtype, "clouds"), some_weights(400), []
    accept = masses.NumpyMasses.accept

    def accepted(self, trial, of_buckets):
        kept.append(bool(self.found) and self.n_found <= most)
        accept(self, trial, of_buckets)

    monkeypatch.setattr(masses.NumpyMasses, "accept", accepted)
    seeds = seeding.kmeans_plusplus(NumpySession(X, weights, 9, 3), 9, 1, 0)
    assert_array_equal(seeds, reference.kmeans_plusplus(X, weights, 9, 1))
    assert set(kept) == ({False} if most == 0 else {False, True})


def worst_product(rng):
    """Products in float32 with the largest errors that any order of additions could have, signs by chance."""

    def product(a, b, out):
        exactly, sizes = (x.astype(np.float64) @ y.astype(np.float64) for x, y in ((a, b), (abs(a), abs(b))))
        out[...] = exactly + rng.choice([-1.0, 1.0], exactly.shape) * sizes * (a.shape[1] + 1) * 2.0**-24

    return product


def near_bisectors(k, d, dtype, offset):
    """Centroids, and rows between two of them, some of them as near to the middle as float32 tells."""
    rng = np.random.default_rng([k, d])
    centroids = (rng.normal(size=(k, d)) + offset).astype(dtype)
    middles = centroids[rng.integers(0, k, (3000, 2))].mean(axis=1, dtype=np.float64)
    away = rng.normal(size=middles.shape) * 2.0 ** -rng.integers(12, 30, (3000, 1))
    return (middles + away).astype(dtype), centroids


@pytest.mark.parametrize("k", [7, 140])
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("d", [1, 3, 12, 50])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bound_holds_whatever_blas_does(monkeypatch, dtype, d, offset, k):
    monkeypatch.setattr(scoring, "product", worst_product(np.random.default_rng(0)))
    X, centroids = near_bisectors(k, d, dtype, offset)
    opened = NumpySession(X, None, k, 1)
    opened.reset()
    step = opened.iterate(centroids).read()
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
    assert 0 < step.rechecked < len(X)
    X = np.concatenate([X, centroids])
    opened = NumpySession(X, None, k, 1)
    assert_array_equal(seeding.kmeans_plusplus(opened, 9, 1, 0), reference.kmeans_plusplus(X, None, 9, 1))


@pytest.mark.parametrize(
    "values", [[], [0.0], [5e-324, 2.0**-1022, 1.0], [2.0**1000, 5e-324], [0.1] * 1000, [-0.0, 3.0]]
)
def test_sums_of_distances_are_exact(values):
    values = np.array(values)
    assert float_of(exact.exact_sum(values)) == float(sum(map(Fraction, values.tolist())))
    assert np.isnan(exact.exact_sum(np.append(values, np.nan)))


def test_sums_of_words_that_are_cut_in_halves_often():
    """Rows all of which are large, and more of them than a word has room for."""
    X = np.full((20_000, 2), [1.0 - 2.0**-50, -1.0 + 2.0**-49])
    opened = NumpySession(X, None, 1, 2)
    opened.reset()
    start = X[:1] + 1.0
    assert_array_equal(
        opened.iterate(start).read().centroids, reference.update(X, None, start, np.zeros(len(X), np.int32))
    )


# ---- threads -------------------------------------------------------------------------------------------------------


def blas_threads():
    """Of NumPy's BLAS, and of those that were loaded before it was first limited."""
    return [pool.get_num_threads() for pool in tasks._pools()]


def test_blas_has_its_threads_back_also_after_an_error():
    before, inside = blas_threads(), []

    def fails(blocks):
        for _ in blocks:
            inside.append(blas_threads())
            with tasks.one_thread_each():  # another fit's, in another thread
                pass
            inside.append(blas_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tasks.in_tasks(2, 10, 1, fails)
    assert all(set(counts) == {1} for counts in inside)
    assert blas_threads() == before


def test_where_no_thread_can_be_started_the_caller_does_it_all(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
    done = []
    tasks.in_tasks(4, 10, 3, lambda blocks: done.extend(block.start for block in blocks))
    assert done == [0, 3, 6, 9]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_fork_in_the_middle_of_a_pass_fits_and_has_all_of_blass_threads():
    run_python("""
        import os, sys
        import numpy as np
        import threadpoolctl
        import kmeans_fast
        from kmeans_fast.backends.numpy import tasks

        def counts():
            return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

        before, X = counts(), np.random.default_rng(0).normal(size=(20_000, 8))
        with kmeans_fast.use_backend("numpy"):
            wanted = kmeans_fast.kmeans(X, 5, seed=0)
            with tasks.one_thread_each():
                child = os.fork()
                if child == 0:
                    found = kmeans_fast.kmeans(X, 5, seed=0)
                    os._exit(0 if counts() == before and found.inertia == wanted.inertia else 1)
            assert os.waitpid(child, 0)[1] == 0
        assert counts() == before
        """)
