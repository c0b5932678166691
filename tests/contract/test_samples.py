"""Seeds from a random sample of the rows, and when they are drawn so: `init_size`."""

import numpy as np
import pytest
from against_reference import METHODS
from numpy.testing import assert_array_equal
from support import DTYPES, colliding_rows, rows, session, some_weights

import kmeans_fast
from kmeans_fast import reference
from kmeans_fast.engine import seeding


def on_host(taken):
    """Rows as `Session.taken` gives them."""
    return np.asarray(getattr(taken, "array", taken))


@pytest.mark.parametrize(("n", "size"), [(1, 1), (10, 1), (10, 30), (1000, 37), (5000, 4000)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", [2, "cuda-sim"], ids=str)
def test_a_sample_is_the_references(engine, dtype, kind, weighted, n, size):
    X, weights = rows(n, 3, dtype, kind), some_weights(n) if weighted else None
    numbers, wanted = reference.sample(X, weights, size, 3, 1)
    values, times = seeding.sample(session(engine, X, weights, 1), size, 3, 1)
    values = on_host(values)
    assert_array_equal(values, X[numbers])
    assert not np.signbit(values[values == 0]).any()
    assert_array_equal(times, wanted)
    assert times.sum() == size
    assert len(np.unique(values, axis=0)) == len(values)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("engine", [2, "cuda-sim"], ids=str)
def test_of_rows_whose_hashes_collide_each_is_counted(engine, weighted):
    X = np.concatenate([np.repeat(colliding_rows(), 3, axis=0), rows(200, 2, np.float64)])
    weights = some_weights(len(X)) if weighted else None
    numbers, wanted = reference.sample(X, weights, 3 * len(X), 1)
    values, times = seeding.sample(session(engine, X, weights, 1), 3 * len(X), 1, 0)
    assert_array_equal(on_host(values), X[numbers])
    assert_array_equal(times, wanted)


def test_samples_are_uniform_and_differ_by_seed_and_run():
    X, hits = rows(50, 2, np.float64), np.zeros(50)
    for seed in range(2000):
        numbers, times = reference.sample(X, None, 10, seed)
        hits[numbers] += times
    assert (np.abs(hits - 400) < 6 * np.sqrt(392)).all()
    X = rows(1000, 2, np.float64)
    drawn = {tuple(reference.sample(X, None, 5, seed, run)[0]) for seed in range(20) for run in range(5)}
    assert len(drawn) == 100


@pytest.mark.parametrize("init", METHODS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_seeds_from_a_sample_are_the_references(backend, dtype, threads, init):
    X, weights = rows(900, 7, dtype), some_weights(900)
    for given in (None, weights):
        sample, times = reference.sample(X, given, 200, 5)
        start = X[sample][METHODS[init](X[sample], times, 12, 5)]
        wanted = reference.lloyd(X, given, start, max_iter=2)
        got = kmeans_fast.kmeans(
            X, 12, init=init, init_size=200, sample_weight=given, seed=5, max_iter=2, n_threads=threads
        )
        assert_array_equal(got.centroids, wanted.centroids)
        assert_array_equal(got.labels, wanted.labels)


def test_a_sample_without_enough_different_rows_is_not_used(backend):
    X, weights = rows(300, 3, np.float64), np.full(300, 1e-9)
    weights[:7] = 1.0
    options = {"sample_weight": weights, "seed": 2, "max_iter": 1}
    sampled, whole = (kmeans_fast.kmeans(X, 8, init_size=size, **options) for size in (20, None))
    assert_array_equal(sampled.centroids, whole.centroids)


@pytest.mark.parametrize("size", [900, 1000])
def test_a_sample_of_all_rows_is_all_rows(size):
    X = rows(900, 4, np.float32)
    sampled, whole = (kmeans_fast.kmeans(X, 9, init_size=chosen, seed=1) for chosen in (size, None))
    assert_array_equal(sampled.centroids, whole.centroids)


@pytest.mark.parametrize(
    ("n", "k", "init", "size"),
    [
        (625_000, 16, "k-means++", 16_384),
        (624_999, 16, "k-means++", None),  # too few seeds for the sample to pay
        (65_536, 200, "k-means++", None),  # 51,200 are most of the rows
        (204_799, 200, "k-means++", None),
        (204_800, 200, "k-means++", 51_200),
        (20_000_000, 50, "k-means++", 16_384),
        (249_999, 200, "k-means++", 51_200),
        (10**6, 256, "k-means++", 65_536),
        (200_000, 300, "k-means||", 76_800),
        (140_000, 300, "k-means++", None),
        (10**6, 441, "k-means++", 112_896),  # 256 * 441**2 is below 50 million
        (10**6, 442, "k-means||", 113_152),
        (10**6, 1024, "k-means||", 262_144),
        (10**6, 4096, "k-means||", None),
        (64 * 2000, 2000, "k-means||", None),
        (64 * 2000 - 1, 2000, "k-means++", None),  # candidates would be too many of the rows
        (10**6, 65_536, "k-means++", None),
        (2 * 10**8, 10**5, "k-means||", 25_600_000),
    ],
)
def test_how_seeds_are_drawn_by_default_is_a_function_of_rows_and_clusters(n, k, init, size):
    assert seeding.auto_start(n, k) == (init, size)


def test_many_clusters_start_from_candidates_by_default(backend, monkeypatch):
    monkeypatch.setattr(seeding, "_LEAST_ROWS", 40)
    monkeypatch.setattr(seeding, "_ROWS_A_CLUSTER", 20)
    monkeypatch.setattr(seeding, "_MANY_READ", 100)
    monkeypatch.setattr(seeding, "_ROWS_A_CANDIDATE", 15)
    for n, size in ((150, None), (400, 200)):
        X, options = rows(n, 3, np.float32), {"seed": 4, "max_iter": 1}
        default = kmeans_fast.kmeans(X, 10, **options)
        named = kmeans_fast.kmeans(X, 10, init="k-means||", init_size=size, **options)
        assert_array_equal(default.centroids, named.centroids)
        assert not np.array_equal(default.centroids, kmeans_fast.kmeans(X, 10, init_size=None, **options).centroids)
        in_parts = kmeans_fast.kmeans([X[:50], X[50:]], 10, **options)
        assert_array_equal(in_parts.centroids, default.centroids)
    several = kmeans_fast.kmeans_batch(np.stack([X, -X]), 10, **options)
    assert_array_equal(several.centroids[0], default.centroids)


def test_the_sample_is_the_default_of_kmeans_plusplus_alone(monkeypatch):
    monkeypatch.setattr(seeding, "_LEAST_ROWS", 40)
    monkeypatch.setattr(seeding, "_ROWS_A_CLUSTER", 5)
    monkeypatch.setattr(seeding, "_LEAST_WORK", 100)
    X = rows(900, 3, np.float32)
    options = {"seed": 4, "max_iter": 1}
    default = kmeans_fast.kmeans(X, 9, **options)
    assert_array_equal(default.centroids, kmeans_fast.kmeans(X, 9, init_size=45, **options).centroids)
    assert not np.array_equal(default.centroids, kmeans_fast.kmeans(X, 9, init_size=None, **options).centroids)
    assert_array_equal(kmeans_fast.KMeans(9, random_state=4, max_iter=1).fit(X).cluster_centers_, default.centroids)
    for init in ("k-means||", "random"):
        default, whole = (kmeans_fast.kmeans(X, 9, init=init, init_size=s, **options) for s in ("auto", None))
        assert_array_equal(default.centroids, whole.centroids)
