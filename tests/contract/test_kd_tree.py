"""Rows sorted by a k-d tree: every row is there once, inside its box, and passes over it give the reference's bits."""

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.assignment.kd_tree import MOST, TILE
from numpy.testing import assert_array_equal
from support import DTYPES, iterated, session, some_weights

from kmeans_fast import KMeans, reference
from kmeans_fast.backends import use_technique, without_techniques
from kmeans_fast.backends.cpu import costs
from kmeans_fast.backends.cpu.buffers import NO_WEIGHTS
from kmeans_fast.backends.cpu.techniques import kd_tree

SHAPES = [(1, 1, 1), (5, 2, 3), (200, 1, 7), (129, 3, 16), (700, 2, 60), (4000, 3, 33), (3000, 4, 300), (900, 9, 20)]
KINDS = ["normal", "grid", "clusters", "repeated", "skewed", "far", "tiny", "vanishing", "huge"]


@pytest.fixture
def always(monkeypatch):
    """A k-d tree from the first iteration on, whatever the sizes and however little they save."""
    monkeypatch.setattr(kd_tree, "_LEAF", 24)  # many small boxes, some families of them
    monkeypatch.setattr(kd_tree, "_FAMILY", 4)
    with use_technique("kd-tree"):
        yield


def data(kind, n, d, dtype, seed=0):
    rng = np.random.default_rng([seed, n, d])
    if kind == "normal":
        X = rng.normal(size=(n, d))
    elif kind == "grid":  # full of ties, many on the faces of boxes
        X = rng.integers(-3, 4, (n, d)) / 2
    elif kind == "clusters":
        X = 20 * rng.normal(size=(5, d))[rng.integers(0, 5, n)] + rng.normal(size=(n, d))
    elif kind == "repeated":  # boxes that are points, leaves that are cut
        X = rng.normal(size=(4, d))[rng.integers(0, 4, n)]
    elif kind == "skewed":
        X = np.exp(rng.normal(size=(n, d)) * 15)
    elif kind == "far":  # distances round to few different numbers
        X = 1e7 + rng.integers(0, 30, (n, d))
    elif kind == "tiny":
        X = rng.integers(-50, 50, (n, d)) * (5e-324 if dtype == np.float64 else 1e-45)
    elif kind == "vanishing":  # squares are a few of the smallest numbers, or round to none
        X = rng.integers(-9, 10, (n, d)) * (2.0**-539 if dtype == np.float64 else 1e-45)
    else:
        X = rng.normal(size=(n, d)) * (1e140 if dtype == np.float64 else 1e37)
    return np.ascontiguousarray(X, dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_iterations_are_the_references(always, kind, weighted, dtype, n, d, k):
    X, centroids = data(kind, n, d, dtype), data(kind, k, d, dtype, 1)
    weights = some_weights(n) if weighted and kind != "huge" else None
    opened, before = session(3, X, weights, k), np.full(n, -1)
    for _ in range(4):
        labels, own = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert step.path == "kd-tree"
        assert_array_equal(opened.labels, labels)
        assert_array_equal(opened.own_distances(centroids), own)
        assert_array_equal(step.centroids, reference.update(X, weights, centroids, labels))
        assert step.changed == np.count_nonzero(labels != before)
        assert step.scored <= n
        before, centroids = labels, step.centroids
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (50, 3), (2500, 2), (2500, 5)])
@pytest.mark.parametrize("kind", ["normal", "repeated", "skewed"])
def test_every_row_is_in_its_box_once(always, threads, weighted, n, d, kind):
    X = data(kind, n, d, np.float32)
    weights = some_weights(n) if weighted else NO_WEIGHTS
    found = kd_tree.build_kd_tree(threads, X.ravel(), weights, d)
    real = found.rows >= 0
    assert_array_equal(np.sort(found.rows[real]), np.arange(n))
    rows = found.tiles.reshape(-1, d, TILE).transpose(0, 2, 1).reshape(-1, d)
    assert_array_equal(rows[real], X[found.rows[real]])
    if weighted:
        assert_array_equal(found.weights[real], weights[found.rows[real]])
    widths = np.diff(found.starts)
    assert found.starts[0] == 0
    assert found.starts[-1] == len(found.rows)
    assert (found.starts % TILE == 0).all()
    assert (widths <= MOST).all()
    assert (found.sizes >= 1).all()
    assert (found.sizes <= widths).all()
    assert (widths - found.sizes < TILE).all()
    low, high = found.low.reshape(-1, d), found.high.reshape(-1, d)
    for block, (start, stop, size) in enumerate(zip(found.starts, found.starts[1:], found.sizes, strict=False)):
        assert real[start : start + size].all()
        assert not real[start + size : stop].any()
        assert_array_equal(low[block], rows[start:stop].min(axis=0))
        assert_array_equal(high[block], rows[start:stop].max(axis=0))
    outer_low, outer_high = found.family_low.reshape(-1, d), found.family_high.reshape(-1, d)
    assert found.families[0] == 0
    assert found.families[-1] == len(low)
    for family, (start, stop) in enumerate(zip(found.families, found.families[1:], strict=False)):
        assert_array_equal(outer_low[family], low[start:stop].min(axis=0))
        assert_array_equal(outer_high[family], high[start:stop].max(axis=0))


def test_centroids_at_equal_distance_from_a_face_of_a_box(always):
    """Those that tie with the nearest one on the border of a box, or differ by a rounding, stay candidates."""
    side = np.linspace(-1, 1, 41)
    X = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    step = np.nextafter(1.0, 2.0)
    for c in (1.0, step, 2 - step):
        centroids = np.array([[c, 0], [-1, 0], [0, 1], [0, -c], [3, 0], [1, 0]])
        opened = session(2, X, None, len(centroids))
        step_taken = iterated(opened, centroids)
        assert step_taken.path == "kd-tree"
        assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


def test_a_tree_that_does_not_pay_is_left_and_nothing_is_lost():
    X = data("normal", 5000, 4, np.float32)  # a box of neighbours reaches across the data
    centroids, before = X[:50], np.full(len(X), -1)
    opened, paths = session(2, X, None, 50), []
    for _ in range(5):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        paths.append(step.path)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        assert step.changed == np.count_nonzero(labels != before)
        before, centroids = labels, step.centroids
    assert [path == "kd-tree" for path in paths] == [False, True, False, False, False]


@pytest.mark.parametrize(("k", "before"), [(52, 2), (60, 1), (300, 0)])
def test_a_fit_builds_a_tree_when_iterations_have_cost_enough(k, before):
    X = data("normal", 20_000, 2, np.float32)
    options = {"init": X[:k], "n_init": 1, "max_iter": 30}
    fitted = KMeans(k, **options).fit(X)
    assert [step.path == "kd-tree" for step in fitted.history_] == [at >= before for at in range(fitted.n_iter_)]
    with without_techniques("kd-tree"):
        without = KMeans(k, **options).fit(X)
    assert "kd-tree" not in {step.path for step in without.history_}
    with use_technique("kd-tree"):
        always = KMeans(k, **options).fit(X)
    assert {step.path for step in always.history_} == {"kd-tree"}
    for other in (without, always):
        assert_array_equal(fitted.labels_, other.labels_)
        assert_array_equal(fitted.cluster_centers_, other.cluster_centers_)
        assert fitted.inertia_ == other.inertia_
        assert [step.changed for step in fitted.history_] == [step.changed for step in other.history_]


def test_few_centroids_are_left_to_a_box():
    X = data("normal", 40_000, 2, np.float32)
    opened = session(1, X, None, 400)
    iterated(opened, X[:400])
    assert opened.assignment.rows.counts.pairs.sum() < 8 * len(X)  # measurements, of 400 that there are for each row


def test_several_runs_share_the_tree_that_paid(monkeypatch):
    X = data("clusters", 20_000, 2, np.float32)
    made, make = [], kd_tree.build_kd_tree
    monkeypatch.setattr(kd_tree, "build_kd_tree", lambda *rows: made.append(1) or make(*rows))
    several = KMeans(200, n_init=3, random_state=0, max_iter=4, refine="breathing").fit(X)
    assert {step.path for step in several.history_ if step.run > 0} == {"kd-tree"}
    assert len(made) == 1
    with without_techniques("kd-tree"):
        without = KMeans(200, n_init=3, random_state=0, max_iter=4, refine="breathing").fit(X)
    assert_array_equal(several.labels_, without.labels_)
    assert several.inertia_ == without.inertia_


def test_little_memory_does_without(monkeypatch):
    """What only saves time is given up before a fit is refused."""
    from kmeans_fast.engine import memory

    X = data("normal", 20_000, 2, np.float32)
    expected = KMeans(300, init=X[:300], n_init=1, max_iter=5).fit(X)
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 450_000)
    frugal = KMeans(300, init=X[:300], n_init=1, max_iter=5, n_threads=1).fit(X)
    assert {step.path for step in frugal.history_} == {"float32"}
    assert_array_equal(expected.labels_, frugal.labels_)
    monkeypatch.setattr(memory, "available_bytes", lambda: 70_000)
    with pytest.raises(MemoryError, match=r"20,000 x 2 rows into 300 clusters needs"):
        KMeans(300, init=X[:300], n_init=1, n_threads=1).fit(X)


def test_rows_that_rise_and_fall_are_sorted_as_soon_as_others():
    """A pivot from the middle would take time with the square of the rows: minutes."""
    n = 8_000_000
    X = np.minimum(np.arange(n), n - 1 - np.arange(n)).astype(np.float32)
    found = kd_tree.build_kd_tree(2, X, NO_WEIGHTS, 1)
    assert (found.high - found.low).max() < 2000


def test_a_tree_is_left_where_more_clusters_share_their_sums(monkeypatch):
    X = data("clusters", 6000, 2, np.float32)
    wanted = KMeans(60, random_state=0, refine="breathing", n_threads=2).fit(X)
    monkeypatch.setattr(costs, "PRIVATE_BYTES", 2 * 61 * 2 * 24)  # sums for each thread of sixty clusters, not of more
    got = KMeans(60, random_state=0, refine="breathing", n_threads=2).fit(X)
    assert "kd-tree" in {step.path for step in got.history_}
    assert_array_equal(got.labels_, wanted.labels_)
    assert got.inertia_ == wanted.inertia_
