"""Seeds: which rows they are depends on the values, the weights and the seed, and on nothing else."""

import functools
import itertools

import numpy as np
import pytest
from against_reference import METHODS, lloyd
from kmeans_fast.kernels.cpu.scoring import byte_codes
from numpy.testing import assert_array_equal
from support import DTYPES, SHAPES, rows, session, some_weights

import kmeans_fast
from kmeans_fast import reference
from kmeans_fast.backends import use_technique
from kmeans_fast.backends.cpu.assignment import Assignment
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.drawing import buckets_for, targets_of
from kmeans_fast.backends.masses import Oversampler
from kmeans_fast.engine import seeding

FEASIBLE = [shape for shape in SHAPES if shape[2] <= shape[0]]
KINDS = ("normal", "grid")


def check_plusplus(X, weights, n_clusters, seed, **options):
    wanted = METHODS["k-means++"](X, weights, n_clusters, seed)
    centroids, indices = kmeans_fast.kmeans_plusplus(X, n_clusters, sample_weight=weights, seed=seed, **options)
    assert_array_equal(indices, wanted)
    assert indices.dtype == np.int64
    assert centroids.dtype == X.dtype
    assert_array_equal(centroids, X[wanted])


def check_start(init, X, weights, n_clusters, seed, **options):
    """Seeds are seen through a fit of one iteration that starts from them."""
    start = X[METHODS[init](X, weights, n_clusters, seed)]
    wanted = lloyd(X, weights, start, 1)
    got = kmeans_fast.kmeans(
        X, n_clusters, init=init, sample_weight=weights, seed=seed, max_iter=1, tol=1e-4, **options
    )
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)


check_random = functools.partial(check_start, "random")
check_parallel = functools.partial(check_start, "k-means||")


@pytest.mark.parametrize("shape", FEASIBLE, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_plusplus_is_the_references(backend, dtype, kind, shape):
    check_plusplus(rows(*shape[:2], dtype, kind), None, shape[2], seed=sum(shape))


@pytest.mark.parametrize("shape", FEASIBLE, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted_plusplus_is_the_references(backend, dtype, shape):
    check_plusplus(rows(*shape[:2], dtype), some_weights(shape[0]), shape[2], seed=sum(shape))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize(("shape", "weighted"), list(zip(FEASIBLE[::2], itertools.cycle([False, True]))), ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("check", [check_random, check_parallel])
def test_other_starts_are_the_references(backend, check, dtype, kind, shape, weighted):
    weights = some_weights(shape[0]) if weighted else None
    check(rows(*shape[:2], dtype, kind), weights, shape[2], seed=sum(shape))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "shape", [(4095, 3, 9), (4096, 2, 5), (4097, 33, 20), (8193, 1, 40), (12_289, 70, 12)], ids=str
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_seeds_of_many_rows_are_the_references(dtype, shape, weighted):
    X, weights = rows(*shape[:2], dtype), some_weights(shape[0]) if weighted else None
    check_plusplus(X, weights, shape[2], seed=1)
    check_random(X, weights, shape[2], seed=1)
    check_parallel(X, weights, shape[2], seed=1)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 5, 9), (97, 17, 33), (5000, 3, 20)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_seeds_do_not_depend_on_threads(dtype, shape, weighted, threads):
    X, weights = rows(*shape[:2], dtype), some_weights(shape[0]) if weighted else None
    found = seeding.kmeans_plusplus(CpuSession(X, weights, shape[2], threads), shape[2], 5, 0)
    assert_array_equal(found, reference.kmeans_plusplus(X, weights, shape[2], 5))


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_public_seeds_do_not_depend_on_threads(dtype, n_threads):
    X = rows(12_000, 8, dtype)
    check_plusplus(X, some_weights(12_000), 12, seed=3, n_threads=n_threads)
    check_random(X, some_weights(12_000), 12, seed=3, n_threads=n_threads)
    check_parallel(X, some_weights(12_000), 5, seed=3, n_threads=n_threads)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63, 2**64 - 1])
def test_every_seed_is_the_references(backend, seed):
    check_plusplus(rows(60, 3, np.float64), None, 7, seed)


@pytest.mark.parametrize("init", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_best_of_several_runs_is_kept(backend, dtype, init):
    X = rows(150, 2, dtype)
    fits = [reference.lloyd(X, None, X[METHODS[init](X, None, 8, 11, run)]) for run in range(5)]
    best = min(fits, key=lambda fit: fit.inertia)
    got = kmeans_fast.kmeans(X, 8, init=init, n_init=5, seed=11)
    assert got.inertia == best.inertia
    assert got.n_iter == best.n_iter
    assert_array_equal(got.centroids, best.centroids)
    assert [step.run for step in got.history] == [run for run, fit in enumerate(fits) for _ in range(fit.n_iter)]


def test_kmeans_starts_from_the_seeds_of_kmeans_plusplus(backend):
    X = rows(150, 3, np.float32)
    start, _ = kmeans_fast.kmeans_plusplus(X, 8, seed=4)
    seeded, given = kmeans_fast.kmeans(X, 8, seed=4), kmeans_fast.kmeans(X, 8, init=start)
    assert_array_equal(seeded.centroids, given.centroids)
    assert seeded.n_iter == given.n_iter


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("check", [check_plusplus, check_parallel, check_random])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fewer_distinct_rows_than_clusters(backend, dtype, check, weighted):
    X = np.repeat(rows(3, 2, dtype), 6, axis=0)
    check(X, some_weights(18) if weighted else None, 10, seed=2)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("check", [check_plusplus, check_parallel, check_random])
def test_fewer_rows_of_positive_weight_than_clusters(backend, check):
    check(rows(12, 2, np.float64), np.array([0, 1, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0.0]), 6, seed=2)


def test_the_two_zeros_are_one_value(backend):
    X = rows(40, 3, np.float64, "grid")
    negative = np.where(X == 0, -0.0, X)
    _, indices = kmeans_fast.kmeans_plusplus(X, 6, seed=1)
    assert_array_equal(kmeans_fast.kmeans_plusplus(negative, 6, seed=1)[1], indices)


@pytest.mark.parametrize("kind", ["normal", "grid", "clouds", "tiny", "outlier", "far"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_seeds_from_bytes_and_from_floats_are_the_references(dtype, encoded, threads, kind):
    if encoded and not byte_codes.AVAILABLE:
        pytest.skip("this machine has no VNNI, without which bytes are never used")
    values = rows(2500, 5, np.float64, "grid" if kind == "grid" else "normal")
    if kind == "clouds":
        values = values * 1e-4 + 8 * np.random.default_rng(0).integers(0, 9, (2500, 1))
    elif kind == "tiny":
        values *= 1e-30
    elif kind == "outlier":
        values[7] = 1e6
    elif kind == "far":
        values[7] = 1e30
    X, weights = values.astype(dtype), some_weights(2500)
    for given in (None, weights):
        with use_technique("bytes" if encoded else "float32"):
            opened = CpuSession(X, given, 40, threads)
            seeder = opened.seeder(reference.draws(0, 0, (40, 5)))
            seeder.begin(seeder.draw(1))
            assert (seeder.masses.parts[0].tried.encoder is not None) == encoded
            assert_array_equal(seeding.kmeans_plusplus(opened, 40, 7, 0), reference.kmeans_plusplus(X, given, 40, 7, 0))


def test_where_candidates_are_too_few_all_rows_are(backend, monkeypatch):
    """As many clusters as rows, and few rows that have nearly all the mass in every round."""
    X = np.exp(3 * np.random.default_rng(3).normal(size=(200, 3)))
    on_all, usual = [], seeding.kmeans_plusplus

    def watched(session, *given):
        on_all.append(session.weights_of(np.arange(1)) is None)  # candidates have weights
        return usual(session, *given)

    monkeypatch.setattr(seeding, "kmeans_plusplus", watched)
    for seed in range(6):
        check_parallel(X, None, 200, seed)
    assert 0 < sum(on_all) < 6


def test_of_equal_rows_one_is_a_candidate(monkeypatch):
    """Copies of a candidate would tie with it for every row that is near."""
    session = CpuSession(np.repeat(np.float32([[0.0, 1], [5, 5]]), 50, axis=0), None, 2, 1)
    added, usual = [], Oversampler.add
    monkeypatch.setattr(Oversampler, "add", lambda self, new: added.append(len(new)) or usual(self, new))
    seeding.kmeans_parallel(session, 2, 1, 0, lambda few, shares: CpuSession(few, shares, 2, 1))
    assert added == [1, 1]


def test_zeros_of_both_signs_make_one_candidate(backend):
    X = rows(300, 2, np.float64, "grid")
    X[::2] *= -1.0
    check_parallel(X, None, 5, seed=1)


def test_a_light_row_that_has_nearly_all_the_inertia_becomes_a_seed(backend):
    """Its weight is far below the unit that the masses of the others are cut to."""
    X, weights = rows(2000, 2, np.float64), np.ones(2000)
    X[::2] += 50
    X[7], weights[7] = 1e13, 1e-17
    for seed in range(3):
        check_parallel(X, weights, 3, seed)
        found = kmeans_fast.kmeans(X, 3, init="k-means||", sample_weight=weights, seed=seed)
        assert found.inertia < 1e4


def test_equally_near_candidates_share_by_their_order(backend):
    """Rows between candidates belong to the first: shares, and so the seeds, depend on it. On a grid nearly all are."""
    for seed in range(10):
        check_parallel(rows(300, 1, np.float64, "grid"), None, 3, seed)
        check_parallel(rows(300, 2, np.float64, "grid"), some_weights(300), 6, seed)


@pytest.mark.parametrize("scale", [1e-30, 1e-153, 1e-160, 1e100, 1e143])
def test_parallel_seeds_of_tiny_and_huge_values_are_the_references(backend, scale):
    """Squares of the smallest are subnormal or vanish, those of the largest times many rows would be beyond float64."""
    for weights in (None, some_weights(200)):
        check_parallel(rows(200, 3, np.float64) * scale, weights, 6, seed=3)


def test_many_words_are_drawn_in_parts(monkeypatch):
    X = rows(5000, 3, np.float32)
    whole = CpuSession(X, None, 9, 2).oversampler().draw(reference.draws(1, 0, (100,)))
    monkeypatch.setattr("kmeans_fast.backends.drawing._TOGETHER", 1 << 30)  # one word at a time
    assert_array_equal(CpuSession(X, None, 9, 2).oversampler().draw(reference.draws(1, 0, (100,))), whole)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parallel_seeds_from_bytes_are_the_references(monkeypatch, dtype, threads):
    if not byte_codes.AVAILABLE:
        pytest.skip("this machine has no VNNI, without which bytes are never used")
    paths, usual = [], Assignment.assign
    monkeypatch.setattr(Assignment, "assign", lambda *given: paths.append(usual(*given).path))
    with use_technique("bytes"):
        check_parallel(rows(3000, 20, dtype), None, 30, seed=2, n_threads=threads)
    assert paths[:6] == 6 * ["bytes"]


@pytest.mark.parametrize("total", [0, 1, 2**32 - 1, 2**32, 2**61 - 1, 2**63 - 1])
def test_targets_of_many_words_are_those_of_each(total):
    words = np.append(reference.draws(1, 0, (97,)), np.array([0, 2**32 - 1, 2**64 - 1], np.uint64))
    assert_array_equal(targets_of(words, total), [(int(word) * total) >> 64 for word in words])


@pytest.mark.parametrize("crowded", ["not", "half of the rows are equal", "agree as float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("draws", [2, 100, 4000])
def test_draws_of_many_rows_on_a_gpu(draws, weighted, crowded):
    """Few words ask for few buckets, whose rows are sorted apart; many words, or equal rows, for all."""
    dtype = np.float64 if "float32" in crowded else np.float32
    X = rows(20_000, 2, dtype)
    if "equal" in crowded:
        X[::2] = X[0]
    elif "float32" in crowded:
        X = 1.7e9 + np.random.default_rng(2).random((20_000, 2)) * 10.0
    weights = some_weights(len(X)) if weighted else None
    words = reference.draws(1, 0, (draws,))
    sampler = session("cuda-sim", X, weights, 3).oversampler()
    assert_array_equal(sampler.draw(words), CpuSession(X, weights, 3, 2).oversampler().draw(words))
    assert (sampler.order is not None) == (draws == 4000) or crowded != "not"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", ["one value", "two values", "few"])
def test_seeds_of_many_rows_that_agree_as_float32(kind, threads):
    """Buckets by the upper half of the hash would hold all rows, or half of them: they are split by the whole hash."""
    rng = np.random.default_rng(2)
    X = 1.7e9 + rng.random((6000, 2)) * {"one value": 10.0, "two values": 150.0, "few": 10.0}[kind]
    X = np.floor(X) if kind == "few" else X
    opened = CpuSession(X, None, 15, threads)
    assert 0 < len(buckets_for(opened).splitters) < 6000 // 16
    assert_array_equal(seeding.kmeans_plusplus(opened, 15, 7, 0), reference.kmeans_plusplus(X, None, 15, 7))
    words = reference.draws(1, 0, (500,))
    masses = reference.Masses(X, None)
    assert_array_equal(opened.oversampler().draw(words), [masses.draw(word) for word in words])


def test_the_first_candidate_takes_no_pass(monkeypatch):
    """Kernels for one cluster are not those for many: they would be compiled for this alone."""
    X = rows(300, 4, np.float32)
    monkeypatch.setattr(Assignment, "assign", None)
    oversampler = CpuSession(X, None, 9, 2).oversampler()
    assert oversampler.add(X[7:8])
    masses = oversampler.masses.parts[0]
    assert_array_equal(masses.nearest, reference.squared_distances(X, X[7:8])[:, 0])
    assert_array_equal(masses.owner, np.zeros(300))
