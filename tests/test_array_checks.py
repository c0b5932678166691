"""Bad input to the functions: refused with the rule and the value, never crashed on or answered wrongly."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from support import rows

import kmeans_fast
from kmeans_fast.array_checks import as_data
from kmeans_fast.weights import as_weights

X = rows(12, 2, np.float64)
CALLS = {
    "kmeans": lambda X: kmeans_fast.kmeans(X, 1, seed=0),
    "assign": lambda X: kmeans_fast.assign(X, [[0.0, 0.0]]),
    "centroids of assign": lambda C: kmeans_fast.assign([[0.0, 0.0]], C),
    "kmeans_plusplus": lambda X: kmeans_fast.kmeans_plusplus(X, 1, seed=0),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def with_value(value, at, dtype=np.float64):
    data = rows(9, 2, dtype)
    data[at] = value
    return data


@pytest.mark.filterwarnings("error")
@each_call
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("at", [(0, 0), (5, 1), (8, 1)])
def test_nan_and_infinity_are_refused_with_their_place(call, dtype, value, name, at):
    with pytest.raises(ValueError, match=rf"contains {name} at \({at[0]}, {at[1]}\)"):
        call(with_value(value, at, dtype))


def test_the_first_bad_value_of_a_large_array_is_named():
    data = np.zeros((200_000, 1))
    data[[150_000, 190_000]] = np.nan
    with pytest.raises(ValueError, match=r"NaN at \(150000, 0\)"):
        as_data(data)


def test_opposite_infinities_are_noticed():
    with pytest.raises(ValueError, match=r"infinity at \(2, 0\)"):
        as_data([[0.0], [1.0], [np.inf], [-np.inf]])


def test_finite_values_whose_sum_overflows_are_finite():
    assert_array_equal(as_data([[1.7e308], [1.7e308]]), [[1.7e308], [1.7e308]])


@each_call
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (np.empty((0, 2)), r"\(0, 2\)"),
        (np.empty((3, 0)), r"\(3, 0\)"),
        ([], "2 dimensions"),
        ([[]], r"\(1, 0\)"),
        (np.zeros(3), r"2 dimensions.*1: \(3,\)"),
        (np.zeros((2, 2, 2)), r"2 dimensions.*3: \(2, 2, 2\)"),
        (3.0, r"2 dimensions.*0"),
        (None, "."),
        ([[1, 2], [3]], "array of numbers"),
        ([["a", "b"]], "array of numbers"),
        (np.array([["1", "2"]]), "array of numbers"),
        (np.array([[b"1", b"2"]]), "array of numbers"),
        (np.array([[object(), 1]]), "array of numbers"),
        (np.array([[None, 1.0]], dtype=object), "."),
        (np.array([["2020-01-01", "2021-01-01"]], "M8[D]"), "array of numbers"),
        (np.zeros((2, 2), [("a", float)]), "array of numbers"),
        (np.zeros((2, 2), complex), "real.*complex128"),
        ([[1j, 2.0]], "real.*complex"),
        ({"a": [1, 2]}, "."),
        ("text", "."),
    ],
)
def test_what_is_not_a_table_of_numbers_is_refused(call, data, text):
    with pytest.raises(ValueError, match=text):
        call(data)


@pytest.mark.parametrize("given", [np.zeros(3), np.empty((0, 2)), [["a"]], np.zeros((2, 2), complex), None])
def test_explain_refuses_what_the_others_do(given):
    with pytest.raises(ValueError, match=r".") as expected:
        kmeans_fast.kmeans(given, 1)
    with pytest.raises(ValueError, match=r".") as found:
        kmeans_fast.explain(given, 1)
    assert str(found.value) == str(expected.value)


@each_call
@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.coo_array, scipy.sparse.dia_array])
def test_sparse_data_is_refused_with_the_remedy(call, make):
    with pytest.raises(TypeError, match="toarray"):
        call(make(np.eye(2)))


def test_objects_that_are_numbers_are_taken():
    assert_array_equal(as_data(np.array([[1, 2.5]], dtype=object)), [[1.0, 2.5]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, bool])
def test_only_float32_stays_narrow(dtype):
    assert as_data(np.ones((2, 2), dtype)).dtype == (np.float32 if dtype is np.float32 else np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_suitable_data_is_not_copied(dtype):
    data = rows(9, 2, dtype)
    assert as_data(data) is data or np.shares_memory(as_data(data), data)
    data.flags.writeable = False
    assert np.shares_memory(as_data(data), data)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "torch"])
def test_tables_of_other_libraries_are_taken(library):
    module = pytest.importorskip(library)
    make = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table", "torch": "tensor"}[library]
    data = {"a": X[:, 0], "b": X[:, 1]} if library in ("polars", "pyarrow") else X
    assert_array_equal(as_data(getattr(module, make)(data)), X)


# ---- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(11), r"shape \(12,\), got \(11,\)"),
        (np.ones((12, 1)), r"\(12, 1\)"),
        ([], r"\(0,\)"),
        (with_value(np.nan, 3)[:, 0].repeat(2)[:12], r"NaN at \(6,\)"),
        (np.full(12, np.inf), r"infinity at \(0,\)"),
        (np.zeros(12), "at least one must be positive"),
        (np.r_[np.ones(11), -2.0], "-2.0 at row 11"),
        (["a"] * 12, "."),
        (np.ones(12) * 1j, "."),
    ],
    ids=["short", "column", "empty", "NaN", "infinity", "zeros", "negative", "text", "complex"],
)
@pytest.mark.parametrize("call", [kmeans_fast.kmeans, kmeans_fast.kmeans_plusplus])
def test_bad_weights_are_refused(call, weights, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((ValueError, TypeError), match=text):
            call(X, 2, sample_weight=weights, seed=0)


def test_a_single_weight_is_repeated():
    assert_array_equal(as_weights(2, 3), [2.0, 2.0, 2.0])


# ---- other arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, True, np.nan, [2]])
@pytest.mark.parametrize("call", [kmeans_fast.kmeans, kmeans_fast.kmeans_plusplus])
def test_n_clusters_is_a_positive_integer(call, value):
    with pytest.raises(ValueError, match="n_clusters must be an integer of at least 1") as caught:
        call(X, value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("call", [kmeans_fast.kmeans, kmeans_fast.kmeans_plusplus])
def test_more_clusters_than_rows_are_refused(call):
    with pytest.raises(ValueError, match="n_samples=12 should be >= n_clusters=13"):
        call(X, 13)


@pytest.mark.parametrize("name", ["n_init", "max_iter", "n_threads"])
@pytest.mark.parametrize("value", [0, -3, 1.5, "2", True])
def test_counts_are_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*an integer of at least 1") as caught:
        kmeans_fast.kmeans(X, 2, **{name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 1.5, "0"])
def test_seed_is_a_non_negative_integer(seed):
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        kmeans_fast.kmeans(X, 2, seed=seed)


@pytest.mark.parametrize("tol", [-1e-9, np.nan, np.inf, "0", None, [1.0]])
def test_tol_is_a_finite_number_of_at_least_zero(tol):
    with pytest.raises(ValueError, match="tol must be a finite number of at least 0") as caught:
        kmeans_fast.kmeans(X, 2, tol=tol)
    assert repr(tol) in str(caught.value)


@pytest.mark.parametrize("callback", [3, "print"])
def test_callback_is_callable(callback):
    with pytest.raises(ValueError, match="callback") as caught:
        kmeans_fast.kmeans(X, 2, callback=callback)
    assert repr(callback) in str(caught.value)


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ("kmeans", "'k-means\\+\\+', 'k-means\\|\\|', 'random', a callable or an array, got 'kmeans'"),
        (X[:3], r"\(3, 2\) does not match the number of clusters 2"),
        (X[:2, :1], r"\(2, 1\) does not match the number of features of the data 2"),
        (X[0], "."),
        (3.0, "."),
        (None, "."),
        ([[1, 2], [3]], "."),
        ([["a", "b"], ["c", "d"]], "."),
        ([[1, 2], [3, np.nan]], "NaN"),
        ([[1, 2], [3, np.inf]], "infinity"),
        (X[:2] * 1j, "."),
        (lambda X, k, random_state: X[:3], r"\(3, 2\) does not match the number of clusters 2"),
        (lambda X, k, random_state: None, "."),
    ],
    ids=["unknown name", "rows", "columns", "1-D", "scalar", "None", "ragged", "text", "NaN", "infinity", "complex"]
    + ["callable rows", "callable None"],
)
def test_init_that_does_not_fit_is_refused(init, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=text):
            kmeans_fast.kmeans(X, 2, init=init, seed=0)


def test_an_init_array_of_float64_too_large_for_float32_data_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="infinity"):
            kmeans_fast.kmeans(X.astype(np.float32), 2, init=[[1e300, 0.0], [0.0, 0.0]])


def test_centroids_of_another_width_are_refused():
    with pytest.raises(ValueError, match="number of features of the data 2"):
        kmeans_fast.assign(X, [[1.0, 2.0, 3.0]])


def test_numpys_global_random_state_is_neither_read_nor_changed():
    state = np.random.mtrand._rand
    before, one = state.get_state()[1].copy(), kmeans_fast.kmeans(X, 3, seed=5)
    assert_array_equal(state.get_state()[1], before)
    state.random_sample()
    assert_array_equal(kmeans_fast.kmeans(X, 3, seed=5).centroids, one.centroids)


def test_without_a_seed_results_vary():
    assert len({kmeans_fast.kmeans_plusplus(X, 1)[1].tobytes() for _ in range(40)}) > 1


MASKED = np.ma.masked_greater(rows(9, 2, np.float64), 1.0)
MASKED_CALLS = {
    "kmeans": lambda: kmeans_fast.kmeans(MASKED, 2, seed=0),
    "init": lambda: kmeans_fast.kmeans(MASKED.data, 9, init=MASKED),
    "assign": lambda: kmeans_fast.assign(MASKED, MASKED.data),
    "centroids": lambda: kmeans_fast.assign(MASKED.data, MASKED),
    "kmeans_plusplus": lambda: kmeans_fast.kmeans_plusplus(MASKED, 2, seed=0),
    "sample_weight": lambda: kmeans_fast.kmeans(MASKED.data, 2, sample_weight=np.ma.masked_equal(np.arange(9.0), 3)),
    "fit": lambda: kmeans_fast.KMeans(2).fit(MASKED),
    "init of fit": lambda: kmeans_fast.KMeans(9, init=MASKED).fit(MASKED.data),
    "weights of fit": lambda: kmeans_fast.KMeans(2).fit(
        MASKED.data, sample_weight=np.ma.masked_equal(np.arange(9.0), 3)
    ),
    "predict": lambda: kmeans_fast.KMeans(2).fit(MASKED.data).predict(MASKED),
    "transform": lambda: kmeans_fast.KMeans(2).fit(MASKED.data).transform(MASKED),
    "score": lambda: kmeans_fast.KMeans(2).fit(MASKED.data).score(MASKED),
    "rows in a list": lambda: kmeans_fast.kmeans(list(MASKED), 2, seed=0),
    "rows in a list, to fit": lambda: kmeans_fast.KMeans(2).fit(list(MASKED)),
    "rows in a list, to predict": lambda: kmeans_fast.KMeans(2).fit(MASKED.data).predict(list(MASKED)),
    "centroids in a list": lambda: kmeans_fast.assign(MASKED.data, list(MASKED)),
    "problems": lambda: kmeans_fast.kmeans_batch([MASKED.data, MASKED], 2, seed=0),
    "weights of problems": lambda: kmeans_fast.kmeans_batch(
        [MASKED.data] * 2, 2, sample_weight=[np.ma.masked_equal(np.arange(9.0), 3)] * 2
    ),
    "init of problems": lambda: kmeans_fast.kmeans_batch([MASKED.data] * 2, 9, init=[list(MASKED)] * 2),
}


@pytest.mark.parametrize("call", MASKED_CALLS.values(), ids=MASKED_CALLS.keys())
def test_masked_values_are_refused_with_the_way_out(call):
    with pytest.raises(ValueError, match=r"is a masked array with \d+ masked values.*filled"):
        call()


def test_masked_arrays_without_a_masked_value_are_arrays():
    plain = rows(9, 2, np.float64)
    found = kmeans_fast.kmeans(np.ma.masked_array(plain), 2, seed=0)
    assert_array_equal(found.labels, kmeans_fast.kmeans(plain, 2, seed=0).labels)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0, 0.0])
def test_a_single_weight_is_checked_as_many_are(backend, weight):
    with pytest.raises(ValueError, match="sample_weight"):
        kmeans_fast.kmeans(X, 2, sample_weight=weight)
    with pytest.raises(ValueError, match=r"sample_weight|Sample weights"):
        kmeans_fast.KMeans(2).fit(X, sample_weight=weight)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float32, 1e-40), (np.float32, 1e38), *((np.float64, scale) for scale in (1e-160, 1e-40, 1.0, 1e38, 1e140))],
)
@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_the_callers_error_state_does_not_matter(backend, init, dtype, scale):
    with np.errstate(over="ignore", under="ignore"):
        data = (np.clip(rows(300, 3, np.float64), -3, 3) * scale).astype(dtype)
    usual = kmeans_fast.kmeans(data, 4, init=init, seed=0, refine="breathing")
    with np.errstate(all="raise"):
        found = kmeans_fast.kmeans(data, 4, init=init, seed=0, refine="breathing")
        model = kmeans_fast.KMeans(4, init=init, random_state=0).fit(data)
        model.predict(data)
        model.transform(data)
        model.score(data)
        kmeans_fast.assign(data, found.centroids)
    assert_array_equal(found.labels, usual.labels)
