"""The functions on arrays on a GPU: the bits of the same call on NumPy's arrays, given back where the data is."""

import fake_cupy
import numpy as np
import pytest
from libraries import CUPY, SHAPES, TORCH, TORCH_CPU, K, host, problem, same
from numpy.testing import assert_array_equal
from support import rows

import kmeans_fast
from kmeans_fast import KMeans, reference
from kmeans_fast.array_checks import as_data
from kmeans_fast.arrays import on_gpu, origin_of
from kmeans_fast.weights import as_weights
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")


# ---- functions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_gives_numpys_bits_back_where_the_data_is(library, dtype, shape, weighted):
    X, weights = problem(shape, dtype)
    weights = weights if weighted else None
    given = library.put(X)
    found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=3, tol=0)
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=3, tol=0)
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)
    assert found.backend == ("cpu" if library is TORCH_CPU else "cuda-sim")


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_gives_numpys_bits_back_where_the_data_is(library, dtype, weighted):
    X, weights = (np.array([one, one[::-1] * 2]) for one in problem(dtype=dtype))
    weights = weights if weighted else None
    given = library.put(X)
    found = kmeans_fast.kmeans_batch(given, K, sample_weight=weights, seed=3, n_init=2)
    expected = kmeans_fast.kmeans_batch(X, K, sample_weight=weights, seed=3, n_init=2)
    for name in ("centroids", "labels", "inertia", "n_iter"):
        same(getattr(found, name), getattr(expected, name), given)
    assert found.backend == ("cpu" if library is TORCH_CPU else "cuda-sim")


def test_a_batch_may_be_a_list_of_arrays_of_the_library(library):
    X = list(np.array([problem()[0], problem()[0] * 2]))
    found = kmeans_fast.kmeans_batch([library.put(one) for one in X], K, seed=3)
    expected = kmeans_fast.kmeans_batch(X, K, seed=3)
    for name in ("centroids", "labels", "inertia", "n_iter"):
        same(getattr(found, name), getattr(expected, name), library.put(X[0]))


def test_several_arrays_of_the_library_are_to_be_joined(library):
    X = problem()[0]
    with pytest.raises(ValueError, match="Join arrays of several rows first: a list of them is taken where they are"):
        kmeans_fast.kmeans([library.put(X[:20]), library.put(X[20:])], K)


def test_kmeans_is_the_reference_on_any_array(library, dtype):
    X, weights = problem(dtype=dtype)
    seeds = X[reference.kmeans_plusplus(X, weights, K, 3)]
    expected = reference.lloyd(X, weights, seeds, tol=0)
    found = kmeans_fast.kmeans(library.put(X), K, sample_weight=weights, seed=3, tol=0)
    assert_array_equal(host(found.centroids), expected.centroids)
    assert_array_equal(host(found.labels), expected.labels)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


@pytest.mark.parametrize(
    "options",
    [
        {"init": "random"},
        {"n_init": 3},
        {"init_size": 30},
        {"init": "random", "n_init": 2, "init_size": 20},
        {"max_iter": 1},
        {"tol": 0.5},
        {"refine": "breathing"},
        {"callback": lambda progress: progress.iteration == 2},
    ],
    ids=lambda options: " ".join(options),
)
def test_kmeans_gives_numpys_bits_whatever_is_asked(on_a_gpu, options):
    X, weights = problem()
    given = on_a_gpu.put(X)
    found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=1, **options)
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=1, **options)
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


@pytest.mark.parametrize("shape", SHAPES)
def test_empty_clusters_take_the_same_rows(on_a_gpu, shape):
    X, weights = problem(shape)
    start = X[[0, 0, 0, 1]]
    given = on_a_gpu.put(X)
    found = kmeans_fast.kmeans(given, K, init=start, sample_weight=weights)
    expected = kmeans_fast.kmeans(X, K, init=start, sample_weight=weights)
    assert found.history[0].empty == 2
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)


@pytest.mark.parametrize("shape", SHAPES)
def test_assign_gives_numpys_bits_back_where_the_data_is(library, dtype, shape):
    X, _ = problem(shape, dtype)
    given = library.put(X)
    for found, expected in zip(kmeans_fast.assign(given, X[:K]), reference.assign(X, X[:K])):
        same(found, expected, given)


@pytest.mark.parametrize("weighted", [False, True])
def test_seeds_are_numpys_and_where_the_data_is(library, dtype, weighted):
    X, weights = problem(dtype=dtype)
    weights = weights if weighted else None
    given = library.put(X)
    centroids, indices = kmeans_fast.kmeans_plusplus(given, K, sample_weight=weights, seed=5)
    expected = reference.kmeans_plusplus(X, weights, K, 5)
    same(indices, expected.astype(np.int64), given)
    same(centroids, X[expected], given)


def test_data_on_the_host_can_be_sent_to_a_gpu_and_comes_back_as_it_was(gpus):
    X, weights = problem()
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0, device="cpu")
    for given in (X, TORCH_CPU.put(X)):
        found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=0, device="cuda:1")
        assert found.backend == "cuda-sim"
        same(found.centroids, expected.centroids, given)
        same(found.labels, expected.labels, given)
    assert gpus[1].launches
    assert not gpus[0].launches


# ---- what is taken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("narrow", [np.int8, np.int32, np.int64, np.uint64, np.float16, bool])
def test_only_float32_stays_narrow(library, narrow):
    X = rows(60, 3, np.float64, "grid").astype(narrow)
    found = kmeans_fast.kmeans(library.put(X), K, seed=0)
    expected = kmeans_fast.kmeans(X.astype(np.float64), K, seed=0)
    same(found.centroids, expected.centroids, library.put(X))
    same(found.labels, expected.labels, library.put(X))
    assert host(as_data(library.put(X))).dtype == np.float64


@pytest.mark.parametrize(
    "view",
    [lambda X: X[::2], lambda X: X[:, 1:], lambda X: X[::-1, ::-1], lambda X: np.asfortranarray(X)],
    ids=["rows", "columns", "backwards", "Fortran order"],
)
def test_data_need_not_be_contiguous(library, dtype, view):
    X = view(rows(90, 4, dtype))
    assert not X.flags.c_contiguous
    given = library.put(X)
    found = kmeans_fast.kmeans(given, K, seed=0)
    expected = kmeans_fast.kmeans(X.copy(), K, seed=0)
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)


def test_suitable_data_is_not_copied(library, dtype):
    X = rows(60, 3, dtype)
    data = as_data(library.put(X))
    assert host(data) is X or np.shares_memory(host(data), X)
    weights = np.ones(60)
    if library is not TORCH_CPU:
        given = as_weights(library.put(weights), 60, origin_of(library.put(X)))
        assert np.shares_memory(host(given), weights)


def test_cupys_arrays_are_taken_as_they_are(dtype):
    given = CUPY.put(rows(60, 3, dtype))
    assert as_data(given) is given


def test_data_on_a_gpu_never_crosses_to_the_host(gpus, on_a_gpu):
    """What does is numbers of clusters, and the bins of exact sums, which are the same few whatever the rows."""
    X, _ = problem((60_000, 3))
    given = on_a_gpu.put(X)
    kmeans_fast.kmeans(given, K, seed=0)
    kmeans_fast.assign(given, X[:K])
    model = KMeans(K, random_state=0).fit(given)
    model.transform(given)
    model.score(given)
    labels_bytes = 4 * len(X)
    assert gpus[0].uploaded < labels_bytes
    assert gpus[0].downloaded < labels_bytes


def test_data_is_not_changed(library, dtype):
    X, weights = problem(dtype=dtype)
    before, weights_before = X.copy(), weights.copy()
    kmeans_fast.kmeans(library.put(X), K, sample_weight=weights, seed=0)
    KMeans(K, random_state=0).fit(library.put(X)).transform(library.put(X))
    assert_array_equal(X, before)
    assert_array_equal(weights, weights_before)


@pytest.mark.parametrize("protocol", ["DLPack", "DLPack after detach", "__cuda_array_interface__"])
def test_arrays_of_other_libraries_come_back_as_cupys(protocol):
    X, _ = problem()

    class ByInterface:
        shape, dtype, __cuda_array_interface__ = X.shape, X.dtype, X.__array_interface__

    class ByDLPack:
        shape, dtype = X.shape, X.dtype

        def __dlpack_device__(self):
            return 2, 0

        def __dlpack__(self, *, stream):
            return fake_cupy.Capsule(X, 0)

    class ByDetach(ByDLPack):
        def __dlpack__(self, *, stream):
            raise BufferError("detach first")

        def detach(self):
            return ByDLPack()

    made = {"DLPack": ByDLPack, "DLPack after detach": ByDetach, "__cuda_array_interface__": ByInterface}[protocol]()
    expected = kmeans_fast.kmeans(X, K, seed=0)
    found = kmeans_fast.kmeans(made, K, seed=0)
    same(found.centroids, expected.centroids, CUPY.put(X))
    same(found.labels, expected.labels, CUPY.put(X))
    same(KMeans(K, random_state=0).fit(made).predict(made), KMeans(K, random_state=0).fit_predict(X), CUPY.put(X))
    assert np.shares_memory(as_data(made).memory, X)


def test_arrays_on_the_host_are_not_on_a_gpu():
    X, _ = problem()
    for array in (X, X.tolist(), TORCH_CPU.put(X), np.float32(1), None):
        assert not on_gpu(array)
    assert on_gpu(CUPY.put(X))
    assert on_gpu(TORCH.put(X))
