"""KMeans on arrays on a GPU, and models that leave the process: NumPy's arrays only."""

import copy
import pickle
import sys

import numpy as np
import pytest
from fake_cupy import Device
from libraries import BAD, CUPY, SHAPES, TORCH, TORCH_CPU, K, assert_is_numpys, host, place, problem, same
from numpy.testing import assert_array_equal
from sklearn.base import clone
from support import run_python

import kmeans_fast
from kmeans_fast import KMeans
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")


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
