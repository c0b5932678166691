"""What is refused of arrays on a GPU, and in which words; weights, starts and devices that go together or do not."""

import numpy as np
import pytest
from fake_cupy import Device, ndarray
from libraries import BAD, CUPY, TORCH, TORCH_CPU, K, each_call, message, problem, same
from numpy.testing import assert_array_equal
from support import rows, some_weights

import kmeans_fast
from kmeans_fast import KMeans, reference
from kmeans_fast.array_checks import as_data
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")


# ---- what is refused -----------------------------------------------------------------------------------------------

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
