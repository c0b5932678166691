"""Rows equally far from centroids, equal rows and centroids, clusters without rows."""

import numpy as np
import pytest
from against_reference import check, check_engines
from numpy.testing import assert_array_equal
from support import DTYPES, rows, session, some_weights

import kmeans_fast
from kmeans_fast import reference

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


# ---- ties and duplicates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 17])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_halfway_between_centroids_takes_the_lowest(backend, dtype, d):
    centroids = np.repeat(np.array([[4], [0], [2], [0]], dtype), d, axis=1)
    X = np.repeat(np.array([[1], [3], [0], [2], [4]], dtype), d, axis=1)
    assert_array_equal(kmeans_fast.assign(X, centroids)[0], [1, 0, 1, 2, 0])


@pytest.mark.parametrize("k", [2, 5, 16, 17, 65])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_centroids_all_lose_to_the_first(backend, dtype, k):
    X = rows(97, 4, dtype)
    centroids = np.repeat(X[:1], k, axis=0)
    assert_array_equal(kmeans_fast.assign(X, centroids)[0], np.zeros(97))
    check(X, k, init=centroids)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_grid_full_of_ties(backend, dtype, d):
    check(rows(300, d, dtype, "grid"), 9)
    check(rows(300, d, dtype, "grid"), 9, some_weights(300))


@pytest.mark.parametrize("dtype", DTYPES)
def test_distances_that_differ_in_the_last_bit_only(backend, dtype):
    step = np.finfo(np.float64).eps
    centroids = np.array([[1 + 2 * step], [-1.0], [1 + step], [1.0]]).astype(dtype)
    X = np.linspace(-step, step, 65)[:, None].astype(dtype)
    assert_array_equal(kmeans_fast.assign(X, centroids), reference.assign(X, centroids))


@pytest.mark.parametrize("d", [1 << 14, 1 << 16])
def test_roundings_that_add_up_over_very_many_features(d):
    """D adds in order, and here rounds down in half its additions; a sum in another order comes to more."""
    centroids = np.ones((2, d))
    centroids[0, d // 2 :] += (1 - 2.0**-10) * d * 2.0**-55  # squares exceed 1 by just less than half a unit of the sum
    X = np.zeros((2, d))
    opened = session(1, X, None, 2)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("d", [3, 20])
def test_float32_rows_nearly_halfway_between_centroids(engine, d):
    rng = np.random.default_rng(2)
    centroids = rng.normal(size=(8, d)).astype(np.float32)
    pairs = rng.integers(0, 8, (2000, 2))
    X = ((centroids[pairs[:, 0]] + centroids[pairs[:, 1]]) / 2).astype(np.float32)
    opened = session(engine, X, None, 8)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("radius", [0, 1e-9, 1e-3, 1, 4, 30, 1e3, 1e6])
@pytest.mark.parametrize("d", [1, 2, 3, 17, 40, 130, 300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_on_the_bisector_of_two_centroids(dtype, d, radius):
    """Equally far but for roundings, at every distance from the centroids: a fast pass can prove nothing here."""
    rng = np.random.default_rng([d, int(radius)])
    half = rng.normal(size=d)
    half /= np.linalg.norm(half)
    along = rng.normal(size=(400, d))
    along -= np.outer(along @ half, half)
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    nudge = np.outer(rng.choice([0, 1e-16, 1e-12, 1e-9, 1e-8, 1e-7], 400) * rng.choice([-1, 1], 400), half)
    for scale, offset in ((1.0, 0.0), (1e-3, 5.0)):
        X = (scale * (radius * along + nudge) + offset).astype(dtype)
        centroids = (scale * np.array([half * (1 + 1e-9), -half]) + offset).astype(dtype)
        opened = session(1, X, None, 2)
        opened.assign(centroids)
        assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("d", [2, 3, 17, 40, 130])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_at_the_centre_of_a_sphere_of_centroids(dtype, d):
    rng = np.random.default_rng(d)
    sphere = rng.normal(size=(20, d))
    sphere /= np.linalg.norm(sphere, axis=1)[:, None]
    centroids = np.concatenate([sphere, -sphere * (1 + 1e-9)]).astype(dtype)
    X = (rng.normal(size=(400, d)) * 10.0 ** rng.integers(-17, -6, (400, 1))).astype(dtype)
    opened = session(1, X, None, 40)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_many_times(backend, dtype):
    check(np.repeat(rows(7, 3, dtype), 20, axis=0), 5)
    check(np.tile(rows(7, 3, dtype), (20, 1)), 5, some_weights(140))


@pytest.mark.parametrize("n_clusters", [4, 5, 12, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fewer_distinct_rows_than_clusters(backend, dtype, n_clusters):
    check(np.repeat(rows(3, 4, dtype), 14, axis=0), n_clusters)


@pytest.mark.parametrize("dtype", DTYPES)
def test_as_many_clusters_as_rows(backend, dtype):
    result = check(rows(40, 3, dtype), 40)
    assert result.inertia == 0.0


@pytest.mark.parametrize("d", [1, 5, 40])
def test_squares_that_underflow_tie_and_the_lowest_wins(backend, d):
    """The least positive float64 is u * u: the squares of 3 u and of 2.95 u both round to nine of it."""
    u = 2.0**-537
    X, near = np.zeros((3, d)), np.zeros((3, d))
    near[:, 0] = [3 * u, 2.95 * u, 3.05 * u]
    assert_array_equal(kmeans_fast.assign(X, near)[0], np.zeros(3))
    assert_array_equal(kmeans_fast.assign(X, near[:2] * 0.01)[0], np.zeros(3))


# ---- empty clusters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_empty", [1, 3, 8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clusters_that_start_where_nothing_is(backend, dtype, weighted, n_empty):
    X = rows(97, 3, dtype)
    init = X[:9].copy()
    init[:n_empty] = 1e6
    result = check(X, 9, some_weights(97) if weighted else None, init=init)
    assert result.history[0].empty == n_empty


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_cluster_but_one_starts_where_nothing_is_on_threads(dtype):
    X = rows(5000, 6, dtype)
    centroids = np.full((12, 6), 1e5, dtype)
    centroids[4] = 0
    check_engines(X, centroids)
    check_engines(X, centroids, some_weights(5000))
