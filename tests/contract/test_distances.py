"""Distances, inertia and variance: exact sums, rounded once."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, LARGE_SHAPES, SHAPES, problem, rows, session, some_weights

import kmeans_fast
from kmeans_fast import reference


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_table_of_distances_is_the_references_rounded_to_the_datas_dtype(engine, dtype, shape):
    X, centroids = problem(*shape, dtype)
    squared = reference.squared_distances(X, centroids)
    opened = session(engine, X, None, len(centroids))
    for got, wanted in (
        (opened.distances(centroids, squared=True), squared),
        (opened.distances(centroids), np.sqrt(squared)),
    ):
        assert got.dtype == dtype
        assert_array_equal(got, wanted.astype(dtype))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES[::2] + LARGE_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_inertia_is_the_exact_sum_rounded_once(engine, dtype, shape, weighted):
    X, centroids = problem(*shape, dtype)
    weights = some_weights(len(X)) if weighted else None
    opened = session(engine, X, weights, len(centroids))
    opened.assign(centroids)
    assert opened.inertia(centroids) == reference.inertia(X, weights, centroids, opened.labels)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES[::3] + LARGE_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_mean_variance_is_the_references_and_unweighted(engine, dtype, shape, weighted):
    X = rows(*shape[:2], dtype)
    weights = some_weights(len(X)) if weighted else None
    assert session(engine, X, weights, 2).mean_variance() == reference.mean_variance(X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_distances_of_rows_to_themselves_are_zero(engine, dtype):
    X = rows(33, 17, dtype) + dtype(1000)
    assert_array_equal(np.diagonal(session(engine, X, None, 33).distances(X)), np.zeros(33))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_copies_of_the_data(engine, dtype):
    X = rows(33, 5, dtype)
    picked = session(engine, X, None, 2).rows(np.array([4, 0, 4]))
    assert_array_equal(picked, X[[4, 0, 4]])
    assert not np.shares_memory(picked, X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inertia_of_a_fit_is_that_of_its_labels_and_centroids(backend, dtype):
    X, centroids = problem(300, 5, 7, dtype)
    weights = some_weights(300)
    result = kmeans_fast.kmeans(X, 7, init=centroids, sample_weight=weights, max_iter=2)
    assert type(result.inertia) is float
    assert result.inertia == reference.inertia(X, weights, result.centroids, result.labels)


def test_a_weight_of_minus_zero_is_zero(engine):
    X, centroids = problem(60, 3, 4, np.float64)
    weights = some_weights(60)
    weights[::7] = -0.0
    opened = session(engine, X, weights, 4)
    opened.assign(centroids)
    labels, _ = reference.assign(X, centroids)
    assert opened.inertia(centroids) == reference.inertia(X, weights, centroids, labels)
