"""KMeans in scikit-learn's machinery: pickling, cloning, data frames, pipelines, metadata."""

import pickle

import pytest
from fits import same_fit
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kmeans_fast import KMeans


def test_pickling_keeps_everything(X, model):
    copy = pickle.loads(pickle.dumps(model))
    same_fit(copy, model)
    assert_array_equal(copy.predict(X), model.labels_)
    assert copy.history_ == model.history_
    assert copy.get_params() == model.get_params()


def test_pickling_leaves_the_callback_behind(X):
    model = KMeans(n_clusters=5, random_state=0, callback=lambda step: None).fit(X)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.callback is None
    assert model.callback is not None


def test_clone_is_unfitted_with_the_same_parameters(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "labels_")


def test_feature_names_out(model):
    assert_array_equal(model.get_feature_names_out(), [f"kmeans{i}" for i in range(5)])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(X, model, library):
    pytest.importorskip(library)
    frame = model.set_output(transform=library).transform(X)
    assert list(frame.columns) == [f"kmeans{i}" for i in range(5)]
    assert_array_equal(frame.to_numpy(), model.set_output(transform="default").transform(X))


def test_data_frames_give_what_their_values_give(X, model):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    fitted = KMeans(n_clusters=5, random_state=0).fit(frame)
    same_fit(fitted, model)
    assert list(fitted.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("dcba")])


def test_in_a_pipeline_and_a_grid_search(X):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KMeans(random_state=0)), {"kmeans__n_clusters": [2, 3]}, cv=2
    ).fit(X)
    assert search.predict(X).shape == (200,)


def test_weights_reach_fit_by_metadata_routing():
    with config_context(enable_metadata_routing=True):
        routing = KMeans().set_fit_request(sample_weight=True).get_metadata_routing()
    assert routing.fit.requests["sample_weight"] is True


@pytest.mark.parametrize("method", ["predict", "transform", "score", "save", "to_sklearn", "get_feature_names_out"])
def test_an_unfitted_estimator_says_so(X, method):
    arguments = {"save": ("/nowhere",), "to_sklearn": (), "get_feature_names_out": ()}.get(method, (X,))
    with pytest.raises(NotFittedError):
        getattr(KMeans(), method)(*arguments)
