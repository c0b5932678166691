"""Rows that come in chunks: the bits of one array, and what is refused by name."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import rows, some_weights

import kmeans_fast
from kmeans_fast import KMeans, door
from kmeans_fast.engine.checks import check_magnitudes

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


@pytest.fixture(autouse=True)
def room_for_no_array(monkeypatch):
    """What is not in memory is read anew in each pass, however small it is."""
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)


def chunked(X, kind):
    """X in chunks, one of no rows among them: arrays in memory, or what a function yields."""
    cut = np.split(X, [0, 1, 90, 200])
    return cut if kind == "arrays" else lambda: (chunk.copy() for chunk in cut)


def assert_same(got, wanted):
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)
    assert (got.inertia, got.n_iter, got.backend) == (wanted.inertia, wanted.n_iter, wanted.backend)


OPTIONS = [
    {},
    {"init": "k-means||", "tol": 0.0},
    {"init": "random", "n_init": 2, "init_size": None},
    {"init_size": 60},
    {"refine": "breathing", "max_iter": 5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_a_fit_has_the_bits_of_one_array(backend, kind, weighted, options):
    X = rows(300, 4, np.float32)
    options = {"seed": 3, "sample_weight": some_weights(300) if weighted else None, **options}
    assert_same(kmeans_fast.kmeans(chunked(X, kind), 7, **options), kmeans_fast.kmeans(X, 7, **options))


@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_labels_distances_and_seeds_are_those_of_one_array(backend, kind):
    X = rows(300, 4, np.float64)
    for got, wanted in (
        (kmeans_fast.assign(chunked(X, kind), X[:9]), kmeans_fast.assign(X, X[:9])),
        (
            kmeans_fast.assign(chunked(X.astype(np.float32), kind), X[:9]),
            kmeans_fast.assign(X.astype(np.float32), X[:9]),
        ),
        (kmeans_fast.kmeans_plusplus(chunked(X, kind), 9, seed=1), kmeans_fast.kmeans_plusplus(X, 9, seed=1)),
    ):
        for one, other in zip(got, wanted):
            assert_array_equal(one, other)


def test_an_estimator_takes_arrays_in_chunks():
    X = rows(300, 4, np.float32)
    got, wanted = (KMeans(5, random_state=0).fit(x) for x in (chunked(X, "arrays"), X))
    assert_array_equal(got.cluster_centers_, wanted.cluster_centers_)
    assert_array_equal(got.labels_, wanted.labels_)
    assert_array_equal(got.predict(chunked(X, "generator")), wanted.labels_)
    assert got.n_features_in_ == 4


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([np.zeros((3, 2)), np.zeros((3, 3))], "chunk 1 has 3 features of float64, those before it 2 of float64"),
        ([np.zeros((3, 2)), np.zeros((3, 2), np.float32)], "chunk 1 has 2 features of float32"),
        ([np.zeros((3, 2)), np.full((3, 2), np.nan)], r"chunk 1 contains NaN at \(0, 0\)"),
        ([np.zeros((0, 2))], "no chunk with rows"),
        ([np.zeros((3, 2)), np.full((3, 2), 1e200)], r"X has, in chunk 1 at \(0, 0\), values up to 1e\+200"),
        ([np.zeros((1, 2))], "n_samples=1 should be >= n_clusters=2"),
    ],
)
def test_chunks_that_do_not_fit_are_refused(chunks, message):
    with pytest.raises(ValueError, match=message):
        kmeans_fast.kmeans(chunks, 2)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: [np.ones((3, 2)), None, np.ones((3, 2))], TypeError, "X gave None for a chunk"),  # it was the end
        (lambda: [(np.ones((3, 2)), np.ones(3))], ValueError, "chunk 0 must be an array of numbers"),
        (lambda: [np.ones((3, 2)), [[1.0, 2.0], [3.0]]], ValueError, "chunk 1 must be an array of numbers"),
        (lambda: [3.0], ValueError, "chunk 0 must have 2 dimensions"),
        (lambda: None, TypeError, "must return an iterable of chunks, got NoneType"),
    ],
)
def test_functions_that_return_no_chunks_are_refused(function, error, message):
    with pytest.raises(error, match=message):
        kmeans_fast.kmeans(function, 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8])
def test_magnitudes_are_known_from_the_first_reading(dtype):
    X = (10 * rows(300, 4, np.float32)).astype(dtype)
    as_given = None if dtype == np.float64 else "float32"
    with door.opened(chunked(X, "generator"), some_weights(300), as_given) as data:
        assert data.largest == abs(X.astype(np.float64)).max()
        data.read = None
        check_magnitudes(data)


def test_a_source_that_changes_is_refused():
    X, passes = rows(300, 4, np.float32), []

    def shrinking():
        passes.append(1)
        return iter(np.split(X, [100])[: 1 + (len(passes) < 3)])

    def growing():
        passes.append(1)
        yield X[: 100 + len(passes)]

    def restless():
        passes.append(1)
        yield X[:100]
        yield X[100:] + (len(passes) == 3)

    for source, message in (
        (shrinking, "the source had 2 chunks with rows and has 1 now"),
        (growing, "had the shape"),
        (restless, "chunk 1 has other values than at first: it must not change"),
    ):
        passes.clear()
        with pytest.raises(ValueError, match=message):
            kmeans_fast.kmeans(source, 3)


@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_explain_knows_the_rows(kind):
    X = rows(300, 4, np.float32)
    told = kmeans_fast.explain(chunked(X, kind), 7).replace(" for a chunk", "")
    note = [line for line in told.splitlines(keepends=True) if "read anew" in line]
    assert told.replace("".join(note), "") == kmeans_fast.explain(X, 7)
    assert len(note) == (kind == "generator")


def test_a_callable_init_needs_one_array():
    with pytest.raises(ValueError, match="takes the rows as one array"):
        kmeans_fast.kmeans([rows(30, 2, np.float32)], 3, init=lambda X, k, random_state: X[:k])


REPEATED = {
    "equal rows": lambda rng: rng.normal(size=(50, 4)).astype(np.float32)[rng.integers(0, 50, 20_000)],
    "equal as float32": lambda rng: 1.7e9 + rng.integers(0, 9, (20_000, 4)) / 8,  # and so of equal hashes
    "nearly all are one": lambda rng: np.where(rng.random((20_000, 1)) < 0.99, 1.0, rng.normal(size=(20_000, 4))),
}


@pytest.mark.parametrize("kind", REPEATED)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["k-means++", "random", "k-means||"])
def test_seeds_from_many_equal_rows(kind, weighted, init):
    X = REPEATED[kind](np.random.default_rng(0))
    weights = some_weights(len(X)) if weighted else None
    given = (lambda: np.array_split(X, 9)), X
    how = {"seed": 1, "init": init, "max_iter": 2, "sample_weight": weights}
    assert_same(*(kmeans_fast.kmeans(one, 7, **how) for one in given))
    got, wanted = (kmeans_fast.kmeans_plusplus(one, 7, seed=1, sample_weight=weights) for one in given)
    for one, other in zip(got, wanted):
        assert_array_equal(one, other)


def test_equal_rows_take_no_memory_for_seeds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10, 16)).astype(np.float32)[rng.integers(0, 10, 200_000)]

    def fit():
        kmeans_fast.kmeans(lambda: np.array_split(X, 50), 8, seed=0, max_iter=1)

    fit()  # compiled
    tracemalloc.start()
    try:
        fit()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(X)  # bytes; 95 if every row that may be drawn comes with its hash, its mass and its values
