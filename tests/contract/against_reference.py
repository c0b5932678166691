"""Fits and iterations compared with the reference."""

import functools
import hashlib

import numpy as np
from numpy.testing import assert_array_equal
from support import ENGINES, iterated, session

import kmeans_fast
from kmeans_fast import reference


def remembered(function):
    """What a function of the reference gives, kept: every backend in turn is compared with the same."""
    known = {}

    @functools.wraps(function)
    def call(*arguments):
        key = tuple(
            (one.dtype.str, one.shape, hashlib.blake2b(one.tobytes()).digest()) if isinstance(one, np.ndarray) else one
            for one in arguments
        )
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return call


METHODS = {  # which rows seeds are
    "k-means++": remembered(reference.kmeans_plusplus),
    "k-means||": remembered(reference.kmeans_parallel),
    "random": remembered(reference.random_rows),
}
lloyd = remembered(reference.lloyd)


def check(X, n_clusters, weights=None, *, dtype=None, init=None, seed=3):
    """Fit `X` with every init and compare everything with the reference on `dtype` values."""
    ideal = np.ascontiguousarray(X, dtype or X.dtype)
    starts = {
        "k-means++": lambda: ideal[reference.kmeans_plusplus(ideal, weights, n_clusters, seed)],
        "random": lambda: ideal[reference.random_rows(ideal, weights, n_clusters, seed)],
    }
    for name, start in starts.items() if init is None else [(init, lambda: init)]:
        wanted = reference.lloyd(ideal, weights, start(), max_iter=20)
        got = kmeans_fast.kmeans(X, n_clusters, init=name, sample_weight=weights, seed=seed, max_iter=20)
        assert_array_equal(got.labels, wanted.labels)
        assert_array_equal(got.centroids, wanted.centroids)
        assert got.centroids.dtype == ideal.dtype
        assert got.inertia == wanted.inertia
        assert got.n_iter == wanted.n_iter
        labels, distances = kmeans_fast.assign(X, got.centroids)
        assert_array_equal(labels, got.labels)
        assert_array_equal(distances, reference.assign(ideal, got.centroids)[1])
    return got


def check_engines(X, centroids, weights=None):
    """One iteration on every engine, the threads of the CPU forced."""
    labels, _ = reference.assign(X, centroids)
    new = reference.update(X, weights, centroids, labels)
    for engine in ENGINES[1:]:
        opened = session(engine, X, weights, len(centroids))
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, new)
        assert opened.inertia(centroids) == reference.inertia(X, weights, centroids, labels)
