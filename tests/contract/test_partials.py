"""Parts large enough for every technique, and merging in any grouping: the bits of one part."""

import functools
import operator

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, part, rows, session, some_weights

from kmeans_fast.backends.partials import Form
from kmeans_fast.engine import seeding
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.parts import Parts

# Rows of few features in a k-d tree, one feature, bounds and bytes, distances between centroids (exponion), many limbs.
CASES = [(20_000, 2, 40), (9000, 1, 150), (12_000, 40, 64), (30_000, 24, 300), (3000, 130, 70)]


def opened(X, weights, k, at, engine=2):
    own = [None] * (len(at) + 1) if weights is None else np.split(weights, at)
    return Parts([part(engine, x, w, k) for x, w in zip(np.split(X, at), own)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_parts_of_many_rows_have_the_bits_of_one(case, dtype, weighted):
    n, d, k = case
    centers = 6 * rows(k // 2, d, np.float64, seed=1)
    X = (centers[np.arange(n) % len(centers)] + rows(n, d, np.float64)).astype(dtype)
    weights = some_weights(n) if weighted else None
    one, several = session(2, X, weights, k), opened(X, weights, k, [n // 2, n // 2 + 100])
    threshold = 1e-5 * one.mean_variance()
    assert threshold == 1e-5 * several.mean_variance()
    numbers = seeding.random_rows(one, k, 3, 0)
    assert_array_equal(numbers, seeding.random_rows(several, k, 3, 0))
    assert_array_equal(seeding.kmeans_plusplus(one, 9, 3, 0), seeding.kmeans_plusplus(several, 9, 3, 0))
    start = X[numbers]
    start[0] += 1000  # an empty cluster
    wanted, got = (lloyd(opened, start, max_iter=25, threshold=threshold) for opened in (one, several))
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)
    assert got.inertia == wanted.inertia
    for step, other in zip(got.history, wanted.history, strict=True):
        assert (step.changed, step.squared_shift, step.empty) == (other.changed, other.squared_shift, other.empty)
        np.testing.assert_allclose(step.inertia, other.inertia, rtol=1e-9)  # good to about ten digits


def test_partials_merge_in_any_grouping(rng):
    """Also where 32 bits of a limb are not enough for the sums of all parts."""
    X, k = rows(600, 3, np.float32) * np.float32(1e6), 5
    X[::7] *= np.float32(1e-6)
    weights, centroids = some_weights(600), X[:k]
    parts = [part("reference", x, w, k) for x, w in zip(np.split(X, 20), np.split(weights, 20))]
    form = Form.of(functools.reduce(operator.add, [one.ranges(True) for one in parts]), 600)
    partials = [one.accumulate(centroids, form) for one in parts]
    farthest = [one.farthest(centroids, 30) for one in parts]

    def grouped(values):
        values = [values[at] for at in rng.permutation(len(values))]
        while len(values) > 1:
            at = rng.integers(len(values) - 1)
            values[at : at + 2] = [values[at] + values[at + 1]]
        return values[0]

    whole = part("reference", X, weights, k).accumulate(centroids, form)
    for _ in range(5):
        merged, rest = grouped(partials), grouped(farthest)
        assert_array_equal(form.rounded(merged.sums), form.rounded(whole.sums))
        assert_array_equal(merged.rows, whole.rows)
        assert_array_equal(rest.sorted().values[:30], grouped(farthest).sorted().values[:30])
