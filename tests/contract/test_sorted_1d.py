"""Rows of one feature: the search among sorted centroids gives the reference's labels, ties and roundings included."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, iterated, session

from kmeans_fast import reference
from kmeans_fast.backends import use_technique

SHAPES = [(1, 1), (7, 3), (300, 48), (1000, 300), (255, 256), (257, 1000)]


@pytest.fixture(autouse=True)
def always():
    """However few the clusters."""
    with use_technique("sorted"):
        yield


def numbers(kind, n, dtype, seed=0):
    """Values of one feature."""
    rng = np.random.default_rng([seed, n])
    if kind == "normal":
        values = rng.normal(size=n)
    elif kind == "grid":
        values = rng.integers(-6, 7, n) / 2
    elif kind == "skewed":  # nearly all in one step of the table
        values = np.exp(rng.normal(size=n) * 20)
    elif kind == "far":  # distances round to few different numbers
        values = 1e8 + rng.integers(0, 40, n)
    elif kind == "tiny":
        values = rng.integers(-50, 50, n) * (5e-324 if dtype == np.float64 else 1e-45)
    else:
        values = rng.normal(size=n) * (1e140 if dtype == np.float64 else 1e37)
    return np.ascontiguousarray(values[:, None], dtype)


@pytest.mark.parametrize("kind", ["normal", "grid", "skewed", "far", "tiny", "huge"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_iterations_are_the_references(kind, weighted, dtype, n, k):
    X, centroids = numbers(kind, n, dtype), numbers(kind, k, dtype, 1)
    weights = np.random.default_rng(n).integers(1, 4, n).astype(float) if weighted else None
    opened, before = session(3, X, weights, k), np.full(n, -1)
    for _ in range(4):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert step.path == "sorted"
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, weights, centroids, labels))
        assert step.changed == np.count_nonzero(labels != before)
        before, centroids = labels, step.centroids
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_lowest_of_many_equal_distances(dtype):
    """On both sides of a row and beyond the next: rounding makes distances equal that are not."""
    centroids = np.array([[3], [1], [-1], [1], [-1], [-3], [0.5], [-0.5]], dtype)
    assert_labels(np.array([[0], [1], [2], [-2], [0.25]], dtype), centroids)
    spread = np.array([[1e-9 * c] for c in (5, -3, 2, -7, 1, 4)], dtype)  # from far away all the same
    assert_labels(np.array([[1e9], [-1e9], [0]], dtype), spread)


def assert_labels(X, centroids):
    opened = session(1, X, None, len(centroids))
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
