"""PyTorch's tensors and streams, GPUs that are not current, what `explain` says, and what is missing."""

import pickle
import sys

import fake_cupy
import numpy as np
import pytest
from fake_cupy import GpuBackend
from libraries import CUPY, TORCH, TORCH_CPU, K, assert_is_numpys, each_call, problem, same
from numpy.testing import assert_array_equal
from support import rows

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.preparation import health
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")


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
    with pytest.raises(RuntimeError, match=r"needs CuPy: install it \(the extra 'cuda12' or 'cuda13'\)"):
        call(TORCH.put(problem()[0]), "auto")


def test_without_cupy_weights_and_init_on_a_gpu_are_refused_with_what_to_install(monkeypatch):
    X, _ = problem()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match="needs CuPy: install it"):
        kmeans_fast.kmeans(X, K, init=TORCH.put(X[:K]))
    with pytest.raises(RuntimeError, match="needs CuPy: install it"):
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


# ---- tensors that do not export themselves, other GPUs, other streams ----------------------------------------------


def test_tensors_on_a_gpu_that_take_part_in_differentiation_are_taken():
    X, _ = problem()
    given = TORCH.put(X, requires_grad=True)
    expected = kmeans_fast.kmeans(X, K, seed=0)
    found = kmeans_fast.kmeans(given, K, seed=0)
    same(found.centroids, expected.centroids, given)
    same(KMeans(K, random_state=0).fit(given).predict(given), KMeans(K, random_state=0).fit_predict(X), given)


@pytest.mark.parametrize("how", ["requires_grad", "negated"])
def test_tensors_on_the_host_that_do_not_export_themselves_are_taken(how):
    X, weights = problem()
    sign = -1 if how == "negated" else 1
    given, of_given = TORCH_CPU.put(sign * X, **{how: True}), TORCH_CPU.put(sign * weights, **{how: True})
    expected = kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0)
    same(kmeans_fast.kmeans(given, K, sample_weight=of_given, seed=0).labels, expected.labels, given)
    for of_model in (given, X):
        model = KMeans(K, random_state=0).fit(of_model, sample_weight=of_given)
        same(model.labels_, expected.labels, of_model)
        assert model.inertia_ == expected.inertia


@pytest.mark.parametrize("how", ["requires_grad", "negated", "bfloat16"])
def test_health_looks_at_tensors_that_do_not_export_themselves(how):
    values = np.zeros((30, 2), np.float32)
    values[7, 1] = np.nan
    bits = values.view(np.uint32) >> 16
    given = TORCH_CPU.put(bits.astype(np.uint16) if how == "bfloat16" else values, **{how: True})
    assert str(health(given)) == str(health(values))


def test_weights_may_be_a_tensor_of_bfloat16():
    X, _ = problem()
    weights = TORCH_CPU.put(np.full(60, 0x4000, np.uint16), bfloat16=True)  # 2
    expected = kmeans_fast.kmeans(X, K, sample_weight=2.0, seed=0)
    assert KMeans(K, random_state=0).fit(X, sample_weight=weights).inertia_ == expected.inertia
    assert kmeans_fast.kmeans(X, K, sample_weight=weights, seed=0).inertia == expected.inertia


@each_call
@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr"])
def test_sparse_tensors_are_refused_with_the_remedy(call, layout):
    with pytest.raises(TypeError, match=r"X is sparse \(Tensor\); a dense array is required: use X.to_dense\(\)"):
        call(TORCH_CPU.put(problem()[0], layout=layout), "cpu")


@each_call
def test_tensors_without_memory_are_refused_with_the_reason(call):
    with pytest.raises(ValueError, match=r"X must be an array of numbers.*can't convert meta device"):
        call(TORCH_CPU.put(problem()[0], "meta"), "cpu")


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
