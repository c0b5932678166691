"""Models with their scaling: one object in Python, in files and on the command line, with one answer on raw rows."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from support import DTYPES, rows

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.cli import main
from kmeans_fast.preparation.exact import ExactPCA

SCALERS = {
    "standard": StandardScaler(),
    "centered only": StandardScaler(with_std=False),
    "scaled only": StandardScaler(with_mean=False, copy=False),
    "standard in name only": StandardScaler(with_mean=False, with_std=False),
    "minmax": MinMaxScaler(),
    "minmax of another range": MinMaxScaler((-2.5, 3), clip=True),
    "robust": RobustScaler(),
    "robust of other quantiles": RobustScaler(quantile_range=(10, 80.5), unit_variance=True, with_centering=False),
    "components": PCA(2, whiten=True),
    "exact components": ExactPCA(0.9),
    "filled in": SimpleImputer(strategy="mean"),
}
OPTIONS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def two_groups(n=100, dtype=np.float64, seed=0):
    """Rows whose first column tells two groups apart, and whose second, a thousand times larger, is noise."""
    rng = np.random.default_rng(seed)
    return np.column_stack([np.repeat([0.0, 1.0], n), rng.normal(size=2 * n) * 1000.0]).astype(dtype)


def same(one, other, X):
    """Whether two Pipelines are equal: steps, parameters, attributes and answers."""
    assert [name for name, _ in one.steps] == [name for name, _ in other.steps]
    for mine, theirs in zip(one, other, strict=True):
        assert type(mine) is type(theirs)
        for name, value in theirs.get_params().items():
            assert_array_equal(mine.get_params()[name], value)
        for name in sorted(set(vars(theirs)) - {"history_", "timings_", "indicator_"} - set(theirs.get_params())):
            if name.startswith("_"):
                continue
            assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
    for method in ("predict", "transform"):
        assert_array_equal(getattr(one, method)(X.copy()), getattr(other, method)(X.copy()))  # copy=False writes to it
    assert one.score(X.copy()) == other.score(X.copy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SCALERS)
def test_a_pipeline_comes_back_whole(path, kind, dtype):
    X = rows(60, 3, dtype) * [1, 1000, 1e-3]
    model = Pipeline([("first", SCALERS[kind]), ("then", KMeans(4, random_state=0))]).fit(X.astype(dtype))
    kmeans_fast.save(model, path)
    back = kmeans_fast.load(path)
    same(back, model, X.astype(dtype))
    kmeans_fast.save(back, path)
    same(kmeans_fast.load(path), model, X.astype(dtype))


def test_names_of_columns_are_those_of_the_raw_rows(path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(two_groups(), columns=["a", "b"])
    model = make_pipeline(StandardScaler(), KMeans(2, random_state=0)).fit(frame)
    kmeans_fast.save(model, path, labels=False)
    back = kmeans_fast.load(path)
    assert list(back.feature_names_in_) == ["a", "b"]
    assert_array_equal(back.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        back.predict(frame[["b", "a"]])


def test_kmeans_alone_refuses_a_file_with_a_scaler(path):
    kmeans_fast.save(make_pipeline(MinMaxScaler(), KMeans(2, random_state=0)).fit(two_groups()), path)
    with pytest.raises(ValueError, match=r"Pipeline of a preparation .* kmeans_fast.load"):
        KMeans.load(path)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda X: make_pipeline(Normalizer(), KMeans(2)).fit(X), "got Normalizer"),
        (lambda X: make_pipeline(make_pipeline(Normalizer()), KMeans(2)).fit(X), "got Normalizer"),
        (lambda X: make_pipeline(SimpleImputer(add_indicator=True), KMeans(2)).fit(X), "add_indicator of a SimpleImp"),
        (lambda X: make_pipeline(KMeans(2)).fit(X), "got a Pipeline of KMeans"),
        (lambda X: make_pipeline("passthrough", KMeans(2)).fit(X), "got a Pipeline of str, KMeans"),
        (lambda X: make_pipeline(StandardScaler(), SklearnKMeans(2, n_init=1)).fit(X), "got a Pipeline of "),
        (lambda X: SklearnKMeans(2, n_init=1).fit(X), r"KMeans\.from_sklearn"),
        (lambda X: StandardScaler().fit(X), "got StandardScaler"),
        (lambda X: None, "got NoneType"),
        (lambda X: make_pipeline(_Own(), KMeans(2)).fit(X), "got _Own"),
    ],
)
def test_anything_else_is_refused_with_the_rule(path, make, text):
    with pytest.raises(ValueError, match=text) as caught:
        kmeans_fast.save(make(two_groups()), path)
    assert "SimpleImputer" in str(caught.value)
    assert not path.exists()


class _Own(StandardScaler):
    """A scaler of a user's, which may do anything."""


def test_what_is_not_fitted_is_refused(path):
    fitted = KMeans(2, random_state=0).fit(two_groups())
    for model in (KMeans(2), make_pipeline(StandardScaler(), KMeans(2)), make_pipeline(StandardScaler(), fitted)):
        with pytest.raises(NotFittedError):
            kmeans_fast.save(model, path)
    assert not path.exists()


def _with(**attributes):
    def change(scaler):
        for name, value in attributes.items():
            setattr(scaler, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_with(scale_=np.array([0.0, 1.0])), "scale_ of the StandardScaler must be above 0"),
        (_with(scale_=np.ones(3)), "scale_ of the StandardScaler must be 2 finite floats"),
        (_with(mean_=np.array([np.nan, 0.0])), "mean_ of the StandardScaler must be 2 finite floats"),
        (_with(mean_=None), "has no mean_"),
        (lambda scaler: delattr(scaler, "mean_"), "has no mean_"),
        (lambda scaler: delattr(scaler, "n_samples_seen_"), "n_samples_seen_ of the StandardScaler must be one number"),
        (_with(with_mean=1), "with_mean of the StandardScaler must not be 1"),
        (_with(n_samples_seen_=np.array([3, 4])), "there were missing ones"),
    ],
)
def test_a_scaler_that_could_not_be_loaded_is_refused(path, change, text):
    model = make_pipeline(StandardScaler(), KMeans(2, random_state=0)).fit(two_groups())
    change(model[0])
    with pytest.raises(ValueError, match=text):
        kmeans_fast.save(model, path)
    assert not path.exists()


SCALER = {
    "kind": "StandardScaler",
    "parameters": {"copy": True, "with_mean": True, "with_std": True},
    "fitted": {"n_samples_seen": 200},
}


def _whole(*steps):
    return {"steps": {"kind": "Pipeline", "parameters": {}, "fitted": {"steps": list(steps)}}}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "scaler"},
        {"model": "a__b"},
        {"model": None},
        {"n_features_in": 3},
        {"n_features_in": None},
        {"steps": None},
        {"steps": SCALER},
        {"steps": "ab"},
        {"more": 1},
        _whole(),
        _whole("scaler", SCALER),
        _whole(["a__b", SCALER]),
        _whole(["scaler", SCALER], ["scaler", SCALER]),
        _whole(["scaler", SCALER], ["another", SCALER]),  # for which there are no arrays
        _whole(["scaler", SCALER | {"kind": "os.system"}]),
        _whole(["scaler", SCALER | {"kind": ["PCA"]}]),
        _whole(["scaler", SCALER | {"kind": "PCA"}]),
        _whole(["scaler", SCALER | {"parameters": {}}]),
        _whole(["scaler", SCALER | {"parameters": None}]),
        _whole(["scaler", SCALER | {"fitted": {"n_samples_seen": [1, 2]}}]),
        _whole(["scaler", SCALER | {"fitted": {}}]),
        _whole(["scaler", SCALER | {"more": 1}]),
    ],
    ids=str,
)
def test_preparations_that_no_file_has_are_refused(path, change):
    kmeans_fast.save(Pipeline([("scaler", StandardScaler()), ("m", KMeans(2, random_state=0))]).fit(two_groups()), path)

    def rewritten(**changes):
        with np.load(path) as archive:
            arrays = dict(archive)
        header = json.loads(arrays["header"].tobytes())
        header["preparation"].update(changes)
        np.savez(path, **{**arrays, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)})

    rewritten(**_whole(["scaler", SCALER]))
    kmeans_fast.load(path)  # as it was
    rewritten(**change)
    with pytest.raises(ValueError, match="not a sound"):
        kmeans_fast.load(path)


# ---- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", ["npy", "csv"])  # a memory map, and an array of the reader's own
def test_the_command_line_and_python_give_the_same_labels(tmp_path, monkeypatch, kind, option, dtype):
    monkeypatch.chdir(tmp_path)
    X = two_groups(dtype=dtype)
    if kind == "npy":
        np.save("x.npy", X)
    else:
        np.savetxt("x.csv", X, delimiter=",", fmt="%.17g", header="a,b", comments="")
    name = np.dtype(dtype).name
    assert main(["fit", f"x.{kind}", "-k2", "--scale", option, "--dtype", name, "--quiet"]) == 0
    assert main(["predict", f"x.{kind}-model.npz", f"x.{kind}", "-o", "p.npy", "--dtype", name]) == 0
    model = kmeans_fast.load(f"x.{kind}-model.npz")
    assert type(model[0]) is OPTIONS[option]
    labels = np.load(f"x.{kind}-labels.npy")
    if option != "robust":  # whose scale leaves half of the noise beyond 1
        assert sorted(np.bincount(labels)) == [100, 100]  # without the scaling, noise decides
    assert_array_equal(np.load("p.npy"), labels)
    data = X if kind == "npy" else pytest.importorskip("pandas").DataFrame(X, columns=["a", "b"])
    assert_array_equal(model.predict(data), labels)
    assert not hasattr(model[1], "labels_")
    if kind == "npy":
        assert_array_equal(np.load("x.npy"), X)  # the memory map was not written to
