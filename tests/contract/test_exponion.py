"""Rows measured only against centroids near their own: the reference's bits, bounds that hold, most left out."""

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.scoring import panels
from kmeans_fast.kernels.cpu.scoring.packing import Packing
from kmeans_fast.kernels.cpu.scoring.panels import GROUP, PANEL_ROWS
from numpy.testing import assert_array_equal
from support import DTYPES, iterated, session, some_weights

from kmeans_fast import KMeans, reference
from kmeans_fast.backends import use_technique, without_techniques
from kmeans_fast.backends.cpu.techniques import exponion

SHAPES = [(1, 1, 1), (40, 3, 2), (300, 5, GROUP), (700, 17, GROUP + 1), (1000, 64, 150), (400, 200, 70), (200, 300, 9)]
KINDS = ["normal", "grid", "clusters", "repeated", "offset", "skewed", "tiny"]


@pytest.fixture
def always():
    """In every iteration, whatever the sizes and however little it saves."""
    with use_technique("exponion"):
        yield


def technique(opened):
    """The technique of a session."""
    return opened.assignment.kept[exponion.Exponion]


def data(kind, n, d, dtype, seed=0):
    rng = np.random.default_rng([seed, n, d])
    if kind == "normal":
        X = rng.normal(size=(n, d))
    elif kind == "grid":  # full of ties
        X = rng.integers(-2, 3, (n, d)) / 2
    elif kind == "clusters":  # the scale is that of the whole, in float32 those within a cluster look alike
        X = 3000 * rng.normal(size=(6, d))[rng.integers(0, 6, n)] + rng.normal(size=(n, d))
    elif kind == "repeated":  # more contenders than there is room for
        X = rng.normal(size=(3, d))[rng.integers(0, 3, n)]
    elif kind == "offset":
        X = 1e5 + rng.normal(size=(n, d))
    elif kind == "skewed":
        X = np.exp(rng.normal(size=(n, d)) * 8)
    else:
        X = rng.integers(-50, 50, (n, d)) * (2.0**-250 if dtype == np.float64 else 2.0**-80)
    return np.ascontiguousarray(X, dtype)


def iterate(threads, X, weights, centroids, iterations=5):
    """Iterate beside the reference; the paths taken."""
    opened, before, paths = session(threads, X, weights, len(centroids)), np.full(len(X), -1), []
    for _ in range(iterations):
        labels, own = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(opened.own_distances(centroids), own)
        assert_array_equal(step.centroids, reference.update(X, weights, centroids, labels))
        assert step.changed == np.count_nonzero(labels != before)
        assert step.squared_shift == reference.squared_shift(step.centroids, centroids)
        before, centroids = labels, step.centroids
        paths.append(step.path)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
    return paths


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_iterations_are_the_references(always, kind, weighted, dtype, n, d, k):
    X, weights = data(kind, n, d, dtype), some_weights(n) if weighted else None
    paths = iterate(3, X, weights, data(kind, k, d, dtype, 1))
    assert set(paths) <= {"exponion", "hamerly, exponion"}
    assert paths[0] == "exponion"


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("kind", ["normal", "clusters", "offset"])
def test_from_rows_to_the_end(always, threads, kind):
    X = data(kind, 2500, 12, np.float32)
    paths = iterate(threads, X, None, X[::25].copy(), 15)
    assert paths[-1] == "hamerly, exponion"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "clusters", "offset", "skewed", "repeated"])
def test_bounds_and_gaps_hold(always, kind, dtype):
    """Checked in float64 after every pass; the bounds are what later passes rely on."""
    X = data(kind, 900, 20, dtype)
    centroids = X[::9].copy()
    opened = session(2, X, None, len(centroids))
    for _ in range(6):
        step = iterated(opened, centroids)
        found = technique(opened)
        bounds = found.bounds
        distances = np.sqrt(reference.squared_distances(X, centroids)) * bounds.unit
        own = distances[np.arange(len(X)), opened.labels]
        distances[np.arange(len(X)), opened.labels] = np.inf
        assert (bounds.upper >= own).all()
        assert (bounds.lower <= distances.min(axis=1)).all()
        between = np.sqrt(reference.squared_distances(centroids, centroids)) * bounds.unit
        np.fill_diagonal(between, np.inf)
        assert (2 * bounds.half_gap <= between.min(axis=1)).all()
        padded = np.where(found.panels.order < 0, np.inf, between[:, found.panels.order])
        of_panels = padded.reshape(len(centroids), -1, GROUP).min(axis=2)
        gaps = found.panels.gaps.reshape(len(centroids), -1)
        assert (gaps[:, : of_panels.shape[1]] <= of_panels).all()
        assert (gaps[:, of_panels.shape[1] :] == np.inf).all()
        centroids = step.centroids


def test_a_row_with_more_contenders_than_there_is_room_for(always):
    """Many copies of the nearest centroid, and a tile of rows that all have them: the lowest number wins."""
    k = 8 * GROUP
    X = np.ascontiguousarray(np.linspace(0, 1e-3, 4 * PANEL_ROWS)[:, None] + np.zeros(3), np.float32)
    X[-1] = 1e3  # so that float32 tells nothing of the others apart
    centroids = np.zeros((k, 3), np.float32)
    centroids[5] = 5e2
    opened = session(2, X, None, k)
    iterated(opened, centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
    assert technique(opened).share < 0.8  # all panels are in reach; a tile is given up when there is no room


def spied(function, see):
    def run(*arguments):
        found = function(*arguments)
        see(found)
        return found

    return run


@pytest.mark.parametrize("far", [3e18, 1e19, 4e19, 1e22, 1e30])
def test_rows_at_the_edge_of_what_float32_can_square(always, far):
    X = data("normal", 2000, 5, np.float32)
    X[1::200] *= np.float32(far) * np.random.default_rng(1).uniform(0.2, 2, (10, 1)).astype(np.float32)
    iterate(2, X, None, np.ascontiguousarray(np.r_[X[1::200][:6], X[:40]]))


@pytest.mark.parametrize("scale", [1e-140, 1e-80, 1e80, 1e140])
def test_at_the_ends_of_float64(always, scale):
    X = data("normal", 600, 6, np.float64) * scale
    paths = iterate(2, X, None, X[::10].copy())
    assert ("exponion" in paths[0]) == (abs(np.log2(scale)) < 300)  # beyond, the bounds' unit would overflow


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cluster_that_empties_and_centroids_from_elsewhere(always, dtype):
    X = data("clusters", 800, 6, dtype)
    centroids = X[:40].copy()
    centroids[7] += dtype(1e7)
    opened = session(2, X, None, len(centroids))
    for iteration in range(6):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        centroids = step.centroids if iteration % 3 else step.centroids[::-1].copy()


@pytest.mark.parametrize("k", [1, GROUP, 5 * GROUP + 3])
@pytest.mark.parametrize("kind", ["normal", "repeated"])
def test_panels_hold_every_centroid_once(kind, k):
    centroids = data(kind, k, 7, np.float32)
    assert_array_equal(np.sort(exponion.spatial_order(centroids)), np.arange(k))


def test_panels_hold_neighbours():
    rng = np.random.default_rng(0)
    centroids = np.repeat(1000 * rng.normal(size=(6, 9)), GROUP, axis=0) + rng.normal(size=(6 * GROUP, 9))
    shuffled = np.random.default_rng(1).permutation(6 * GROUP)
    panels = shuffled[exponion.spatial_order(centroids[shuffled])].reshape(6, GROUP) // GROUP
    assert (panels == panels[:, :1]).all()


def in_few_directions(n, d):
    """Rows near a surface of three dimensions, as patches of images are: few centroids are near any of them."""
    rng = np.random.default_rng(n)
    shapes = np.sin(rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)))
    return np.ascontiguousarray(shapes + 20 * rng.normal(size=(n, 1)), np.float32)


def test_a_fit_uses_exponion_where_that_pays_and_gives_the_same():
    X = in_few_directions(20_000, 64)
    fitted = KMeans(900, init=X[:900], n_init=1, max_iter=12).fit(X)
    assert {step.path for step in fitted.history_} == {"exponion", "hamerly, exponion"}
    with without_techniques("exponion"):
        without = KMeans(900, init=X[:900], n_init=1, max_iter=12).fit(X)
    assert "exponion" not in {step.path for step in without.history_}
    assert_array_equal(fitted.labels_, without.labels_)
    assert_array_equal(fitted.cluster_centers_, without.cluster_centers_)
    assert fitted.inertia_ == without.inertia_


def test_few_centroids_are_measured():
    X = in_few_directions(20_000, 64)
    opened = session(2, X, None, 900)
    centroids = X[:900].copy()
    for _ in range(3):
        centroids = iterated(opened, centroids).centroids
    assert technique(opened).share < 0.25


def test_it_is_asked_more_and_more_seldom_where_it_does_not_pay(monkeypatch):
    asked = []
    monkeypatch.setattr(exponion, "sampled", spied(exponion.sampled, asked.append))
    X = data("normal", 20_000, 64, np.float32)
    fitted = KMeans(300, init=X[:300], n_init=1, max_iter=20, tol=0).fit(X)
    assert not any("exponion" in step.path for step in fitted.history_)
    assert 2 <= len(asked) <= 5
    assert min(found.share for found in asked) > 0.8


def test_a_sample_tells_what_there_is_to_tell():
    X = in_few_directions(8000, 40)
    centroids = X[:500].copy()
    found = exponion.sampled(2, X, centroids, 256)
    labels, own = reference.assign(X, centroids)
    between = reference.squared_distances(centroids, centroids)
    assert found.share == pytest.approx(np.mean(between[labels] <= 4 * own[:, None]), rel=0.2)
    assert found.candidates > 10  # brightness takes up the bytes


def test_predict_uses_exponion_too(monkeypatch):
    seen = []
    monkeypatch.setattr(exponion.Exponion, "run", spied(exponion.Exponion.run, seen.append))
    X = in_few_directions(300_000, 64)
    fitted = KMeans(900, init=X[:900], n_init=1, max_iter=1).fit(X[:6000])
    seen.clear()
    labels = fitted.predict(X)
    assert seen
    assert_array_equal(labels[::100], reference.assign(X[::100], fitted.cluster_centers_)[0])


def test_several_runs_and_refinement():
    X = in_few_directions(20_000, 64)
    several = KMeans(500, n_init=2, random_state=0, max_iter=4, refine="breathing").fit(X)
    assert "hamerly, exponion" in {step.path for step in several.history_}
    with without_techniques("exponion"):
        without = KMeans(500, n_init=2, random_state=0, max_iter=4, refine="breathing").fit(X)
    assert_array_equal(several.labels_, without.labels_)
    assert several.inertia_ == without.inertia_


def test_gaps_are_as_large_as_float32_allows(always):
    """Bounds that hold could be zero; these leave little."""
    centroids = data("normal", 3 * GROUP + 5, 30, np.float32)
    k, d = centroids.shape
    found = technique(session(2, centroids, None, k))
    found._make_panels(centroids)
    packed = Packing(k, d, np.float32).fill(centroids.reshape(-1))
    half_gap = np.empty(k, np.float32)
    panels.fill_panels(2, packed, d, found.panels)
    panels.find_gaps(2, packed, d, found.panels, np.float32(1 / packed.scale), found.scratch, half_gap)
    between = np.sqrt(reference.squared_distances(centroids, centroids))
    np.fill_diagonal(between, np.inf)
    np.testing.assert_allclose(2 * half_gap, between.min(axis=1), rtol=1e-3)
