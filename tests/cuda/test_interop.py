"""Arrays on a GPU: taken where they are, results given back there, the bits those of the same call on NumPy's arrays.

CuPy, PyTorch and the GPUs are stand-ins (`fake_cupy`); the backend is the CUDA backend in the simulator.
"""

import copy
import pickle
import sys
import warnings
from typing import NamedTuple

import fake_cupy
import numpy as np
import pytest
from fake_cupy import Device, GpuBackend, Tensor, make_cupy, make_torch, ndarray
from numpy.testing import assert_array_equal
from simulator.build import COMPILER
from sklearn.base import clone
from support import DTYPES, rows, run_python, some_weights

import kmeans_fast
from kmeans_fast import KMeans, reference
from kmeans_fast import backends as registry
from kmeans_fast.arrays import as_data, as_weights, on_gpu, origin_of

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")

SHAPES = [(60, 3), (70, 20)]  # distances by differences, and scores in panels
K = 4


class Library(NamedTuple):
    """Whose arrays a test is about, and where they are."""

    type: type
    device: str

    def put(self, array, device=None, **options):
        """A NumPy array as one of the library's."""
        device = device or self.device
        if self.type is ndarray:
            return ndarray(array, int(device[5:]))
        return Tensor(array, device, **options)


CUPY, TORCH, TORCH_CPU = Library(ndarray, "cuda:0"), Library(Tensor, "cuda:0"), Library(Tensor, "cpu")


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """Two simulated GPUs, the modules that put arrays there, and the backend that runs on them."""
    monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy())
    monkeypatch.setitem(sys.modules, "torch", make_torch())
    backend = GpuBackend()
    others = [other for other in registry.BACKENDS if other.name != "cuda"]
    monkeypatch.setattr(registry, "BACKENDS", (backend, *others))
    return backend.gpus


@pytest.fixture(params=[CUPY, TORCH, TORCH_CPU], ids=["cupy", "torch", "torch-cpu"])
def library(request):
    return request.param


@pytest.fixture(params=[CUPY, TORCH], ids=["cupy", "torch"])
def on_a_gpu(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def host(array):
    """The values of an array of any library."""
    return array if isinstance(array, np.ndarray) else array.memory


def place(array):
    """What an array is of, and where."""
    return type(array), str(array.device.id) if isinstance(array, ndarray) else getattr(array, "device", "cpu")


def same(found, expected, like):
    """Asserts that `found` has the bits and dtype of NumPy's `expected`, and is of the kind and place of `like`."""
    assert place(found) == place(like)
    assert host(found).dtype == expected.dtype
    assert_array_equal(host(found), expected)


def problem(shape=(60, 3), dtype=np.float64):
    return rows(*shape, dtype), some_weights(shape[0])


def message(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((ValueError, TypeError)) as caught:
            call(*arguments, **options)
    return type(caught.value), str(caught.value)


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
    X, _ = problem((3000, 3))
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


# ---- what is refused -----------------------------------------------------------------------------------------------

BAD = {
    "NaN": np.where(np.arange(12).reshape(6, 2) == 7, np.nan, 1.0),
    "infinity": np.where(np.arange(12).reshape(6, 2) == 4, -np.inf, 1.0),
    "opposite infinities": np.array([[np.inf, 1.0], [-np.inf, 1.0]]),
    "float32 NaN": np.full((3, 2), np.nan, np.float32),
    "float16 infinity": np.full((3, 2), np.inf, np.float16),
    "no dimensions": np.array(3.0),
    "one dimension": np.ones(4),
    "three dimensions": np.ones((2, 2, 2)),
    "no rows": np.ones((0, 2)),
    "no columns": np.ones((3, 0)),
    "complex": np.ones((3, 2), np.complex64),
    "too large": np.full((3, 2), 1e200),
}
each_bad = pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())


@each_bad
@pytest.mark.parametrize(
    "call",
    [
        lambda X: kmeans_fast.kmeans(X, 1, seed=0),
        lambda X: kmeans_fast.assign(X, [[0.0, 0.0]]),
        lambda X: kmeans_fast.kmeans_plusplus(X, 1, seed=0),
    ],
    ids=["kmeans", "assign", "kmeans_plusplus"],
)
def test_bad_data_is_refused_in_the_words_for_numpys(library, call, bad):
    assert message(call, library.put(bad)) == message(call, bad)


@each_bad
def test_estimators_refuse_bad_data_on_a_gpu_in_the_words_of_the_functions(on_a_gpu, bad):
    expected = message(kmeans_fast.kmeans, bad, 1)
    model = KMeans(1)
    assert message(model.fit, on_a_gpu.put(bad)) == expected
    assert not hasattr(model, "cluster_centers_")
    model.fit([[0.0, 1.0], [2.0, 3.0]])
    for method in (model.predict, model.transform, model.score):
        assert message(method, on_a_gpu.put(bad)) == expected


@pytest.mark.parametrize("name", ["NaN", "infinity", "one dimension", "no rows", "no columns"])
def test_bad_centroids_are_refused_in_the_words_for_numpys(library, name):
    expected = message(kmeans_fast.assign, [[0.0, 0.0]], BAD[name])
    assert message(kmeans_fast.assign, [[0.0, 0.0]], library.put(BAD[name])) == expected
    assert message(kmeans_fast.assign, library.put(np.zeros((1, 2))), library.put(BAD[name])) == expected


def test_the_first_bad_value_of_a_large_array_is_named(on_a_gpu):
    X = np.zeros((200_000, 1))
    X[[150_000, 190_000]] = np.nan
    with pytest.raises(ValueError, match=r"X contains NaN at \(150000, 0\)"):
        as_data(on_a_gpu.put(X))


def test_another_number_of_features_than_fitted_is_refused(on_a_gpu):
    model = KMeans(K, random_state=0).fit(on_a_gpu.put(rows(60, 3, np.float64)))
    for method in (model.predict, model.transform, model.score):
        expected = message(method, rows(60, 2, np.float64))
        assert "X has 2 features, but KMeans is expecting 3 features" in expected[1]
        assert message(method, on_a_gpu.put(rows(60, 2, np.float64))) == expected


# ---- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [np.float64, np.float32, np.int64])
def test_weights_may_be_on_the_gpu_or_on_the_host(on_a_gpu, of):
    X, _ = problem()
    weights = np.arange(60).astype(of)
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0)
    given = on_a_gpu.put(X)
    for of_given in (weights, weights.tolist(), CUPY.put(weights), TORCH.put(weights), TORCH_CPU.put(weights)):
        found = kmeans_fast.kmeans(given, K, sample_weight=of_given, seed=0)
        same(found.centroids, expected.centroids, given)
        same(found.labels, expected.labels, given)
        assert found.inertia == expected.inertia
        _, indices = kmeans_fast.kmeans_plusplus(given, K, sample_weight=of_given, seed=0)
        same(indices, reference.kmeans_plusplus(X, weights.astype(float), K, 0).astype(np.int64), given)


def test_weights_need_not_be_contiguous(on_a_gpu):
    X, weights = problem((30, 3))[0], some_weights(60)[::2]
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights.copy(), seed=0)
    found = kmeans_fast.kmeans(on_a_gpu.put(X), K, sample_weight=on_a_gpu.put(weights), seed=0)
    same(found.labels, expected.labels, on_a_gpu.put(X))


def test_a_single_weight_is_repeated(on_a_gpu):
    X, _ = problem()
    expected = kmeans_fast.kmeans(X, K, sample_weight=2.5, seed=0)
    for weight in (2.5, on_a_gpu.put(np.array(2.5))):
        found = kmeans_fast.kmeans(on_a_gpu.put(X), K, sample_weight=weight, seed=0)
        same(found.labels, expected.labels, on_a_gpu.put(X))
        assert found.inertia == expected.inertia


def test_weights_of_ones_are_no_weights(on_a_gpu):
    X, _ = problem()
    expected = kmeans_fast.kmeans(X, K, seed=0)
    for weights in (np.ones(60), on_a_gpu.put(np.ones(60))):
        found = kmeans_fast.kmeans(on_a_gpu.put(X), K, sample_weight=weights, seed=0)
        same(found.centroids, expected.centroids, on_a_gpu.put(X))


def test_weights_on_a_gpu_for_data_on_the_host_are_refused_with_the_rule(on_a_gpu):
    X, weights = problem()
    model = KMeans(K, random_state=0).fit(X)
    for given in (X, X.tolist(), TORCH_CPU.put(X)):
        for call in (
            lambda given, sample_weight: kmeans_fast.kmeans(given, K, sample_weight=sample_weight),
            lambda given, sample_weight: kmeans_fast.kmeans_plusplus(given, K, sample_weight=sample_weight),
            KMeans(K).fit,
            model.score,
        ):
            with pytest.raises(ValueError, match="sample_weight is on a GPU and X is not: copy one of them"):
                call(given, sample_weight=on_a_gpu.put(weights))


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(59),
        np.ones((60, 1)),
        np.zeros(60),
        np.r_[np.ones(59), -2.0],
        np.r_[np.ones(40), np.nan, np.ones(19)],
        np.r_[np.inf, np.ones(59)],
        np.full(60, 1e300),
    ],
    ids=["short", "column", "zeros", "negative", "NaN", "infinity", "too large"],
)
def test_bad_weights_are_refused_in_the_words_for_numpys(on_a_gpu, weights):
    X, _ = problem()
    given = on_a_gpu.put(X)
    for call in (kmeans_fast.kmeans, kmeans_fast.kmeans_plusplus):
        expected = message(call, X, K, sample_weight=weights)
        for of_given in (weights, on_a_gpu.put(weights)):
            assert message(call, given, K, sample_weight=of_given) == expected
            assert message(KMeans(K).fit, given, sample_weight=of_given) == expected


# ---- init ----------------------------------------------------------------------------------------------------------


def test_init_may_be_on_the_gpu_or_on_the_host(on_a_gpu, dtype):
    X, _ = problem(dtype=dtype)
    start = X[:K].astype(np.float64)
    expected = kmeans_fast.kmeans(X, K, init=start)
    for given in (X, on_a_gpu.put(X), TORCH_CPU.put(X)):
        for init in (start, on_a_gpu.put(start), TORCH_CPU.put(start)):
            found = kmeans_fast.kmeans(given, K, init=init)
            same(found.centroids, expected.centroids, given)
            same(KMeans(K, init=init).fit(given).labels_, expected.labels, given)


def test_init_is_not_changed(on_a_gpu):
    X, _ = problem()
    start = X[:K].copy()
    kmeans_fast.kmeans(on_a_gpu.put(X), K, init=on_a_gpu.put(start))
    KMeans(K, init=on_a_gpu.put(start)).fit(on_a_gpu.put(X))
    assert_array_equal(start, X[:K])


def test_init_on_a_gpu_that_does_not_fit_is_refused_in_the_words_for_numpys(on_a_gpu):
    X, _ = problem()
    for bad in (X[:3], X[:K, :2], np.full((K, 3), np.nan), X[0]):
        expected = message(kmeans_fast.kmeans, X, K, init=bad)
        assert message(kmeans_fast.kmeans, on_a_gpu.put(X), K, init=on_a_gpu.put(bad)) == expected


def test_a_callable_may_return_arrays_on_the_gpu(on_a_gpu):
    X, _ = problem()
    seen = []

    def init(data, n_clusters, random_state):
        seen.append(data)
        return data[random_state.randint(20) :][:n_clusters]

    found = kmeans_fast.kmeans(on_a_gpu.put(X), K, init=init, n_init=3, seed=0)
    expected = kmeans_fast.kmeans(X, K, init=init, n_init=3, seed=0)
    same(found.centroids, expected.centroids, on_a_gpu.put(X))
    assert all(isinstance(data, ndarray) for data in seen[:3])


def test_centroids_of_assign_may_be_on_the_gpu_or_on_the_host(on_a_gpu):
    X, _ = problem()
    for given in (X, on_a_gpu.put(X), TORCH_CPU.put(X)):
        for centroids in (X[:K], on_a_gpu.put(X[:K]), TORCH_CPU.put(X[:K])):
            labels, distances = kmeans_fast.assign(given, centroids)
            same(labels, reference.assign(X, X[:K])[0], given)
            same(distances, reference.assign(X, X[:K])[1], given)


# ---- device --------------------------------------------------------------------------------------------------------

CALLS = {
    "kmeans": lambda X, device: kmeans_fast.kmeans(X, K, device=device),
    "assign": lambda X, device: kmeans_fast.assign(X, np.zeros((K, 3)), device=device),
    "kmeans_plusplus": lambda X, device: kmeans_fast.kmeans_plusplus(X, K, device=device),
    "fit": lambda X, device: KMeans(K, device=device).fit(X),
    "explain": lambda X, device: kmeans_fast.explain(X, K, device=device),
    "predict": lambda X, device: fitted().set_params(device=device).predict(X),
    "transform": lambda X, device: fitted().set_params(device=device).transform(X),
    "score": lambda X, device: fitted().set_params(device=device).score(X),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def fitted():
    return KMeans(K, random_state=0).fit(problem()[0])


@each_call
def test_data_on_a_gpu_is_not_taken_to_the_cpu(on_a_gpu, call, gpus):
    with pytest.raises(RuntimeError, match=r"device='cpu' cannot be used: .*the data is on a GPU"):
        call(on_a_gpu.put(problem()[0]), "cpu")
    assert gpus[0].downloaded == 0


@each_call
def test_data_on_a_gpu_is_not_taken_to_another(on_a_gpu, call, gpus):
    for device in ("cuda:1", "cuda:7"):
        with pytest.raises(RuntimeError, match=rf"device='{device}' cannot be used: .*the data is on cuda:0"):
            call(on_a_gpu.put(problem()[0]), device)
    assert not gpus[1].launches


@each_call
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_the_gpu_that_the_data_is_on_is_chosen(on_a_gpu, call, device):
    call(on_a_gpu.put(problem()[0]), device)


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_forced_backend_that_cannot_reach_the_data_is_refused(on_a_gpu, name):
    with kmeans_fast.use_backend(name), pytest.raises(RuntimeError, match=rf"'{name}' was asked for.*on a GPU"):
        kmeans_fast.kmeans(on_a_gpu.put(problem()[0]), K)


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:1"])
def test_data_on_the_second_gpu_stays_there(on_a_gpu, device, gpus):
    X, weights = problem()
    given = on_a_gpu.put(X, "cuda:1")
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0)
    with Device(1):
        found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=0, device=device)
        model = KMeans(K, random_state=0, device=device).fit(given)
        labels = model.predict(given)
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)
    same(labels, KMeans(K, random_state=0).fit_predict(X), given)
    assert gpus[1].launches
    assert not gpus[0].launches


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def test_what_runs_for_tensors_runs_on_pytorchs_current_stream(gpus):
    X, _ = problem()
    sys.modules["torch"].cuda.streams[0] = 77
    given = TORCH.put(X)
    kmeans_fast.kmeans(given, K, seed=0)
    kmeans_fast.assign(given, X[:K])
    kmeans_fast.kmeans_plusplus(given, K, seed=0)
    model = KMeans(K, random_state=0).fit(given)
    model.predict(given)
    model.transform(given)
    model.score(given)
    assert gpus[0].streams == {77}
    assert fake_cupy.now.stream == 0


def test_what_runs_for_cupys_arrays_runs_on_cupys_current_stream(gpus):
    with fake_cupy.Stream(55, 0):
        kmeans_fast.kmeans(CUPY.put(problem()[0]), K, seed=0)
    assert gpus[0].streams == {55}


def test_a_stream_is_given_back_even_by_an_exception():
    sys.modules["torch"].cuda.streams[0] = 77
    with pytest.raises(RuntimeError):
        kmeans_fast.kmeans(TORCH.put(problem()[0]), K, device="cpu")
    assert fake_cupy.now.stream == 0


# ---- estimators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_estimators_give_numpys_bits_back_where_the_data_is(library, dtype, shape):
    X, weights = problem(shape, dtype)
    given = library.put(X)
    model = KMeans(K, random_state=0).fit(given, sample_weight=weights)
    plain = KMeans(K, random_state=0).fit(X, sample_weight=weights)
    same(model.cluster_centers_, plain.cluster_centers_, given)
    same(model.labels_, plain.labels_, given)
    assert (model.inertia_, model.n_iter_, model.n_features_in_) == (plain.inertia_, plain.n_iter_, shape[1])
    assert [step.changed for step in model.history_] == [step.changed for step in plain.history_]
    same(model.predict(given), plain.labels_, given)
    same(model.transform(given), plain.transform(X), given)
    assert model.score(given, sample_weight=weights) == plain.score(X, sample_weight=weights) == -model.inertia_
    assert model.score(given) == plain.score(X)
    assert isinstance(model.score(given), float)


def test_fitting_and_then_predicting_in_one_call_is_the_same(library, dtype):
    X, weights = problem(dtype=dtype)
    given = library.put(X)
    plain = KMeans(K, random_state=0).fit(X, sample_weight=weights)
    same(KMeans(K, random_state=0).fit_predict(given, sample_weight=weights), plain.labels_, given)
    same(KMeans(K, random_state=0).fit_transform(given, sample_weight=weights), plain.transform(X), given)


def test_weights_of_estimators_may_be_on_the_gpu_or_on_the_host(on_a_gpu):
    X, weights = problem()
    plain = KMeans(K, random_state=0).fit(X, sample_weight=weights)
    for of_given in (weights, CUPY.put(weights), TORCH.put(weights)):
        model = KMeans(K, random_state=0).fit(on_a_gpu.put(X), sample_weight=of_given)
        same(model.labels_, plain.labels_, on_a_gpu.put(X))
        assert model.score(on_a_gpu.put(X), sample_weight=of_given) == plain.score(X, sample_weight=weights)


@pytest.mark.parametrize("other", [None, CUPY, TORCH, TORCH_CPU], ids=["numpy", "cupy", "torch", "torch-cpu"])
def test_a_model_fitted_anywhere_predicts_data_from_anywhere(library, other, dtype):
    X, _ = problem(dtype=dtype)
    plain = KMeans(K, random_state=0).fit(X)
    here, there = library.put(X), X if other is None else other.put(X)
    for one, another in ((here, there), (there, here)):
        model = KMeans(K, random_state=0).fit(one)
        same(model.predict(another), plain.labels_, another)
        same(model.transform(another), plain.transform(X), another)
        assert model.score(another) == plain.score(X)
        same(model.cluster_centers_, plain.cluster_centers_, one)


def test_a_model_fitted_on_one_gpu_predicts_data_on_another(on_a_gpu):
    X, _ = problem()
    model = KMeans(K, random_state=0).fit(on_a_gpu.put(X))
    given = on_a_gpu.put(X, "cuda:1")
    with Device(1):
        same(model.predict(given), KMeans(K, random_state=0).fit_predict(X), given)


def test_a_second_fit_moves_the_attributes_to_where_its_data_is():
    X, _ = problem()
    model = KMeans(K, random_state=0)
    for given in (X, CUPY.put(X), TORCH.put(X), X):
        assert place(model.fit(given).labels_) == place(given)
        assert place(model.cluster_centers_) == place(given)


def test_feature_names_are_forgotten_when_refitted_on_a_gpu(on_a_gpu):
    pandas = pytest.importorskip("pandas")
    X, _ = problem()
    model = KMeans(K, random_state=0).fit(pandas.DataFrame(X, columns=["a", "b", "c"]))
    assert not hasattr(model.fit(on_a_gpu.put(X)), "feature_names_in_")


def test_a_fit_that_is_refused_leaves_the_model_as_it_was(on_a_gpu):
    X, _ = problem()
    model = KMeans(K, random_state=0).fit(on_a_gpu.put(X))
    before = dict(model.__dict__)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(on_a_gpu.put(BAD["NaN"]))
    with pytest.raises(RuntimeError):
        model.set_params(device="cpu").fit(on_a_gpu.put(X))
    assert {**model.__dict__, "device": "auto"} == before


def test_a_model_with_init_on_the_gpu_can_be_cloned(on_a_gpu):
    X, _ = problem()
    model = clone(KMeans(K, init=on_a_gpu.put(X[:K])))
    same(model.fit(on_a_gpu.put(X)).labels_, KMeans(K, init=X[:K]).fit(X).labels_, on_a_gpu.put(X))


# ---- models that leave the process ---------------------------------------------------------------------------------


def assert_is_numpys(model, plain):
    """The model holds NumPy's arrays only, and the bits of `plain`."""
    for name in ("cluster_centers_", "labels_"):
        assert type(getattr(model, name)) is np.ndarray
        same(getattr(model, name), getattr(plain, name), getattr(plain, name))
    assert (model.inertia_, model.n_iter_) == (plain.inertia_, plain.n_iter_)
    assert not [name for name, value in model.__dict__.items() if isinstance(value, (ndarray, Tensor))]


def test_a_pickle_holds_numpys_arrays_and_loads_where_there_is_no_gpu(library, dtype, monkeypatch):
    X, _ = problem(dtype=dtype)
    model, plain = KMeans(K, random_state=0).fit(library.put(X)), KMeans(K, random_state=0).fit(X)
    written = pickle.dumps(model)
    same(model.labels_, plain.labels_, library.put(X))  # the model itself stays where it was
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    back = pickle.loads(written)
    assert_is_numpys(back, plain)
    assert_array_equal(back.predict(X), plain.labels_)
    assert_array_equal(back.transform(X), plain.transform(X))


def test_a_pickle_loads_in_a_process_that_has_never_seen_the_library(on_a_gpu, tmp_path):
    X, _ = problem()
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(KMeans(K, random_state=0).fit(on_a_gpu.put(X))))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).labels_.tolist())"
    printed = run_python(code, path)
    assert printed.strip() == str(KMeans(K, random_state=0).fit(X).labels_.tolist())


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_holds_numpys_arrays_as_a_pickle_does(on_a_gpu, copied):
    X, _ = problem()
    assert_is_numpys(copied(KMeans(K, random_state=0).fit(on_a_gpu.put(X))), KMeans(K, random_state=0).fit(X))


def test_a_pickled_model_goes_on_with_data_on_a_gpu(on_a_gpu):
    X, _ = problem()
    back = pickle.loads(pickle.dumps(KMeans(K, random_state=0).fit(on_a_gpu.put(X))))
    same(back.predict(on_a_gpu.put(X)), KMeans(K, random_state=0).fit(X).labels_, on_a_gpu.put(X))


@pytest.mark.parametrize("given_init", [False, True])
def test_a_saved_model_holds_numpys_arrays(library, dtype, tmp_path, given_init):
    X, _ = problem(dtype=dtype)
    init, plain_init = (library.put(X[:K]), X[:K]) if given_init else ("k-means++", "k-means++")
    model = KMeans(K, init=init, random_state=0).fit(library.put(X))
    plain = KMeans(K, init=plain_init, random_state=0).fit(X)
    model.save(tmp_path / "model.npz")
    back = kmeans_fast.load(tmp_path / "model.npz")
    assert_is_numpys(back, plain)
    assert_array_equal(back.predict(X), plain.labels_)
    same(back.predict(library.put(X)), plain.labels_, library.put(X))
    same(model.labels_, plain.labels_, library.put(X))


def test_scikit_learns_model_holds_numpys_arrays(library, dtype):
    X, _ = problem(dtype=dtype)
    model, plain = KMeans(K, random_state=0).fit(library.put(X)), KMeans(K, random_state=0).fit(X)
    theirs = model.to_sklearn()
    assert_is_numpys(theirs, plain)
    assert_array_equal(theirs.predict(X), plain.labels_)
    assert not np.shares_memory(theirs.labels_, host(model.labels_))
    assert_is_numpys(KMeans.from_sklearn(theirs), plain)


# ---- explain, and what is missing ----------------------------------------------------------------------------------


def test_explain_says_why_data_on_a_gpu_stays_there(on_a_gpu, dtype):
    lines = kmeans_fast.explain(on_a_gpu.put(rows(60, 3, dtype)), K).splitlines()
    assert lines[0] == f"60 x 3 {np.dtype(dtype)}, 4 clusters, device='auto'"
    assert any(line.startswith("* cuda-sim: ") for line in lines)
    assert "  cpu: the data is on a GPU" in lines
    assert "  reference: the data is on a GPU" in lines
    assert not any("thread" in line for line in lines)


def test_explain_does_not_launch_anything(on_a_gpu, gpus):
    kmeans_fast.explain(on_a_gpu.put(problem()[0]), K, sample_weight=on_a_gpu.put(np.ones(60)))
    assert not gpus[0].launches
    assert gpus[0].allocations == 0


@pytest.mark.parametrize("of", [np.int64, np.float16])
def test_explain_knows_what_becomes_of_other_numbers(on_a_gpu, of):
    assert kmeans_fast.explain(on_a_gpu.put(np.ones((60, 3), of)), K).startswith("60 x 3 float64")


def test_explain_of_data_on_the_host_does_not_speak_of_a_gpu():
    text = kmeans_fast.explain(TORCH_CPU.put(problem()[0]), K)
    assert "* cpu: " in text
    assert "the data is on a GPU" not in text


@each_call
def test_without_cupy_data_on_a_gpu_is_refused_with_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        RuntimeError, match=r"needs CuPy: pip install 'kmeans-fast\[cuda12\]' or 'kmeans-fast\[cuda13\]'"
    ):
        call(TORCH.put(problem()[0]), "auto")


def test_without_cupy_weights_and_init_on_a_gpu_are_refused_with_what_to_install(monkeypatch):
    X, _ = problem()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match="needs CuPy: pip install"):
        kmeans_fast.kmeans(X, K, init=TORCH.put(X[:K]))
    with pytest.raises(RuntimeError, match="needs CuPy: pip install"):
        kmeans_fast.assign(X, TORCH.put(X[:K]))


def test_without_cupy_tensors_on_the_host_work(monkeypatch):
    X, _ = problem()
    monkeypatch.setitem(sys.modules, "cupy", None)
    expected = kmeans_fast.kmeans(X, K, seed=0)
    same(kmeans_fast.kmeans(TORCH_CPU.put(X), K, seed=0).labels, expected.labels, TORCH_CPU.put(X))


@pytest.mark.filterwarnings("error")
def test_nothing_is_warned_of_for_cupys_arrays_and_tensors_on_the_host():
    X, weights = problem()
    for given in (CUPY.put(X), TORCH_CPU.put(X)):
        kmeans_fast.kmeans(given, K, sample_weight=weights, seed=0)
        kmeans_fast.assign(given, X[:K])
        kmeans_fast.kmeans_plusplus(given, K, seed=0)
        model = KMeans(K, random_state=0).fit(given)
        model.predict(given)
        model.transform(given)


# ---- tensors that do not export themselves, other GPUs, other streams ---------------------------------------------


def test_tensors_on_a_gpu_that_take_part_in_differentiation_are_taken():
    X, _ = problem()
    given = TORCH.put(X, requires_grad=True)
    expected = kmeans_fast.kmeans(X, K, seed=0)
    found = kmeans_fast.kmeans(given, K, seed=0)
    same(found.centroids, expected.centroids, given)
    same(KMeans(K, random_state=0).fit(given).predict(given), KMeans(K, random_state=0).fit_predict(X), given)


def test_tensors_on_the_host_that_take_part_in_differentiation_are_taken():
    X, _ = problem()
    given = TORCH_CPU.put(X, requires_grad=True)
    same(kmeans_fast.kmeans(given, K, seed=0).labels, kmeans_fast.kmeans(X, K, seed=0).labels, given)


@pytest.mark.parametrize("options", [{}, {"init_size": 30}], ids=["all rows", "init_size"])
def test_cupys_arrays_on_a_gpu_that_is_not_the_current_one_are_taken(gpus, options):
    X, weights = problem()
    given = CUPY.put(X, "cuda:1")
    found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=0, **options)
    same(found.labels, kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0, **options).labels, given)
    assert not gpus[0].launches


def test_tensors_on_a_gpu_that_is_not_the_current_one_are_taken(gpus):
    X, weights = problem()
    given = TORCH.put(X, "cuda:1")
    found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=0)
    same(found.labels, kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0).labels, given)
    assert not gpus[0].launches


@pytest.mark.filterwarnings("error")
def test_nothing_is_warned_of_for_tensors_on_a_gpu():
    kmeans_fast.kmeans(TORCH.put(problem()[0]), K, seed=0)


@pytest.mark.parametrize(
    "call",
    [
        lambda X, weights: kmeans_fast.kmeans(X, K, sample_weight=weights),
        lambda X, weights: kmeans_fast.kmeans_plusplus(X, K, sample_weight=weights),
        lambda X, weights: KMeans(K).fit(X, sample_weight=weights),
    ],
    ids=["kmeans", "kmeans_plusplus", "fit"],
)
def test_what_is_uploaded_for_tensors_follows_on_pytorchs_current_stream(call):
    X, weights = problem()
    sys.modules["torch"].cuda.streams[0] = 77
    call(TORCH.put(X), weights)
    assert fake_cupy.now.uploads == {77}


def test_a_pickle_of_a_model_with_init_on_a_gpu_loads_where_there_is_no_gpu(on_a_gpu, monkeypatch):
    X, _ = problem()
    written = pickle.dumps(KMeans(K, init=on_a_gpu.put(X[:K])).fit(X))
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    back = pickle.loads(written)
    assert_array_equal(back.init, X[:K])
    assert_is_numpys(back, KMeans(K, init=X[:K]).fit(X))


def test_scikit_learns_model_holds_numpys_init(on_a_gpu):
    X, _ = problem()
    theirs = KMeans(K, init=on_a_gpu.put(X[:K]), n_init=1).fit(on_a_gpu.put(X)).to_sklearn()
    assert_array_equal(theirs.fit(X).labels_, KMeans(K, init=X[:K]).fit(X).labels_)


def test_data_on_a_gpu_that_no_backend_takes_is_refused_with_the_reasons(on_a_gpu, monkeypatch):
    monkeypatch.setattr(GpuBackend, "is_available", lambda self: (False, "the driver is too old"))
    with pytest.raises(RuntimeError, match=r"the driver is too old"):
        kmeans_fast.kmeans(on_a_gpu.put(problem()[0]), K)
