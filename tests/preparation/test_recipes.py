"""Recipes in Python: DataFrames and arrays in, arrays out; into files and back to the same bits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.preparation import make_preparation

pandas = pytest.importorskip("pandas")
DENSE = OneHotEncoder(sparse_output=False)
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")


def people(n=120, seed=0):
    rng = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "id": [f"c{i}" for i in range(n)],
            "age": rng.normal(40, 9, n),
            "spend": rng.normal(0, 1000, n),
            "city": rng.choice(list("abcdef"), n, p=[0.4, 0.3, 0.2, 0.05, 0.03, 0.02]),
            "floor": rng.integers(0, 4, n),
        }
    )
    frame.loc[rng.integers(0, n, 5), "age"] = np.nan
    frame.loc[rng.integers(0, n, 5), "city"] = None
    return frame


OPTIONS = {
    "all": {"missing": "median", "scale": "standard", "categories": "auto"},
    "rare levels": {"missing": "mean", "scale": "robust", "categories": "auto", "max_categories": 3},
    "components": {"missing": "median", "scale": "minmax", "categories": ["city", 4], "pca": 0.9},
    "numbers": {"missing": "median", "categories": "drop", "pca": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_models_with_a_preparation_come_back_with_the_same_bits(tmp_path, options):
    frame = people()
    if not isinstance(options["categories"], str):
        frame["id"] = np.arange(len(frame))
    model = make_pipeline(make_preparation(**options), KMeans(3, random_state=0)).fit(frame)
    kmeans_fast.save(model, tmp_path / "m.npz")
    back = kmeans_fast.load(tmp_path / "m.npz")
    new = people(seed=1).assign(id=3 if not isinstance(options["categories"], str) else "x")
    new.loc[0, "city"] = "new"
    for rows in (frame, new):
        prepared = model[:-1].transform(rows)
        assert prepared.dtype == np.float64
        shuffled = rows[rows.columns[::-1]].assign(more=1)
        for given_rows in (rows, rows.to_numpy(object), shuffled):
            assert_array_equal(back[:-1].transform(given_rows), prepared)
            assert_array_equal(back.predict(given_rows), model.predict(rows))
    assert list(back.feature_names_in_) == list(frame.columns)
    kmeans_fast.save(back, tmp_path / "again.npz")
    assert_array_equal(kmeans_fast.load(tmp_path / "again.npz").predict(new), model.predict(new))
    assert_array_equal(clone(model).fit(frame).predict(new), model.predict(new))
    with pytest.raises(ValueError, match="columns are missing"):
        back.predict(frame.drop(columns="age"))


def test_levels_become_columns():
    frame = pandas.DataFrame({"city": ["b", "a", "b", "c", "d", None], "n": [1, 2, 3, 4, 5, 6]})
    made = make_preparation(missing="median", categories="auto", max_categories=2).fit(frame)
    assert_array_equal(made.transform(frame)[:, 1:], [[1, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 0]])  # b, the rare
    assert_array_equal(made.transform(pandas.DataFrame({"city": ["z"], "n": [1]}))[:, 1:], [[0, 1]])
    few = make_preparation(categories="auto").fit(frame[:5])
    assert_array_equal(few.transform(pandas.DataFrame({"city": ["z"], "n": [1]}))[:, 1:], [[0, 0, 0, 0]])
    with pytest.raises(ValueError, match="column 'city' of categories has no value in row 5"):
        few.transform(frame)


def test_texts_are_one_whatever_holds_them():
    frames = [
        pandas.DataFrame({"n": np.arange(4.0), "c": column})
        for column in (
            np.array(["1", "2", None, "2"], object),
            pandas.array([1, 2, None, 2], dtype="Int64"),
            np.array([1.0, 2.0, np.nan, 2.0]),
            pandas.Categorical(["1", "2", None, "2"]),
            pandas.array(["1", "2", None, "2"], dtype="string"),
        )
    ]
    made = [make_preparation(missing="median", categories=["c"]).fit(frame) for frame in frames]
    for one in made:
        for frame in frames:
            assert_array_equal(one.transform(frame), [[0, 1, 0], [1, 0, 1], [2, 0, 1], [3, 0, 1]])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([None, "standard", "robust", "minmax"]),
    st.sampled_from([None, 1, 2, 0.8]), st.integers(2, 5), st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_saving_and_loading_keep_every_bit(tmp_path, seed, scale, pca, most, dtype):
    frame = people(40, seed)
    frame[["age", "spend"]] = frame[["age", "spend"]].astype(dtype)
    preparation = make_preparation(missing="median", scale=scale, categories="auto", max_categories=most, pca=pca)
    model = make_pipeline(preparation, KMeans(3, random_state=0)).fit(frame)
    kmeans_fast.save(model, tmp_path / "m.npz")
    back = kmeans_fast.load(tmp_path / "m.npz")
    new = people(30, seed + 1)
    for rows in (frame, new):
        assert_array_equal(back[:-1].transform(rows), model[:-1].transform(rows))
        assert_array_equal(back.predict(rows), model.predict(rows))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"missing": "drop"}, "missing must be 'mean', 'median' or None"),
        ({"scale": "none"}, "scale must be 'standard', 'robust', 'minmax' or None"),
        ({"categories": "all"}, "categories must be 'auto', 'drop', a sequence"),
        ({"max_categories": 1}, "max_categories must be an integer of at least 2"),
        ({"pca": 0}, "pca must be a number of components"),
        ({"pca": 1.5}, "pca must be a number of components"),
        ({"pca": True}, "pca must be a number of components"),
        ({"pca": float("inf")}, "pca must be a number of components"),
        *(({"categories": one}, "categories must be 'auto', 'drop', a sequence") for one in (3, [1.5], [True], [None])),
    ],
)
def test_other_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        make_preparation(**options)


@pytest.mark.parametrize(
    ("column", "text"), [("no", "must be one column 'no', got 0"), (9, "positions must be from 0 to 4")]
)
def test_categories_that_are_not_there_are_refused(column, text):
    with pytest.raises(ValueError, match=text):
        make_preparation(categories=[column]).fit(people())


def test_a_column_of_categories_counts_once():
    with pytest.raises(ValueError, match="every column may be chosen once"):
        make_preparation(categories=["city", 3]).fit(people())


def test_steps_that_do_nothing_are_not_in_the_file(tmp_path):
    frame = people()[["spend", "floor"]]
    model = make_pipeline(
        make_pipeline(make_preparation(), make_preparation(scale="standard")), KMeans(2, random_state=0)
    )
    kmeans_fast.save(model.fit(frame), tmp_path / "m.npz")
    assert_array_equal(kmeans_fast.load(tmp_path / "m.npz").predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="got a Pipeline of Pipeline, KMeans"):
        kmeans_fast.save(make_pipeline(make_preparation(), KMeans(2)).fit(frame), tmp_path / "m.npz")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_column_transformer((MinMaxScaler(), ["age"]), remainder="passthrough"), "remainder"),
        (lambda: make_column_transformer((OneHotEncoder(), ["city"])), "sparse_output of a OneHotEncoder"),
        (lambda: make_column_transformer((DENSE, ["floor"])), "categories in a file must be texts"),
        (lambda: make_column_transformer((clone(DENSE).set_params(drop="first"), ["city"])), "drop of a OneHotEncoder"),
    ],
)  # fmt: skip
def test_what_no_file_holds_is_refused(tmp_path, make, text):
    frame = people()[["age", "city", "floor"]].fillna({"age": 0, "city": "a"})
    columns = make().fit(frame)
    model = make_pipeline(columns, KMeans(2, random_state=0).fit(np.eye(4)))
    with pytest.raises(ValueError, match=text):
        kmeans_fast.save(model, tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_a_column_transformer_of_scikit_learns_goes_into_a_file(tmp_path):
    frame = people().fillna({"age": 0, "city": "a"})
    columns = make_column_transformer(
        (MinMaxScaler(), ["spend", "age"]), ("passthrough", ["floor"]), ("drop", ["id"]),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["city"]),
    )  # fmt: skip
    model = make_pipeline(columns, KMeans(3, random_state=0)).fit(frame)
    kmeans_fast.save(model, tmp_path / "m.npz")
    assert_array_equal(kmeans_fast.load(tmp_path / "m.npz").predict(frame), model.predict(frame))
