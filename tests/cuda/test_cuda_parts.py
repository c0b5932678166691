"""What rows opened on a GPU return as a part of a data set: value for value what the reference backend returns.

The simulator stands in for the GPU.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.drawing import Buckets
from kmeans_fast.backends.partials import Form, merged
from kmeans_fast.backends.reference import ReferenceSession
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

# Rows, features, clusters and kind.
CASES = [
    (1, 3, 4, "normal"), (5, 2, 9, "grid"), (300, 2, 5, "grid"), (400, 9, 110, "normal"), (150, 5, 40, "grid"),
    (200, 3, 6, "wide"), (60, 20, 80, "wide"),
]  # fmt: skip


def some_rows(n, d, dtype, kind, seed=0):
    """Rows as `support.rows`, or "wide": of magnitudes that hardly fit the dtype."""
    if kind != "wide":
        return rows(n, d, dtype, kind, seed)
    rng = np.random.default_rng([n, d, seed])
    reach = 18 if dtype == np.float32 else 140
    values = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-reach, reach, (n, d))
    values[rng.random((n, d)) < 0.1] = 0.0
    return values.astype(dtype)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture(params=DTYPES, ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["", "weighted"])
def opened(request, case, dtype):
    """The same rows on the simulator and on the reference, and the form of the data that they are a part of."""
    n, d, k, kind = case
    X, weights = some_rows(n, d, dtype, kind), some_weights(n) if request.param else None
    ours, theirs = CudaSession(SimDevice(), X, weights, k, on_host=True), ReferenceSession(X, weights, k)
    rest = some_rows(n + 100, d, dtype, "normal", 7) * dtype(1e-3)
    rest = ReferenceSession(rest, some_weights(n + 100) if request.param else None)

    def form(weighted):
        return Form.of(merged([theirs.ranges(weighted), rest.ranges(weighted)]), 2 * n + 100)

    return ours, theirs, form


def exact(limbs):
    """Sums held in limbs as Python integers, which limbs hold modulo 2**(32 limbs)."""
    return sum(limb.astype(object) << (32 * place) for place, limb in enumerate(limbs)) % (1 << (32 * len(limbs)))


@pytest.mark.parametrize("weighted", [False, True])
def test_ranges_and_sums_of_columns(opened, weighted):
    ours, theirs, form = opened
    assert (ours.shape, ours.dtype, ours.weighted) == (theirs.shape, theirs.dtype, theirs.weighted)
    for found, expected in zip(ours.ranges(weighted), theirs.ranges(weighted)):
        assert_array_equal(found, expected)
    assert_array_equal(exact(ours.column_sums(form(False))), exact(theirs.column_sums(form(False))))
    center = theirs.X.mean(axis=0, dtype=np.float64)
    assert ours.scatter(center, weighted) == theirs.scatter(center, weighted)


@pytest.mark.parametrize("bounds", [False, True], ids=["", "bounds"])
def test_sums_of_clusters_and_the_rows_that_are_farthest(opened, bounds, monkeypatch):
    """Through some iterations whose centroids come from elsewhere; bounds are used whenever there are any."""
    ours, theirs, form = opened
    monkeypatch.setattr("kmeans_fast.backends.cuda.hamerly.BoundsPolicy.decide", lambda *_: bounds)
    form, rng = form(True), np.random.default_rng(4)
    centroids = theirs.X[rng.integers(0, theirs.shape[0], theirs.k)]
    for iteration in range(4):
        found, expected = ours.accumulate(centroids, form), theirs.accumulate(centroids, form)
        assert_array_equal(ours.labels, theirs.labels)
        assert_array_equal(exact(found.sums), exact(expected.sums))
        assert_array_equal(found.rows, expected.rows)
        assert_array_equal(form.rounded(found.sums), form.rounded(expected.sums))
        assert found.changed == expected.changed
        assert_array_equal(ours.cluster_sizes(), theirs.cluster_sizes())
        assert ours.exact_inertia(centroids) == theirs.exact_inertia(centroids)
        for count in (1, 3, theirs.k):
            for field, wanted in zip(ours.farthest(centroids, count), theirs.farthest(centroids, count)):
                assert_array_equal(field, wanted)
        step = rng.normal(size=centroids.shape) * 0.01 * (iteration > 0)  # at first they stay
        new = (centroids * (1 + step)).astype(centroids.dtype)
        shifts = reference.distance(new, centroids)
        ours.follow(new, shifts)
        centroids = new
    ours.assign(centroids)
    theirs.assign(centroids)
    assert_array_equal(ours.labels, theirs.labels)


def test_bounds_follow_centroids_that_come_from_elsewhere(monkeypatch):
    """Rows are in fact left out, and not where bounds are of other centroids."""
    monkeypatch.setattr("kmeans_fast.backends.cuda.hamerly.BoundsPolicy.decide", lambda *_: True)
    X = rows(600, 8, np.float32)
    X += 50 * (np.arange(600) % 3)[:, None]
    start = X[:120].copy()
    ours, theirs = CudaSession(SimDevice(), X, None, 120, on_host=True), ReferenceSession(X, None, 120)
    form = Form.of(theirs.ranges(True), 600)

    def scored(centroids):
        found = ours.accumulate(centroids, form)
        theirs.assign(centroids)
        assert_array_equal(ours.labels, theirs.labels)
        assert found.paths == {"hamerly, float32" if found.scored < 600 else "float32"}
        return found.scored

    assert scored(start) == 600
    ours.follow(start, np.zeros(120))
    assert scored(start) < 100
    near = start + np.float32(1e-3)
    ours.follow(near, reference.distance(near, start))
    assert scored(near) < 300
    assert scored(start) == 600  # nobody has said so
    far = start[::-1].copy()
    ours.follow(near, reference.distance(near, start))
    ours.follow(far, reference.distance(far, near))
    assert scored(far) == 600  # two moves, of which bounds would know the last
    ours.follow(near, reference.distance(near, far))
    ours.assign(start)
    assert scored(near) == 600


@pytest.mark.parametrize("splitters", [0, 6])
def test_masses_of_buckets_and_rows_to_draw_from(opened, splitters):
    ours, theirs, _ = opened
    n = theirs.shape[0]
    hashes = np.unique(theirs.hashes(np.arange(n)))
    assert_array_equal(ours.hashes(np.arange(n)[::2]), theirs.hashes(np.arange(n)[::2]))
    buckets = Buckets(3, hashes[:: -(-len(hashes) // splitters)] if splitters else hashes[:0])
    found, expected = ours.masses(buckets), theirs.masses(buckets)
    rng, joined = np.random.default_rng(1), 0

    def weigh():
        assert found.largest() == expected.largest()
        shift = 61 - (2 * n + 100).bit_length() - math.frexp(expected.largest() or 1.0)[1]
        of_buckets = expected.weigh(shift)
        assert_array_equal(found.weigh(shift), of_buckets)
        wanted = rng.random(buckets.count) < 0.5
        for one, other in zip(found.rows_in(wanted), expected.rows_in(wanted)):
            assert_array_equal(one, other)
        targets = np.sort(rng.integers(0, max(1, int(of_buckets.sum())), 20))
        assert_array_equal(found.draw(targets, of_buckets), expected.draw(targets, of_buckets))
        return of_buckets

    def candidates(count):
        return theirs.X[rng.integers(0, n, count)] + rng.integers(0, 2, (count, 1)).astype(theirs.dtype)

    weigh()
    for count in (1, 5, 3):
        these = candidates(count)
        found.join(these)
        expected.join(these)
        joined += count
        weigh()
    these = candidates(1)
    found.begin(these)
    expected.begin(these)
    of_buckets = weigh()
    for count in (2, 1, 16):
        these = candidates(count)
        assert_array_equal(found.trials(these), expected.trials(these))
        changed = [of_buckets.copy(), of_buckets.copy()]
        for masses, changed_masses in zip((found, expected), changed):
            masses.accept(count // 2, changed_masses)
        assert_array_equal(*changed)
        of_buckets = weigh()
    for number in rng.integers(0, n, 3).tolist():
        changed = [of_buckets.copy(), of_buckets.copy()]
        assert found.exclude(number, changed[0]) == expected.exclude(number, changed[1])
        assert_array_equal(*changed)
        of_buckets = changed[0]
    weigh()
    found.fill(1.0)
    expected.fill(1.0)
    weigh()
    assert_array_equal(found.shares(joined), expected.shares(joined))


@pytest.mark.parametrize("scorer", ["points", "panels"])
def test_a_part_scores_as_it_is_told(scorer):
    X = rows(200, 3, np.float32)
    device = SimDevice()
    with use_scorer(scorer):
        part = CudaSession(device, X, None, 40, on_host=True)
    part.accumulate(X[:40], Form.of(part.ranges(True), 200))
    assert_array_equal(part.labels, reference.assign(X, X[:40])[0])
    assert ("assign_points" in device.launches) == (scorer == "points")
