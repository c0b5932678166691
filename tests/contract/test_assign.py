"""`assign`: labels are the lowest index among the nearest centroids, distances are float64 to the letter."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, LARGE_SHAPES, SHAPES, problem, session

import kmeans_fast
from kmeans_fast import reference


def check(engine, X, centroids):
    labels, distances = reference.assign(X, centroids)
    opened = session(engine, X, None, len(centroids))
    opened.assign(centroids)
    assert opened.labels.dtype == np.int32
    assert_array_equal(opened.labels, labels)
    assert_array_equal(opened.own_distances(centroids), distances)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_session_assigns_as_the_reference(engine, dtype, kind, shape):
    check(engine, *problem(*shape, dtype, kind))


@pytest.mark.parametrize("shape", LARGE_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_session_assigns_large_problems_as_the_reference(threads, dtype, shape):
    check(threads, *problem(*shape, dtype))


@pytest.mark.parametrize("shape", [(1, 1, 1), (97, 17, 7), (300, 2, 65)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_public_assign_gives_labels_and_squared_distances(backend, dtype, shape):
    X, centroids = problem(*shape, dtype)
    for got, wanted in zip(kmeans_fast.assign(X, centroids), reference.assign(X, centroids), strict=True):
        assert got.dtype == wanted.dtype
        assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [np.float16, np.float32, np.float64, np.int64])
def test_neither_rows_nor_centroids_are_rounded(backend, dtype, given):
    """Distances between a row in one dtype and a centroid in another are those of their values."""
    X, _ = problem(50, 3, 4, dtype, "grid")
    X += 128
    centroids = (X[:4].astype(np.float64) + np.random.default_rng(1).normal(size=(4, 3))).astype(given)
    labels, distances = kmeans_fast.assign(X, centroids)
    wanted = reference.assign(X.astype(np.float64), centroids.astype(np.float64))
    assert_array_equal(labels, wanted[0])
    assert_array_equal(distances, wanted[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_assignment_does_not_depend_on_threads(n_threads, dtype):
    X, centroids = problem(20_000, 8, 10, dtype)
    assert_array_equal(kmeans_fast.assign(X, centroids, n_threads=n_threads), reference.assign(X, centroids))


def test_assigning_again_replaces_the_labels(engine):
    X, centroids = problem(65, 3, 5, np.float32)
    opened = session(engine, X, None, 5)
    opened.assign(centroids)
    opened.assign(centroids[::-1].copy())
    assert_array_equal(opened.labels, reference.assign(X, centroids[::-1])[0])


def test_labels_handed_out_stay_as_they_are_after_reset(engine):
    X, centroids = problem(65, 3, 5, np.float32)
    opened = session(engine, X, None, 5)
    opened.assign(centroids)
    kept = opened.labels
    opened.reset()
    opened.assign(centroids[::-1].copy())
    assert_array_equal(kept, reference.assign(X, centroids)[0])
