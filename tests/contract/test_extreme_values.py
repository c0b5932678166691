"""Offsets, outliers, the ends of the float range, weights that differ wildly."""

import numpy as np
import pytest
from against_reference import check, check_engines
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

import kmeans_fast

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


# ---- offsets and outliers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1e3, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_far_from_the_origin(backend, dtype, weighted, offset):
    X = rows(300, 6, dtype) + dtype(offset)
    check(X, 7, some_weights(300) if weighted else None)


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_far_from_the_origin_on_threads(dtype, offset):
    X = rows(5000, 9, dtype) + dtype(offset)
    check_engines(X, X[:12].copy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_features_of_very_different_scales(backend, dtype):
    check(rows(200, 6, dtype) * np.array([1e-12, 1e-6, 1, 1e3, 1e8, 1e12], dtype), 6)


@pytest.mark.parametrize(
    ("dtype", "outlier"),
    [
        (np.float32, 1e15),
        (np.float32, 1e30),
        (np.float32, 3e38),
        (np.float64, 1e15),
        (np.float64, 1e30),
        (np.float64, 1e140),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_enormous_row_leaves_the_others_precise(backend, dtype, outlier, weighted):
    X = rows(200, 5, dtype)
    X[77] *= dtype(outlier / 3)
    check(X, 6, some_weights(200) if weighted else None)


@pytest.mark.parametrize(("dtype", "outlier"), [(np.float32, 1e30), (np.float64, 1e15), (np.float64, 1e140)])
@pytest.mark.parametrize("at", [(0, 0), (4999, 6)])
def test_one_enormous_value_on_threads(dtype, outlier, at):
    X = rows(5000, 7, dtype)
    X[at] = outlier
    check_engines(X, X[[0, 10, 20, 4999]].copy())
    check_engines(X, X[[5, 10, 20]].copy(), some_weights(5000))


def test_values_whose_squares_could_overflow_are_refused_with_the_value(backend):
    X = rows(20, 3, np.float64)
    X[4, 1] = 1e150
    with pytest.raises(ValueError, match=r"1e\+150.*Scale the data"):
        kmeans_fast.kmeans(X, 2, seed=0)
    with pytest.raises(ValueError, match=r"1e\+150.*Scale the data"):
        kmeans_fast.assign(X, np.zeros((2, 3)))


def test_an_enormous_centroid_is_nobodys_nearest_or_refused(backend):
    X = rows(20, 3, np.float64)
    with pytest.raises(ValueError, match=r"centroids have values up to 1e\+200.*below 3.12e\+144"):
        kmeans_fast.assign(X, np.array([[1e200] * 3, [0.0] * 3]))
    labels, distances = kmeans_fast.assign(X, np.array([[2.0**480] * 3, [0.0] * 3]))
    assert_array_equal(labels, np.ones(20))
    assert np.isfinite(distances).all()


# ---- the ends of the float range -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float32, 1e-38), (np.float32, 1e-43), (np.float64, 1e-160), (np.float64, 1e-308), (np.float64, 1e-320)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_values_near_or_below_the_normal_range(backend, dtype, scale, weighted):
    with np.errstate(under="ignore"):
        X = (rows(120, 4, np.float64) * scale).astype(dtype)
    check(X, 5, some_weights(120) if weighted else None)


@pytest.mark.parametrize("dtype", DTYPES)
def test_denormals_beside_ordinary_values(backend, dtype):
    X = rows(120, 4, dtype)
    X[::3] = np.finfo(dtype).smallest_subnormal * np.arange(4)
    check(X, 5)
    check_engines(X, X[:7].copy(), some_weights(120))


@pytest.mark.parametrize("scale", [1e18, 1e37])
def test_float32_near_the_top_of_its_range(backend, scale):
    check(rows(120, 4, np.float32) * np.float32(scale), 5)


@pytest.mark.parametrize("n_clusters", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_zeros(backend, dtype, n_clusters):
    result = check(np.zeros((20, 3), dtype), n_clusters)
    assert result.inertia == 0.0
    assert_array_equal(result.centroids, np.zeros((n_clusters, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_and_zero_columns(backend, dtype):
    X = rows(90, 5, dtype)
    X[:, 1], X[:, 3] = 0, 12345.678
    check(X, 6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_negative_zeros(backend, dtype):
    X = rows(90, 3, dtype, "grid")
    X[X == 0] = -0.0
    check(X, 6)


# ---- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [1, 2, 30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_mostly_zero_weights(backend, dtype, kept):
    weights = np.zeros(90)
    weights[7 : 7 + kept] = 1.5
    check(rows(90, 3, dtype), 4, weights)


@pytest.mark.parametrize("scale", [1e-290, 1e-200, 1e-30, 1e30, 1e200, 1e290])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_weights_tiny_or_huge(backend, dtype, scale):
    check(rows(90, 3, dtype), 4, np.random.default_rng(0).integers(1, 5, 90) * scale)


@pytest.mark.parametrize("weight", [5e-324, 1e-310])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_whose_products_underflow_are_refused(backend, dtype, weight):
    """5e-324 * 0.3 is 0: the mean of such a cluster would be 0."""
    with pytest.raises(ValueError, match=f"sample_weight down to {weight:.3g} and X down to 0.3: .*Scale the weights"):
        kmeans_fast.kmeans(np.full((9, 2), 0.3, dtype), 1, sample_weight=np.full(9, weight))


def test_weights_and_values_whose_products_underflow_are_refused(backend):
    X, weights = rows(90, 3, np.float64), np.ones(90)
    X[7], weights[7] = 1e-150, 1e-160
    with pytest.raises(ValueError, match="sample_weight down to 1e-160 and X down to 1e-150"):
        kmeans_fast.kmeans(X, 4, sample_weight=weights)
    X[7] = 1e-100
    check(X, 4, weights)


@pytest.mark.parametrize("heavy", [1e6, 1e15, 1e100])
@pytest.mark.parametrize("light", [1.0, 1e-12, 1e-250])
def test_one_row_outweighs_all_others(backend, heavy, light):
    weights = np.full(90, light)
    weights[33] = heavy
    check(rows(90, 3, np.float64), 4, weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_over_a_wild_range_on_threads(dtype):
    X = rows(5000, 6, dtype)
    check_engines(X, X[:9].copy(), 10.0 ** np.random.default_rng(0).integers(-120, 120, 5000))


def test_weights_whose_inertia_could_overflow_are_refused(backend):
    with pytest.raises(ValueError, match=r"1e\+300.*Scale"):
        kmeans_fast.kmeans(rows(90, 3, np.float64) * 1e5, 4, sample_weight=np.full(90, 1e300), seed=0)
