"""Breathing k-means: the reference's result on every backend, on any number of threads, never worse than without."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.engine import refinement
from kmeans_fast.reference import squared_distances

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def clusters(n, d, count, dtype, seed=0):
    rng = np.random.default_rng([seed, n, d])
    return np.ascontiguousarray(
        6 * rng.normal(size=(count, d))[rng.integers(0, count, n)] + rng.normal(size=(n, d)), dtype
    )


def assert_same(got, wanted):
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)
    assert got.inertia == wanted.inertia
    assert got.n_iter == wanted.n_iter
    assert [(step.stage, step.iteration, step.changed) for step in got.history] == [
        (step.stage, step.iteration, step.changed) for step in wanted.history
    ]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "n", "d", "k"), [("clusters", 220, 3, 9), ("grid", 150, 2, 8), ("normal", 90, 70, 6)])
def test_every_backend_gives_the_references_bits(backend, kind, n, d, k, dtype, weighted):
    X = clusters(n, d, 12, dtype) if kind == "clusters" else rows(n, d, dtype, kind)
    weights = some_weights(n) if weighted else None
    options = {"sample_weight": weights, "seed": 3, "refine": "breathing"}
    with kmeans_fast.use_backend("reference"):
        wanted = kmeans_fast.kmeans(X, k, **options)
    got = kmeans_fast.kmeans(X, k, **options)
    assert got.backend == backend
    assert_same(got, wanted)
    assert max(step.stage for step in got.history) >= 2


@pytest.mark.parametrize("shape", [(5000, 2, 60), (4200, 40, 64)])  # by a k-d tree, by bytes and bounds
def test_what_saves_time_gives_the_references_bits(shape):
    n, d, k = shape
    X = clusters(n, d, 80, np.float32)
    options = {"seed": 1, "refine": "breathing", "init": "random", "max_iter": 3}
    with kmeans_fast.use_backend("reference"):
        wanted = kmeans_fast.kmeans(X, k, **options)
    assert_same(kmeans_fast.kmeans(X, k, **options), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_does_not_matter(backend, dtype, scale):
    """Squares of these overflow or vanish in float32. A power of two changes no significand."""
    X, factor = clusters(200, 3, 12, dtype), dtype(2.0 ** round(np.log2(scale)))
    one, other = (kmeans_fast.kmeans(data, 9, init=data[:9], seed=3, refine="breathing") for data in (X, X * factor))
    assert_array_equal(one.labels, other.labels)
    assert_array_equal(one.centroids * factor, other.centroids)


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_clusters_that_rows_drawn_at_random_miss(seed):
    X = 10 * clusters(3000, 4, 40, np.float32)
    plain, refined = (
        KMeans(40, init="random", n_init=1, random_state=seed, refine=refine).fit(X) for refine in (None, "breathing")
    )
    assert refined.inertia_ < 0.95 * plain.inertia_  # of what is missed, some at least is found
    assert refined.n_iter_ == len(refined.history_) > plain.n_iter_
    assert_array_equal(refined.predict(X), refined.labels_)
    assert refined.inertia_ == -refined.score(X)
    assert refined.cluster_centers_.shape == (40, 4)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("shape", [(6000, 2, 60), (5000, 40, 64)])  # by a k-d tree, by bytes
def test_threads_do_not_change_it(n_threads, shape):
    n, d, k = shape
    X = clusters(n, d, 80, np.float32)
    wanted = kmeans_fast.kmeans(X, k, seed=1, refine="breathing", n_threads=3)
    assert_same(kmeans_fast.kmeans(X, k, seed=1, refine="breathing", n_threads=n_threads), wanted)


@pytest.mark.parametrize("weighted", [False, True])
def test_labels_follow_their_rows(rng, weighted):
    X = clusters(1500, 3, 20, np.float64)
    weights = some_weights(len(X)) if weighted else np.ones(len(X))
    order = rng.permutation(len(X))
    one = kmeans_fast.kmeans(X, 20, seed=2, sample_weight=weights, refine="breathing")
    other = kmeans_fast.kmeans(X[order], 20, seed=2, sample_weight=weights[order], refine="breathing")
    assert_array_equal(one.centroids, other.centroids)
    assert_array_equal(one.labels[order], other.labels)
    assert one.inertia == other.inertia


def test_several_runs_are_each_refined():
    X = clusters(800, 3, 12, np.float32)
    one_by_one = [kmeans_fast.kmeans(X, 10, seed=4, n_init=runs, refine="breathing") for runs in (1, 3)]
    assert one_by_one[1].inertia <= one_by_one[0].inertia
    assert {step.run for step in one_by_one[1].history if step.stage > 0} == {0, 1, 2}
    for run in range(3):
        steps = [step.iteration for step in one_by_one[1].history if step.run == run]
        assert steps == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("at", [1, 12, 25])
def test_a_callback_ends_it_with_the_best_so_far(at):
    X = clusters(2000, 3, 30, np.float32)
    plain = KMeans(30, random_state=0).fit(X)
    seen = []
    stopped = KMeans(
        30, random_state=0, refine="breathing", callback=lambda step: seen.append(step) or len(seen) == at
    ).fit(X)
    assert len(seen) == at == stopped.n_iter_
    if at > plain.n_iter_:
        assert stopped.inertia_ <= plain.inertia_
    assert_array_equal(stopped.predict(X), stopped.labels_)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 5), (6, 5), (30, 1), (40, 39)])
def test_where_there_is_no_room_for_a_breath(n, k):
    X = rows(n, 3, np.float64)
    refined = kmeans_fast.kmeans(X, k, seed=0, refine="breathing")
    assert refined.inertia <= kmeans_fast.kmeans(X, k, seed=0).inertia
    assert len(refined.centroids) == k


def test_rows_all_alike_have_no_error_to_lessen():
    refined = kmeans_fast.kmeans(np.ones((50, 2)), 3, seed=0, refine="breathing")
    assert refined.inertia == 0.0
    assert {step.stage for step in refined.history} == {0}


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e100])
def test_sums_by_cluster_are_exact_in_any_order(rng, scale):
    values, labels = rng.exponential(size=5000) * scale, rng.integers(0, 7, 5000)
    order = rng.permutation(5000)
    sums = refinement.sums_by_cluster([(labels, values)], 7)
    parts = [(labels[part], values[part]) for part in np.split(order, [1000, 1001])]
    assert_array_equal(sums, refinement.sums_by_cluster(parts, 7))
    np.testing.assert_allclose(sums, np.bincount(labels, values), rtol=1e-9)
    assert_array_equal(refinement.sums_by_cluster([(np.array([0, 2, 2]), np.zeros(3))], 3), np.zeros(3))


def test_who_is_let_go():
    """The lightest first, of two neighbours only one, and the others when neighbours are all that is left."""
    centroids = np.array([[0.0], [1.0], [10.0], [10.5], [100.0]])
    weights = np.array([3.0, 2.0, 8.0, 9.0, 1.0])  # missed by 3, 2, 2, 2.25 and 8010.25

    def left(count):
        return (
            refinement.exhaled(centroids, weights, count, lambda some: np.sqrt(squared_distances(some, centroids)))
            .ravel()
            .tolist()
        )

    assert left(1) == [0.0, 10.0, 10.5, 100.0]
    assert left(2) == [0.0, 10.5, 100.0]
    assert left(3) == [0.0, 10.5]
    assert left(4) == [0.0]


def test_where_centroids_are_drawn_in():
    centroids = np.array([[0.0, 0.0], [5.0, 5.0], [9.0, 9.0]], np.float32)
    errors, weights = np.array([8.0, 0.0, 32.0]), np.array([4.0, 1.0, 4.0])
    more = refinement.inhaled(centroids, errors, weights, 3, np.array([[0b01], [0b10], [0]], np.uint64))
    assert more.dtype == np.float32
    assert_array_equal(more[:3], centroids)
    np.testing.assert_allclose(
        more[3:], [[9 - 0.02, 9 + 0.02], [0.01, -0.01]], rtol=1e-5
    )  # 0.01 of the root mean square, 2 and 1 a feature


@pytest.mark.parametrize("value", ["deep", 1, True, ["breathing"]])
def test_other_values_are_refused(value):
    X = rows(20, 2, np.float64)
    with pytest.raises(ValueError, match="refine"):
        kmeans_fast.kmeans(X, 2, refine=value)
    with pytest.raises(ValueError, match=r"'refine' parameter of KMeans must be a str among \{'breathing'\}"):
        KMeans(2, refine=value).fit(X)


def test_weights_too_light_for_the_common_unit_draw_nobody_in(rng):
    X = np.concatenate([np.zeros((500, 1)), 1000 + rng.normal(size=(500, 1))])
    weights = np.repeat([1.0, 1e-20], 500)
    refined = kmeans_fast.kmeans(X, 3, sample_weight=weights, seed=0, refine="breathing")
    assert np.isfinite(refined.centroids).all()
    assert all(np.isfinite(step.inertia) for step in refined.history)
