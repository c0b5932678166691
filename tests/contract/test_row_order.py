"""The order of the rows changes nothing: seeds go by the rows' content, ties of the hash by the values."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import colliding_rows, some_weights

import kmeans_fast
from kmeans_fast import reference
from kmeans_fast.backends.cpu.session import CpuSession

N, K = 240, 6


def close_together(kind):
    """float64 rows that differ only beyond the precision, or the range, of float32."""
    rng = np.random.default_rng(5)
    if kind == "timestamps":
        return 1.7e9 + rng.integers(0, 60, (N, 1))
    if kind == "offset":
        return 1e6 + rng.normal(size=(N, 2)) * 1e-3
    return rng.normal(size=(N, 2)) * {"huge": 1e50, "tiny": 1e-60}[kind]


KINDS = ("timestamps", "offset", "huge", "tiny")
STARTS = ({}, {"init": "k-means||"}, {"init": "random"}, {"init_size": 40}, {"refine": "breathing"})


def check_orders(X, weights, orders, **options):
    first = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=3, **options)
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(len(X))
        found = kmeans_fast.kmeans(
            X[order], K, sample_weight=None if weights is None else weights[order], seed=3, **options
        )
        assert_array_equal(found.centroids, first.centroids)
        assert_array_equal(found.labels, first.labels[order])
        assert found.inertia == first.inertia


@pytest.mark.parametrize("options", STARTS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_orders_of_rows_that_agree_as_float32(kind, options):
    check_orders(close_together(kind), None, 1000 if not options else 100, **options)


@pytest.mark.parametrize("options", STARTS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_orders_of_rows_that_agree_as_float32_on_every_backend(backend, kind, weighted, options):
    check_orders(close_together(kind), some_weights(N) if weighted else None, 3, **options)


@pytest.mark.parametrize("options", STARTS, ids=str)
def test_equal_rows_of_different_weight(backend, options):
    """With init="random" it matters which of them was taken."""
    X = np.repeat(np.random.default_rng(1).normal(size=(12, 2)), 20, axis=0)
    check_orders(X, np.random.default_rng(2).permutation(np.arange(1.0, N + 1)), 10, **options)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rounded", [True, False])
def test_data_has_the_seeds_of_its_rounding_to_float32(backend, rounded, seed):
    X = np.random.default_rng(0).normal(size=(400, 3))
    X = X.astype(np.float32) if rounded else X
    narrow, wide = (kmeans_fast.kmeans_plusplus(X.astype(dtype), 9, seed=seed)[1] for dtype in (np.float32, np.float64))
    assert_array_equal(narrow, wide)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", STARTS, ids=str)
def test_rows_whose_hashes_collide(backend, options, weighted):
    X = np.tile(colliding_rows(), (2, 1))
    weights = some_weights(len(X)) if weighted else None
    check_orders(X, weights, 5, **options)
    assert_array_equal(
        kmeans_fast.kmeans_plusplus(X, K, sample_weight=weights, seed=1)[1],
        reference.kmeans_plusplus(X, weights, K, 1),
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_draws_among_colliding_rows_are_the_references(weighted):
    X = np.concatenate([np.repeat(colliding_rows(), 3, axis=0), np.random.default_rng(3).normal(size=(500, 2))])
    weights = some_weights(len(X)) if weighted else None
    words = reference.draws(4, 0, (300,))
    masses = reference.Masses(X, weights)
    wanted = [masses.draw(word) for word in words]
    session = CpuSession(X, weights, K, 2)
    assert_array_equal(session.oversampler().draw(words), wanted)
    seeder = session.seeder(words[:299].reshape(23, 13))
    assert_array_equal(seeder.draw(13), wanted[:13])
