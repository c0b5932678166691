"""Many problems at once: each answer is that of the problem's own fit by the reference, and so are n_init runs."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, SIMULATED, TESTED, problem, rows, some_weights

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast import reference
from kmeans_fast.backends.cpu import costs
from kmeans_fast.backends.cpu import together as cpu_together
from kmeans_fast.backends.cpu.problems import CpuProblems
from kmeans_fast.backends.cuda import planning
from kmeans_fast.backends.defaults import OneByOne
from kmeans_fast.engine import memory

# Names of backends, and whether they are made to run problems together: those that can.
WAYS = [("cpu", False)] + [
    (one.name, True) for one in (*registry.BACKENDS, SIMULATED) if one.name in TESTED and not isinstance(one, OneByOne)
]
# n_samples, n_features, n_clusters
SHAPES = [(1, 1, 1), (5, 2, 5), (16, 3, 2), (33, 1, 4), (70, 17, 6), (97, 4, 33), (300, 2, 3), (260, 16, 10)]
pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def _name_of(way):
    return f"{way[0]} {'together' if way[1] else 'as it chooses'}"


@pytest.fixture(params=WAYS, ids=_name_of)
def how(request, monkeypatch):
    """A backend that is forced; it runs problems as it chooses to, or together whatever it would choose."""
    name, together = request.param
    if name == SIMULATED.name:
        monkeypatch.setattr(registry, "BACKENDS", (*registry.BACKENDS, SIMULATED))
    if together:
        (chosen,) = (one for one in registry.BACKENDS if one.name == name)
        monkeypatch.setattr(chosen, "batches", lambda *_: "")
        monkeypatch.setattr(costs, "MANY_RUNS", 0)
    with kmeans_fast.use_backend(name):
        yield


def check(X, k, weights=None, *, init="k-means++", n_init=1, seed=3, max_iter=300, tol=1e-4):
    """A batch beside the reference, problem by problem."""
    got = kmeans_fast.kmeans_batch(
        X, k, init=init, n_init=n_init, sample_weight=weights, seed=seed, max_iter=max_iter, tol=tol
    )
    assert got.centroids.dtype == X.dtype
    assert got.labels.dtype == np.int32
    for number, own in enumerate(X):
        w = None if weights is None else weights[number]
        given = init if isinstance(init, str) or np.ndim(init) == 2 else init[number]
        wanted = best(own, w, k, given, n_init, seed, max_iter, tol)
        assert_array_equal(got.centroids[number], wanted.centroids)
        assert_array_equal(got.labels[number], wanted.labels)
        assert got.inertia[number] == wanted.inertia
        assert got.n_iter[number] == wanted.n_iter
    return got


def best(X, weights, k, init, n_init, seed, max_iter=300, tol=1e-4):
    """The run of least inertia, the first among equals."""
    runs = []
    for run in range(n_init):
        start = X[reference.kmeans_plusplus(X, weights, k, seed, run)] if isinstance(init, str) else init
        runs.append(reference.lloyd(X, weights, start, max_iter, tol))
    return min(runs, key=lambda found: found.inertia)


def several(shape, dtype, kind, count=3):
    n, d, _ = shape
    return np.array([rows(n, d, dtype, kind, seed) for seed in range(count)])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_problem_has_the_answer_of_its_own_fit(how, dtype, kind, shape):
    check(several(shape, dtype, kind), shape[2])


@pytest.mark.parametrize("shape", SHAPES[3:], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted_problems(how, dtype, shape):
    weights = np.array([some_weights(shape[0], seed) for seed in range(3)])
    check(several(shape, dtype, "normal"), shape[2], weights)


@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_best_of_several_runs_is_kept(how, dtype, kind):
    X = several((60, 3, 7), dtype, kind)
    check(X, 7, n_init=3)
    got = kmeans_fast.kmeans(X[0], 7, n_init=3, seed=3)
    wanted = best(X[0], None, 7, "k-means++", 3, 3)
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)
    assert got.inertia == wanted.inertia
    assert got.n_iter == wanted.n_iter


@pytest.mark.parametrize("tol", [0.0, 1e-2, 1e9])
@pytest.mark.parametrize("max_iter", [1, 2, 300])
def test_runs_stop_where_single_ones_do(how, max_iter, tol):
    check(several((150, 3, 8), np.float32, "normal"), 8, max_iter=max_iter, tol=tol)


@pytest.mark.parametrize("dtype", DTYPES)
def test_given_centroids_are_those_of_all_problems_or_of_each(how, dtype):
    X = several((120, 4, 6), dtype, "normal")
    starts = np.array([problem(120, 4, 6, dtype, "normal", seed)[1] for seed in range(3)])
    check(X, 6, init=starts)
    check(X, 6, init=starts[0], n_init=2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_clusters_take_rows(how, dtype, weighted):
    X = several((120, 4, 6), dtype, "normal")
    starts = X[:, :6].copy()
    starts[1, 1:4] += 1e3  # empty in the first iteration
    starts[2, 5] = starts[2, 4]  # a tie that leaves the later one empty
    weights = np.array([some_weights(120, seed) for seed in range(3)]) if weighted else None
    check(X, 6, weights, init=starts)


def test_clusters_that_come_to_be_empty_on_the_way(how):
    X = np.array([rows(40, 2, np.float32, "grid", seed) for seed in range(6)])
    starts = np.random.default_rng(0).normal(size=(6, 12, 2)).astype(np.float32)
    check(X, 12, init=starts, tol=0.0)


def test_problems_of_very_different_values(how):
    X = several((90, 5, 4), np.float64, "normal", count=4)
    X *= np.array([1e-150, 1.0, 1e100, 1.0])[:, None, None]
    X[3] += 1e6
    X[1, :, 2] = 0.0
    X[1, 7] *= 1e-30
    check(X, 4)
    X[2] *= 1e-100
    X[0] *= 1e150
    check(X.astype(np.float32), 4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [4095, 5000])  # with and without a sample of hashes
def test_runs_on_many_float64_rows_that_agree_in_most_of_their_hash(monkeypatch, n, weighted):
    """Times of one day, in seconds since 1970, are one value or few as float32."""
    X = 1.7e9 + 100 * np.random.default_rng(0).random((n, 2))
    weights, seen = some_weights(n) if weighted else None, []
    monkeypatch.setattr(cpu_together, "_compiled", lambda runs: True)
    find = CpuProblems._buckets

    def buckets(self):
        seen.append(find(self))
        return seen[-1]

    monkeypatch.setattr(CpuProblems, "_buckets", buckets)
    with kmeans_fast.use_backend("cpu"):
        got = kmeans_fast.kmeans(X, 5, n_init=4, sample_weight=weights, seed=3, n_threads=2)
    wanted = best(X, weights, 5, "k-means++", 4, 3, 300, 1e-4)
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    assert [len(one.splitters) > 0 for one in seen] == [n == 5000]


def test_a_list_of_arrays_is_a_batch():
    X = several((50, 3, 4), np.float32, "normal")
    got = kmeans_fast.kmeans_batch(list(X), 4, seed=0)
    assert_array_equal(got.labels, kmeans_fast.kmeans_batch(X, 4, seed=0).labels)


@pytest.mark.parametrize("dtype", ["int16", "float16", ">f4", ">f8"])
def test_a_list_of_other_numbers_is_computed_in_what_each_would_be(dtype):
    X = list(several((50, 3, 4), np.float64, "normal").astype(dtype))
    got = kmeans_fast.kmeans_batch(X, 4, seed=0).centroids
    assert got.dtype == np.float64
    assert_array_equal(got[1], kmeans_fast.kmeans(X[1], 4, seed=0).centroids)


@pytest.mark.parametrize("asked", [None, "float32"])
@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float16", "int16"), ("int64", "uint64")])
def test_a_list_of_several_dtypes_is_refused(dtypes, asked):
    X = several((20, 3, 4), np.float64, "normal", count=2)
    with pytest.raises(ValueError, match=f"X is a list of arrays of {dtypes[0]}, {dtypes[1]}:"):
        kmeans_fast.kmeans_batch([one.astype(dtype) for one, dtype in zip(X, dtypes, strict=True)], 4, dtype=asked)


def test_history_of_several_runs_has_every_iteration(how):
    result = kmeans_fast.kmeans(rows(200, 4, np.float64), 6, n_init=3, seed=0)
    assert sorted({step.run for step in result.history}) == [0, 1, 2]
    for run in range(3):
        steps = [step for step in result.history if step.run == run]
        assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
        assert [step.converged for step in steps] == [False] * (len(steps) - 1) + [True]
        assert steps[0].changed == 200
        inertias = [step.inertia for step in steps]
        assert inertias == sorted(inertias, reverse=True)
    assert set(result.timings) == {"preparing", "seeding", "iterating", "last_pass"}
    assert result.timings["iterating"] >= sum(step.seconds for step in result.history)


@pytest.mark.parametrize("init", ["random", "k-means||"])
def test_other_starts_are_those_of_single_fits(init):
    X = several((200, 3, 5), np.float32, "normal", count=2)
    got = kmeans_fast.kmeans_batch(X, 5, init=init, n_init=2, seed=1, init_size=100)
    for number, own in enumerate(X):
        wanted = kmeans_fast.kmeans(own, 5, init=init, n_init=2, seed=1, init_size=100)
        assert_array_equal(got.centroids[number], wanted.centroids)
        assert got.inertia[number] == wanted.inertia


def _nan(X):
    X[1, 2, 0] = np.nan
    return X


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda X: X[0], {}, r"X must have 3 dimensions \(problems, n_samples, n_features\), got 2"),
        (lambda X: X[:0], {}, r"at least one problem, one row and one column, got shape \(0, 20, 3\)"),
        (_nan, {}, r"NaN at \(1, 2, 0\)"),
        (lambda X: X * 1e200, {}, "problem 0: X has values up to .*e\\+200"),
        (lambda X: X, {"n_clusters": 21}, "n_samples=20 should be >= n_clusters=21"),
        (lambda X: X, {"init": np.zeros((2, 4, 3))}, "init has centroids for 2 problems, and X has 3"),
        (lambda X: X, {"init": np.zeros((3, 4, 2))}, "problem 0: The shape of the initial centers"),
        (lambda X: X, {"sample_weight": np.ones(20)}, r"sample_weight must have shape \(3, 20\), got \(20,\)"),
        (lambda X: X, {"sample_weight": np.eye(3, 20) * 0 + [[1], [0], [1]]}, "zero for every row of problem 1"),
        (lambda X: X, {"sample_weight": 1 - 2 * np.eye(3, 20)}, "not be negative, got -1.0 at row 0 of problem 0"),
        (lambda X: X, {"n_init": 0}, "n_init must be 'auto' or an integer of at least 1, got 0"),
    ],
)
def test_what_is_refused_is_named(change, given, message):
    X = change(several((20, 3, 4), np.float64, "normal"))
    with pytest.raises(ValueError, match=message):
        kmeans_fast.kmeans_batch(X, **{"n_clusters": 4, **given})


def test_a_plan_that_does_not_fit_is_refused_before_anything_is_made(how, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 20)
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)  # one after the other they take little
    monkeypatch.setattr(planning, "free_bytes", lambda *_: 1 << 20)  # of a device
    X = np.zeros((2, 300_000, 1), np.float32)
    with pytest.raises(MemoryError, match=r"2 problems.*0\.00 GiB are available"):
        kmeans_fast.kmeans_batch(X, 2, n_init=8)


def test_few_distinct_rows_are_warned_of():
    X = several((20, 3, 4), np.float64, "normal")
    X[1] = X[1, 0]
    with pytest.warns(kmeans_fast.FewClustersWarning, match=r"\(1\) found smaller .* in 1 problem, first in problem 1"):
        kmeans_fast.kmeans_batch(X, 4, seed=0)


def test_without_room_for_all_labels_runs_are_made_one_by_one(monkeypatch):
    """Together they would hold the labels of all runs; one after the other, of the best and the latest."""
    X, how = rows(20_000, 3, np.float32), {"n_init": 50, "max_iter": 2, "seed": 0, "n_threads": 1, "init_size": None}
    monkeypatch.setattr(cpu_together, "_compiled", lambda runs: True)
    with kmeans_fast.use_backend("cpu"):
        expected = kmeans_fast.kmeans(X, 4, **how)
        monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
        monkeypatch.setattr(memory, "available_bytes", lambda: 3 << 20)
        found = kmeans_fast.kmeans(X, 4, **how)
    assert_array_equal(found.labels, expected.labels)
    assert_array_equal(found.centroids, expected.centroids)
