"""Whatever holds the rows: an estimator gives the bits of the function, and refuses what holds no numbers."""

import array

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn import config_context
from support import rows

import kmeans_fast
from kmeans_fast import KMeans

X = rows(60, 3, np.float32)


class Table:
    """A table that NumPy knows and scikit-learn does not."""

    def __init__(self, values):
        self.values, self.columns, self.shape = values, list("abc"), values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self):
        return len(self.values)


class ByDLPack:
    """What speaks DLPack and nothing else, of memory on the host."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def polars(values):
    return pytest.importorskip("polars").from_numpy(values, schema=list("abc"))


def frame_of_dask(values):
    dataframe, pandas = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    return dataframe.from_pandas(pandas.DataFrame(values, columns=list("abc")), npartitions=2)


@pytest.mark.parametrize("make", [Table, polars, frame_of_dask, ByDLPack, memoryview, list, tuple])
def test_float32_stays_float32_as_in_the_functions(make):
    given, expected = make(X), kmeans_fast.kmeans(X, 4, seed=0)
    model = KMeans(4, random_state=0).fit(given)
    assert model.cluster_centers_.dtype == kmeans_fast.kmeans(given, 4, seed=0).centroids.dtype == np.float32
    assert_array_equal(model.cluster_centers_, expected.centroids)
    assert_array_equal(model.predict(given), expected.labels)
    assert model.transform(given).dtype == np.float32


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64])
@pytest.mark.parametrize("make", [Table, ByDLPack, memoryview, list])
def test_other_numbers_become_float64(make, kind):
    values = (X * 100).astype(kind)
    given = make(values)
    assert_array_equal(
        KMeans(4, random_state=0).fit(given).cluster_centers_,
        KMeans(4, random_state=0).fit(values).cluster_centers_,
    )


@pytest.mark.parametrize("other", [bool, np.int8, np.int64, np.float64])
def test_columns_of_several_types_come_to_one_as_in_the_functions(other):
    table = pytest.importorskip("pandas").DataFrame({"a": X[:, 0], "b": (X[:, 1] * 9).astype(other)})
    model, found = KMeans(4, random_state=0).fit(table), kmeans_fast.kmeans(table, 4, seed=0)
    assert model.cluster_centers_.dtype == found.centroids.dtype
    assert_array_equal(model.cluster_centers_, found.centroids)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, bool])
@pytest.mark.parametrize("sparse", ["abc", "b"])
@pytest.mark.filterwarnings("ignore:Concatenating sparse arrays")
def test_sparse_columns_of_pandas_are_made_dense(kind, sparse):
    values = X > np.median(X) if kind is bool else (X * 9).astype(kind)
    table = pytest.importorskip("pandas").DataFrame({"a": X[:, 0], "b": values[:, 1], "c": values[:, 2]})
    thin = table.astype({name: f"Sparse[{table[name].dtype}]" for name in sparse})
    model, expected = KMeans(3, random_state=0).fit(thin), KMeans(3, random_state=0).fit(table).cluster_centers_
    for centroids in (model.cluster_centers_, kmeans_fast.kmeans(thin, 3, seed=0).centroids):
        assert centroids.dtype == expected.dtype
        assert_array_equal(centroids, expected)
    assert_array_equal(model.predict(thin), model.labels_)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(thin[["a", "c", "b"]])


def test_columns_of_polars_are_checked_by_their_names():
    table = polars(X)
    model = KMeans(4, random_state=0).fit(table)
    assert list(model.feature_names_in_) == list("abc")
    assert_array_equal(model.predict(table), model.labels_)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table.select("a", "c", "b"))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(list(X))


@pytest.mark.parametrize("make", [Table, ByDLPack, list])
@pytest.mark.parametrize(
    ("bad", "said"), [(X[:, :2], "X has 2 features, but KMeans is expecting 3"), (X[0], "Expected 2D array, got 1D")]
)
def test_shapes_are_refused_in_the_words_for_numpys(make, bad, said):
    model = KMeans(4, random_state=0).fit(X)
    for given in (bad, make(bad)):
        with pytest.raises(ValueError, match=said):
            model.predict(given)


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "int4"])
def test_numbers_of_a_few_bits_are_taken_by_all(kind):
    narrow = (X * 2).astype(getattr(pytest.importorskip("ml_dtypes"), kind))
    expected = kmeans_fast.kmeans(narrow.astype(np.float64), 3, seed=0)
    assert_array_equal(kmeans_fast.kmeans(narrow, 3, seed=0).centroids, expected.centroids)
    assert_array_equal(KMeans(3, random_state=0).fit(narrow).cluster_centers_, expected.centroids)


# ---- what is refused -----------------------------------------------------------------------------------------------

METHODS = {
    "fit": lambda model, given: KMeans(4).fit(given),
    "predict": lambda model, given: model.predict(given),
    "transform": lambda model, given: model.transform(given),
    "score": lambda model, given: model.score(given),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("make", [np.asfortranarray, np.ndarray.copy, np.ndarray.tolist, Table])
def test_nan_is_refused_even_where_scikit_learn_assumes_that_there_is_none(method, value, make):
    bad = X.astype(np.float64)
    bad[7, 1] = value
    model = KMeans(4, random_state=0).fit(X)
    with config_context(assume_finite=True), pytest.raises(ValueError, match=r"X contains \w+ at \(7, 1\)"):
        method(model, make(bad))


def series(values):
    return pytest.importorskip("pandas").Series(list(values))


@pytest.mark.parametrize("call", [lambda given: kmeans_fast.kmeans(given, 1), KMeans(1).fit], ids=["kmeans", "KMeans"])
def test_a_column_of_embeddings_is_refused_with_the_remedy(call):
    with pytest.raises(ValueError, match=r"X must be an array of numbers.*as a column of embeddings does: numpy.stack"):
        call(series(X))


@pytest.mark.parametrize("call", [lambda given: kmeans_fast.kmeans(given, 1), KMeans(1).fit], ids=["kmeans", "KMeans"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "got NoneType"),
        ({"a": [1.0]}, "got dict"),
        (Table(np.array([[1.0, 2.0], None], object)), "numpy.stack"),
        (Table(np.array([X[0], X[1]] + [None], object)[:2]), "numpy.stack"),
    ],
    ids=["None", "dict", "lists", "arrays"],
)
def test_what_is_no_array_is_named(call, given, said):
    with pytest.raises(ValueError, match=f"X must be an array of numbers.*{said}"):
        call(given)


def test_integers_beyond_float64_are_refused():
    with pytest.raises(ValueError, match=r"X must be an array of numbers.*too large"):
        kmeans_fast.kmeans([[10**400], [1]], 1)


# ---- weights -------------------------------------------------------------------------------------------------------

FITS = {
    "kmeans": lambda weights: kmeans_fast.kmeans(X, 3, seed=0, sample_weight=weights).inertia,
    "KMeans": lambda weights: KMeans(3, random_state=0).fit(X, sample_weight=weights).inertia_,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(
    "weights",
    [
        ["1"] * 60,
        [b"1"] * 60,
        np.ones(60, "M8[s]"),
        np.ones(60, "m8[s]"),
        np.ones(60) * (1 + 1j),
        {"a": 1.0},
        (1.0 for _ in range(60)),
        np.array([[1.0], [2.0]] * 30 + [None], object)[:60],
    ],
    ids=["text", "bytes", "dates", "durations", "complex", "dict", "generator", "lists"],
)
def test_weights_that_are_no_numbers_are_refused_by_name(fit, weights):
    with pytest.raises(ValueError, match=r"sample_weight must be (an array of numbers|real)"):
        fit(weights)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(
    "make",
    [
        list,
        ByDLPack,
        lambda weights: array.array("d", weights),
        lambda weights: weights.astype(pytest.importorskip("ml_dtypes").bfloat16),
        lambda weights: weights.astype(object),
    ],
    ids=["list", "DLPack", "array.array", "bfloat16", "objects"],
)
def test_weights_may_be_of_any_kind_of_array(fit, make):
    weights = np.arange(60.0)
    assert fit(make(weights)) == fit(weights)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_one_weight_of_any_kind_is_repeated(fit):
    assert fit(np.array(2.0)) == fit(np.float32(2)) == fit(2) == fit(np.full(60, 2.0))


# ---- where a fit starts --------------------------------------------------------------------------------------------

STARTS = {
    "kmeans": lambda init: kmeans_fast.kmeans(X, 3, init=init).centroids,
    "kmeans_batch": lambda init: kmeans_fast.kmeans_batch(X[None], 3, init=init).centroids[0],
    "KMeans": lambda init: KMeans(3, init=init).fit(X).cluster_centers_,
}
each_start = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)


@pytest.mark.filterwarnings("error")
@each_start
@pytest.mark.parametrize(
    ("init", "said"),
    [
        (X[:3].astype(str), "an array of numbers, got dtype <U"),
        (np.ones((3, 3), "M8[s]"), "an array of numbers, got dtype datetime64"),
        (X[:3] * 1j, "real, got complex data"),
        ([[1, 2, 3], [4]], "an array of numbers"),
    ],
    ids=["text", "dates", "complex", "ragged"],
)
def test_a_start_that_is_no_numbers_is_refused_by_name(start, init, said):
    with pytest.raises(ValueError, match=f"init must be {said}"):
        start(init)


@each_start
def test_a_sparse_start_is_refused_with_the_remedy(start):
    with pytest.raises(
        TypeError, match=r"init is sparse \(csr_array\); a dense array is required: use init.toarray\(\)"
    ):
        start(scipy.sparse.csr_array(X[:3]))


@each_start
@pytest.mark.parametrize("make", [Table, polars, ByDLPack, list])
def test_a_start_may_be_of_any_kind_of_array(start, make):
    assert_array_equal(start(make(X[:3])), start(X[:3]))


def test_a_sparse_chunk_is_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"chunk 0 is sparse \(csr_array\); a dense array is required: use its toarray"):
        kmeans_fast.kmeans(lambda: [scipy.sparse.csr_array(X)], 2)
