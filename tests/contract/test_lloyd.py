"""Whole fits from given centroids: the same centroids, labels, inertia and number of iterations as the reference."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, SHAPES, problem, some_weights

import kmeans_fast
from kmeans_fast import reference

FEASIBLE = [shape for shape in SHAPES if shape[2] <= shape[0]]


def check(X, weights, centroids, *, max_iter=300, tol=1e-4, **options):
    wanted = reference.lloyd(X, weights, centroids, max_iter, tol)
    got = kmeans_fast.kmeans(
        X, len(centroids), init=centroids, sample_weight=weights, max_iter=max_iter, tol=tol, **options
    )
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    assert got.centroids.dtype == X.dtype
    assert got.labels.dtype == np.int32
    assert got.inertia == wanted.inertia
    assert got.n_iter == wanted.n_iter
    return got


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("shape", FEASIBLE, ids=str)
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_kmeans_from_given_centroids_is_the_reference(backend, dtype, kind, shape):
    X, centroids = problem(*shape, dtype, kind)
    assert check(X, None, centroids).backend == backend


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("shape", FEASIBLE[::3], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted_kmeans_from_given_centroids_is_the_reference(backend, dtype, shape):
    X, centroids = problem(*shape, dtype)
    check(X, some_weights(len(X)), centroids)


@pytest.mark.parametrize("tol", [0.0, 1e-8, 1e-4, 1e-2, 1.0, 1e9])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_stopping_is_the_references(backend, dtype, weighted, tol):
    X, centroids = problem(400, 3, 8, dtype)
    check(X, some_weights(400) if weighted else None, centroids, tol=tol)


@pytest.mark.parametrize("max_iter", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_max_iter_ends_the_run_and_labels_are_those_of_the_centroids(backend, dtype, max_iter):
    X, centroids = problem(400, 3, 8, dtype)
    assert check(X, None, centroids, tol=0.0, max_iter=max_iter).n_iter == max_iter


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_kmeans_does_not_depend_on_threads(n_threads, weighted, dtype):
    X, centroids = problem(12_000, 8, 12, dtype)
    check(X, some_weights(12_000) if weighted else None, centroids, max_iter=3, n_threads=n_threads)


def test_weights_of_ones_are_no_weights(backend):
    X, centroids = problem(200, 4, 6, np.float32)
    plain = check(X, None, centroids)
    ones = check(X, np.ones(200), centroids)
    assert_array_equal(plain.centroids, ones.centroids)


def test_clusters_that_start_far_away_are_relocated(backend):
    X, centroids = problem(200, 4, 6, np.float64)
    centroids[1:4] += 1e5
    assert check(X, None, centroids).history[0].empty == 3


def test_history_has_every_iteration(backend):
    X, centroids = problem(200, 4, 6, np.float64)
    result = check(X, None, centroids, tol=0.0)
    assert [step.iteration for step in result.history] == list(range(1, result.n_iter + 1))
    assert result.history[0].changed == 200
    assert all(step.run == 0 and step.empty >= 0 and step.rechecked >= 0 for step in result.history)
