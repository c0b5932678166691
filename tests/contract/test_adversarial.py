"""Data that breaks k-means libraries: ties, duplicates, offsets, outliers, the ends of the float range, odd memory."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, ENGINES, iterated, rows, session, some_weights

import kmeans_fast
from kmeans_fast import reference

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def check(X, n_clusters, weights=None, *, dtype=None, init=None, seed=3):
    """Fit `X` with every init and compare everything with the reference on `dtype` values."""
    ideal = np.ascontiguousarray(X, dtype or X.dtype)
    starts = {
        "k-means++": lambda: ideal[reference.kmeans_plusplus(ideal, weights, n_clusters, seed)],
        "random": lambda: ideal[reference.random_rows(ideal, weights, n_clusters, seed)],
    }
    for name, start in starts.items() if init is None else [(init, lambda: init)]:
        wanted = reference.lloyd(ideal, weights, start(), max_iter=20)
        got = kmeans_fast.kmeans(X, n_clusters, init=name, sample_weight=weights, seed=seed, max_iter=20)
        assert_array_equal(got.labels, wanted.labels)
        assert_array_equal(got.centroids, wanted.centroids)
        assert got.centroids.dtype == ideal.dtype
        assert got.inertia == wanted.inertia
        assert got.n_iter == wanted.n_iter
        labels, distances = kmeans_fast.assign(X, got.centroids)
        assert_array_equal(labels, got.labels)
        assert_array_equal(distances, reference.assign(ideal, got.centroids)[1])
    return got


def check_engines(X, centroids, weights=None):
    """One iteration on every engine, the threads of the CPU forced."""
    labels, _ = reference.assign(X, centroids)
    new = reference.update(X, weights, centroids, labels)
    for engine in ENGINES[1:]:
        opened = session(engine, X, weights, len(centroids))
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, new)
        assert opened.inertia(centroids) == reference.inertia(X, weights, centroids, labels)


# ---- ties and duplicates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 17])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_halfway_between_centroids_takes_the_lowest(backend, dtype, d):
    centroids = np.repeat(np.array([[4], [0], [2], [0]], dtype), d, axis=1)
    X = np.repeat(np.array([[1], [3], [0], [2], [4]], dtype), d, axis=1)
    assert_array_equal(kmeans_fast.assign(X, centroids)[0], [1, 0, 1, 2, 0])


@pytest.mark.parametrize("k", [2, 5, 16, 17, 65])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_centroids_all_lose_to_the_first(backend, dtype, k):
    X = rows(97, 4, dtype)
    centroids = np.repeat(X[:1], k, axis=0)
    assert_array_equal(kmeans_fast.assign(X, centroids)[0], np.zeros(97))
    check(X, k, init=centroids)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_grid_full_of_ties(backend, dtype, d):
    check(rows(300, d, dtype, "grid"), 9)
    check(rows(300, d, dtype, "grid"), 9, some_weights(300))


@pytest.mark.parametrize("dtype", DTYPES)
def test_distances_that_differ_in_the_last_bit_only(backend, dtype):
    step = np.finfo(np.float64).eps
    centroids = np.array([[1 + 2 * step], [-1.0], [1 + step], [1.0]]).astype(dtype)
    X = np.linspace(-step, step, 65)[:, None].astype(dtype)
    assert_array_equal(kmeans_fast.assign(X, centroids), reference.assign(X, centroids))


@pytest.mark.parametrize("d", [1 << 14, 1 << 16])
def test_roundings_that_add_up_over_very_many_features(d):
    """D adds in order, and here rounds down in half its additions; a sum in another order comes to more."""
    centroids = np.ones((2, d))
    centroids[0, d // 2 :] += (1 - 2.0**-10) * d * 2.0**-55  # squares exceed 1 by just less than half a unit of the sum
    X = np.zeros((2, d))
    opened = session(1, X, None, 2)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("d", [3, 20])
def test_float32_rows_nearly_halfway_between_centroids(engine, d):
    rng = np.random.default_rng(2)
    centroids = rng.normal(size=(8, d)).astype(np.float32)
    pairs = rng.integers(0, 8, (2000, 2))
    X = ((centroids[pairs[:, 0]] + centroids[pairs[:, 1]]) / 2).astype(np.float32)
    opened = session(engine, X, None, 8)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("radius", [0, 1e-9, 1e-3, 1, 4, 30, 1e3, 1e6])
@pytest.mark.parametrize("d", [1, 2, 3, 17, 40, 130, 300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_on_the_bisector_of_two_centroids(dtype, d, radius):
    """Equally far but for roundings, at every distance from the centroids: a fast pass can prove nothing here."""
    rng = np.random.default_rng([d, int(radius)])
    half = rng.normal(size=d)
    half /= np.linalg.norm(half)
    along = rng.normal(size=(400, d))
    along -= np.outer(along @ half, half)
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    nudge = np.outer(rng.choice([0, 1e-16, 1e-12, 1e-9, 1e-8, 1e-7], 400) * rng.choice([-1, 1], 400), half)
    for scale, offset in ((1.0, 0.0), (1e-3, 5.0)):
        X = (scale * (radius * along + nudge) + offset).astype(dtype)
        centroids = (scale * np.array([half * (1 + 1e-9), -half]) + offset).astype(dtype)
        opened = session(1, X, None, 2)
        opened.assign(centroids)
        assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("d", [2, 3, 17, 40, 130])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_at_the_centre_of_a_sphere_of_centroids(dtype, d):
    rng = np.random.default_rng(d)
    sphere = rng.normal(size=(20, d))
    sphere /= np.linalg.norm(sphere, axis=1)[:, None]
    centroids = np.concatenate([sphere, -sphere * (1 + 1e-9)]).astype(dtype)
    X = (rng.normal(size=(400, d)) * 10.0 ** rng.integers(-17, -6, (400, 1))).astype(dtype)
    opened = session(1, X, None, 40)
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_many_times(backend, dtype):
    check(np.repeat(rows(7, 3, dtype), 20, axis=0), 5)
    check(np.tile(rows(7, 3, dtype), (20, 1)), 5, some_weights(140))


@pytest.mark.parametrize("n_clusters", [4, 5, 12, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fewer_distinct_rows_than_clusters(backend, dtype, n_clusters):
    check(np.repeat(rows(3, 4, dtype), 14, axis=0), n_clusters)


@pytest.mark.parametrize("dtype", DTYPES)
def test_as_many_clusters_as_rows(backend, dtype):
    result = check(rows(40, 3, dtype), 40)
    assert result.inertia == 0.0


@pytest.mark.parametrize("d", [1, 5, 40])
def test_squares_that_underflow_tie_and_the_lowest_wins(backend, d):
    """The least positive float64 is u * u: the squares of 3 u and of 2.95 u both round to nine of it."""
    u = 2.0**-537
    X, near = np.zeros((3, d)), np.zeros((3, d))
    near[:, 0] = [3 * u, 2.95 * u, 3.05 * u]
    assert_array_equal(kmeans_fast.assign(X, near)[0], np.zeros(3))
    assert_array_equal(kmeans_fast.assign(X, near[:2] * 0.01)[0], np.zeros(3))


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


# ---- empty clusters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_empty", [1, 3, 8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clusters_that_start_where_nothing_is(backend, dtype, weighted, n_empty):
    X = rows(97, 3, dtype)
    init = X[:9].copy()
    init[:n_empty] = 1e6
    result = check(X, 9, some_weights(97) if weighted else None, init=init)
    assert result.history[0].empty == n_empty


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_cluster_but_one_starts_where_nothing_is_on_threads(dtype):
    X = rows(5000, 6, dtype)
    centroids = np.full((12, 6), 1e5, dtype)
    centroids[4] = 0
    check_engines(X, centroids)
    check_engines(X, centroids, some_weights(5000))


# ---- memory --------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "rows reversed": lambda X: X[::-1].copy()[::-1],
    "columns reversed": lambda X: X[:, ::-1].copy()[:, ::-1],
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "unaligned": lambda X: np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
    "list": lambda X: X.astype(float).tolist(),
    "matrix": lambda X: np.asarray(X).view(np.matrix),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layout_in_memory_does_not_matter(backend, dtype, layout):
    X = LAYOUTS[layout](rows(80, 5, dtype))
    check(X, 6, dtype=np.float64 if layout == "list" else dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_read_only_memory_map(backend, tmp_path, dtype):
    np.save(tmp_path / "X.npy", rows(80, 5, dtype))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    weights = some_weights(80)
    weights.flags.writeable = False
    check(X, 6, weights)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8, np.int32, np.int64, np.uint64, bool])
def test_other_numbers_become_float64(backend, dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype is bool else 120, (80, 5)).astype(dtype)
    check(X, 6, dtype=np.float64)


def test_foreign_byte_order_becomes_native_float64(backend):
    X = rows(80, 5, np.float32)
    check(X.astype(X.dtype.newbyteorder()), 6, dtype=np.float64)
    check(X.astype(np.float64).astype(">f8" if np.little_endian else "<f8"), 6, dtype=np.float64)


def test_broadcast_rows(backend):
    check(np.broadcast_to(np.float32([1, 2, 3]), (50, 3)), 2)


def test_no_warning_beyond_the_documented_one(backend):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        kmeans_fast.kmeans(np.zeros((20, 3)), 4, seed=0)
        kmeans_fast.kmeans(rows(50, 3, np.float32) * np.float32(1e30), 4, seed=0)
        kmeans_fast.kmeans(rows(50, 3, np.float64) * 1e-310, 4, seed=0)
