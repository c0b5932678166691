"""Model files: what was saved comes back bit for bit, or is refused in words."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from rewriting import rewrite_header

import kmeans_fast
from kmeans_fast import KMeans


def test_a_saved_model_comes_back_bit_for_bit(X, model, path):
    model.save(path)
    for back in (kmeans_fast.load(path), KMeans.load(path), kmeans_fast.load(str(path))):
        assert type(back) is KMeans
        assert back.get_params() == model.get_params()
        assert_array_equal(back.cluster_centers_, model.cluster_centers_)
        assert back.cluster_centers_.dtype == X.dtype
        assert_array_equal(back.labels_, model.labels_)
        assert back.labels_.dtype == np.int32
        assert (back.inertia_, back.n_iter_, back.backend_) == (model.inertia_, model.n_iter_, model.backend_)
        assert back.n_features_in_ == 3
        assert_array_equal(back.predict(X), model.labels_)
        assert_array_equal(back.transform(X), model.transform(X))
        assert_array_equal(back.get_feature_names_out(), model.get_feature_names_out())


def test_a_loaded_model_can_be_saved_cloned_and_fitted_again(X, model, path):
    model.save(path)
    back = kmeans_fast.load(path)
    back.save(path)
    assert_array_equal(kmeans_fast.load(path).fit(X).cluster_centers_, model.cluster_centers_)
    back.cluster_centers_[0, 0] = 1.0


def test_subclasses_load_as_themselves(model, path):
    class Special(KMeans):
        pass

    model.save(path)
    assert type(Special.load(path)) is Special


def test_subclasses_with_other_parameters_are_refused(X, model, path):
    class Other(KMeans):
        def __init__(self, n_clusters=4, alpha=1.0):
            super().__init__(n_clusters)
            self.alpha = alpha

    model.save(path)
    for call in (lambda: Other().fit(X).save(path), lambda: Other.load(path)):
        with pytest.raises(ValueError, match=r"Other differs in .*alpha"):
            call()


def test_a_model_without_labels_predicts_and_is_saved_again(X, model, path, tmp_path):
    model.save(path)
    with_labels = path.stat().st_size
    kmeans_fast.save(model, path, labels=False)
    assert with_labels - path.stat().st_size >= 4 * len(X)
    back = kmeans_fast.load(path)
    assert not hasattr(back, "labels_")
    assert_array_equal(back.predict(X), model.labels_)
    back.save(tmp_path / "again.npz")
    assert not hasattr(KMeans.load(tmp_path / "again.npz"), "labels_")
    assert_array_equal(back.to_sklearn().cluster_centers_, model.cluster_centers_)


def test_names_of_very_many_columns_are_kept(path):
    names = [f"a rather long name of a column, number {j}" for j in range(40_000)]
    model = KMeans(1, random_state=0).fit(np.zeros((1, len(names))))
    model.feature_names_in_ = np.array(names, dtype=object)
    model.save(path)
    assert list(kmeans_fast.load(path).feature_names_in_) == names


def _set(**attributes):
    def change(model, X):
        for name, value in attributes.items():
            setattr(model, name, value(model, X) if callable(value) else value)

    return change


def _frame(model, X):
    return pytest.importorskip("pandas").DataFrame(X[:4])


# What users do to a fitted model; "kept": it is saved and comes back equal; else the rule that the refusal names.
CHANGES = {
    "init as a list": (_set(init=lambda model, X: X[:4].tolist()), "kept"),
    "init as a DataFrame": (_set(init=_frame), "kept"),
    "init in Fortran order": (_set(init=lambda model, X: np.asfortranarray(X[:4])), "kept"),
    "init as integers": (_set(init=np.arange(12).reshape(4, 3)), "kept"),
    "init of big-endian numbers": (_set(init=lambda model, X: X[:4].astype(">f8")), "kept"),
    "init of fewer rows": (_set(init=lambda model, X: X[:3]), "init must have the shape"),
    "init with NaN": (_set(init=np.full((4, 3), np.nan)), "init contains NaN"),
    "init of text": (_set(init=np.full((4, 3), "a")), "init must be"),
    "init None": (_set(init=None), "init"),
    "centers as float16": (_set(cluster_centers_=np.arange(12).reshape(4, 3).astype(np.float16)), "kept"),
    "centers as integers": (_set(cluster_centers_=np.arange(12).reshape(4, 3)), "kept"),
    "centers as a list": (_set(cluster_centers_=np.arange(12).reshape(4, 3).tolist()), "kept"),
    "big-endian centers": (_set(cluster_centers_=lambda model, X: model.cluster_centers_.astype(">f8")), "kept"),
    "big-endian float32": (_set(cluster_centers_=lambda model, X: model.cluster_centers_.astype(">f4")), "kept"),
    "Fortran centers": (_set(cluster_centers_=lambda model, X: np.asfortranarray(model.cluster_centers_)), "kept"),
    "more centers": (_set(cluster_centers_=np.eye(6, 3)), "n_clusters must be the number of rows.* 6, got 4"),
    "fewer centers": (_set(cluster_centers_=np.eye(2, 3)), "n_clusters must be the number of rows.* 2, got 4"),
    "wider centers": (_set(cluster_centers_=np.eye(4, 5)), "each of the 3 features"),
    "centers and all that goes with them": (
        _set(cluster_centers_=np.eye(6, 3), n_clusters=6, labels_=np.arange(6)),
        "kept",
    ),
    "n_clusters set after the fit": (lambda model, X: model.set_params(n_clusters=7), "n_clusters must be.* 4, got 7"),
    "n_clusters True": (_set(n_clusters=True), "n_clusters must be"),
    "tol set after the fit": (lambda model, X: model.set_params(tol=np.float32(0.5)), "kept"),
    "tol NaN": (lambda model, X: model.set_params(tol=float("nan")), "tol must be a finite number"),
    "n_init as a list": (lambda model, X: model.set_params(n_init=[1]), "n_init must be"),
    "a huge seed": (lambda model, X: model.set_params(random_state=10**400), "random_state must be"),
    "labels as int64": (_set(labels_=lambda model, X: model.labels_.astype(np.int64)), "kept"),
    "labels as a list": (_set(labels_=lambda model, X: model.labels_.tolist()), "kept"),
    "big-endian labels": (_set(labels_=lambda model, X: model.labels_.astype(">i4")), "kept"),
    "labels as uint8": (_set(labels_=lambda model, X: model.labels_.astype(np.uint8)), "kept"),
    "labels as floats": (_set(labels_=lambda model, X: model.labels_.astype(float)), "labels_ must be integers"),
    "labels as a column": (_set(labels_=lambda model, X: model.labels_[:, None]), "labels_ must have one dimension"),
    "labels beyond": (_set(labels_=np.array([4])), "labels_ must be numbers of clusters, 0 to 3"),
    "labels far beyond": (_set(labels_=np.array([2**33])), "labels_ must be numbers of clusters"),
    "labels below": (_set(labels_=np.array([-1])), "labels_ must be numbers of clusters"),
    "labels far below": (_set(labels_=np.array([-(2**33)])), "labels_ must be numbers of clusters"),
    "no labels": (lambda model, X: delattr(model, "labels_"), "kept"),
    "no inertia": (lambda model, X: delattr(model, "inertia_"), "it has no inertia_"),
    "inertia NaN": (_set(inertia_=float("nan")), "inertia_ must be a finite number"),
    "inertia huge": (_set(inertia_=10**400), "inertia_ must be a finite number"),
    "inertia a NumPy number": (_set(inertia_=np.float32(3)), "kept"),
    "n_iter a NumPy number": (_set(n_iter_=np.int64(3)), "kept"),
    "n_iter a float": (_set(n_iter_=2.5), "n_iter_ must be an integer"),
    "backend None": (_set(backend_=None), "backend_ must be a name"),
    "too few names": (_set(feature_names_in_=np.array(["a"], dtype=object)), "feature_names_in_ must name all 3"),
    "names": (_set(feature_names_in_=np.array(["a", "b", "\ud800"], dtype=object)), "kept"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_saved_comes_back_equal_or_is_refused_in_words(X, model, path, change):
    alter, expected = CHANGES[change]
    alter(model, X)
    if expected != "kept":
        with pytest.raises(ValueError, match=expected):
            model.save(path)
        assert not list(path.parent.iterdir())
        return
    model.save(path)
    back, parameters = kmeans_fast.load(path), model.get_params()
    for name, value in back.get_params().items():
        assert_array_equal(value, parameters[name])
    assert_array_equal(back.cluster_centers_, np.asarray(model.cluster_centers_, np.float64))
    assert hasattr(back, "labels_") == hasattr(model, "labels_")
    assert_array_equal(getattr(back, "labels_", ()), getattr(model, "labels_", ()))
    assert (back.inertia_, back.n_iter_, back.backend_) == (model.inertia_, model.n_iter_, model.backend_)
    assert list(getattr(back, "feature_names_in_", ())) == list(getattr(model, "feature_names_in_", ()))
    if not hasattr(model, "feature_names_in_"):
        assert_array_equal(back.predict(X), model.predict(X))


def test_feature_names_are_kept(model, path, X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "\N{GREEK SMALL LETTER GAMMA}"])
    model.fit(frame).save(path)
    assert list(kmeans_fast.load(path).feature_names_in_) == list(frame.columns)


def test_init_arrays_are_kept(model, path, X):
    model.set_params(init=X[:4], n_init=1).fit(X).save(path)
    back = kmeans_fast.load(path)
    assert_array_equal(back.init, X[:4])
    assert_array_equal(back.fit(X).cluster_centers_, model.cluster_centers_)


@pytest.mark.parametrize("value", [np.int64(4), np.uint8(4)])
def test_numpy_scalars_as_parameters_are_kept_as_numbers(path, X, value):
    KMeans(n_clusters=value, tol=np.float32(1e-3), random_state=np.int64(3), init=np.str_("random")).fit(X).save(path)
    back = kmeans_fast.load(path)
    assert (back.n_clusters, back.random_state, back.init) == (4, 3, "random")


def test_a_callable_init_cannot_be_saved(model, path):
    model.init = lambda X, k, random_state: X[:k]
    with pytest.raises(ValueError, match="callable"):
        model.save(path)
    assert not path.exists()


def test_a_failed_save_leaves_the_old_file_and_no_other(monkeypatch, model, path):
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(np, "savez", lambda file, **arrays: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_a_parameter_that_a_file_lacks_has_its_default(X, model, path):
    """A file that was written before there was this parameter."""
    model.save(path)
    rewrite_header(path, parameters={"n_clusters": 4, "tol": 1e-3})
    assert kmeans_fast.load(path).get_params() == KMeans(n_clusters=4, tol=1e-3).get_params()


def test_a_missing_file_is_reported_as_missing(path):
    with pytest.raises(FileNotFoundError):
        kmeans_fast.load(path)
