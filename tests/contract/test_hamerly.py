"""Bounds that let an iteration skip rows: labels, sums and counts of the reference, and rows are in fact skipped."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, ENGINES, iterated, rows, session, some_weights

from kmeans_fast import reference
from kmeans_fast.backends import use_technique

SHAPES = [
    (1000, 3, 7),
    (777, 33, 65),
    (500, 200, 20),
    (20, 17, 17),
    (3000, 4, 5),
    (2500, 2, 40),
    (65, 1, 2),
    (300, 600, 5),
]
FAR = 8.0
BOUNDED = [2, *(engine for engine in ENGINES if isinstance(engine, str) and "cuda" in engine)]  # engines with bounds


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Bounds are kept however little they pay, and used in every iteration."""
    monkeypatch.setattr("kmeans_fast.backends.cuda.scorers.panels._LEAST_BOUNDED", 0)
    monkeypatch.setattr("kmeans_fast.backends.cuda.hamerly.BoundsPolicy.decide", lambda *_: True)
    with use_technique("hamerly, float32"):
        yield


def data(n, d, dtype, kind):
    """Rows of one cloud, of integers full of ties, of three distant clouds, or of a cloud far from the origin."""
    X = rows(n, d, np.float64, "grid" if kind == "grid" else "normal")
    if kind == "clouds":
        X += FAR * np.random.default_rng(d).integers(0, 3, (n, 1))
    return np.ascontiguousarray(X + (1000.0 if kind == "offset" else 0.0), dtype)


def iterate(threads, X, weights, k, iterations):
    """Iterate beside the reference; the rows scored in every iteration."""
    opened = session(threads, X, weights, k)
    centroids, scored = X[np.random.default_rng(3).permutation(len(X))[:k]].copy(), []
    before = np.full(len(X), -1)
    for _ in range(iterations):
        labels, _ = reference.assign(X, centroids)
        new = reference.update(X, weights, centroids, labels)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, new)
        assert step.changed == np.count_nonzero(labels != before)
        assert step.squared_shift == reference.squared_shift(new, centroids)
        scored.append(step.scored)
        before, centroids = labels, step.centroids
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
    return scored


def follow(opened, X, centroids):
    """Six iterations of a session, from given centroids, beside the reference."""
    for _ in range(6):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        centroids = step.centroids


@pytest.mark.parametrize("kind", ["normal", "grid", "clouds", "offset"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", BOUNDED)
def test_bounded_iterations_are_the_references(engine, dtype, shape, kind):
    n, d, k = shape
    iterate(engine, data(n, d, dtype, kind), None, k, 12)


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bounded_iterations_with_weights_are_the_references(dtype, engine):
    iterate(engine, data(2000, 5, dtype, "clouds"), some_weights(2000), 30, 12)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", BOUNDED)
def test_bounds_hold_at_any_scale(engine, dtype, scale):
    iterate(engine, data(1500, 6, np.float64, "clouds").astype(dtype) * dtype(scale), None, 12, 10)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e100, 1e140])
@pytest.mark.parametrize("engine", BOUNDED)
def test_bounds_hold_at_the_ends_of_float64(engine, scale):
    iterate(engine, data(1500, 6, np.float64, "clouds") * scale, None, 12, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", BOUNDED)
def test_most_rows_are_skipped_where_clusters_are_apart(engine, dtype):
    scored = iterate(engine, data(3000, 5, dtype, "clouds"), None, 3, 8)
    assert scored[0] == 3000
    assert scored[-1] < 300


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", BOUNDED)
def test_centroids_that_are_not_the_sessions_own_are_noticed(engine, dtype):
    """The bounds do not know where some iterations start, or the session was assigned to others in between."""

    def perturb(iteration, centroids, opened):
        if iteration % 3 == 0:
            return centroids[::-1].copy()
        if iteration % 3 == 1:
            opened.assign(centroids + centroids.dtype.type(2))
        return centroids

    X = data(2000, 6, dtype, "clouds")
    opened = session(engine, X, None, 6)
    centroids = X[:6].copy()
    for iteration in range(12):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        centroids = perturb(iteration, step.centroids, opened)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", BOUNDED)
def test_a_relocated_centroid_has_moved_as_far_as_it_has(engine, dtype):
    X = data(1000, 6, dtype, "clouds")
    opened = session(engine, X, None, 5)
    centroids = X[:5].copy()
    centroids[3] += dtype(1e4)
    follow(opened, X, centroids)


@pytest.mark.parametrize("engine", BOUNDED)
def test_one_row_far_beyond_the_others_overflows_nothing(engine):
    X = data(800, 5, np.float32, "normal")
    X[7] = 1e30
    iterate(engine, X, None, 9, 8)


@pytest.mark.parametrize("far", [3e18, 1e19, 4e19, 1e22])
@pytest.mark.parametrize("engine", BOUNDED)
def test_rows_at_the_edge_of_what_float32_can_square_are_not_misled(engine, far):
    """Scores of some centroids overflow while others' do not: neither a label nor a bound may be believed then."""
    X = data(3000, 5, np.float32, "normal")
    X[1::300] *= np.float32(far) * np.random.default_rng(1).uniform(0.2, 2, (10, 1)).astype(np.float32)
    centroids = np.ascontiguousarray(np.r_[X[1::300][:6], X[:4]])
    opened = session(engine, X, None, len(centroids))
    follow(opened, X, centroids)
