"""Rows in float16, bfloat16, int8, uint8 and bool, read as they are: the answer is that of their values in float32."""

import sys
import types

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import SIMULATED, rows, some_weights

import kmeans_fast
from kmeans_fast import array_checks, arrays, reference
from kmeans_fast.backends.cuda.column_statistics import column_ranges
from kmeans_fast.backends.cuda.device import Launcher
from kmeans_fast.backends.cuda.gathering import gathered
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.engine.opening import open_data
from kmeans_fast.sources.several_arrays import SeveralArrays
from simulator import build
from simulator.device import SimDevice

needs_a_compiler = pytest.mark.skipif(not build.COMPILER, reason="the simulator needs a C++ compiler")
TYPES = ("float16", "bfloat16", "int8", "uint8", "bool")


class Tensor:
    """What PyTorch gives for bfloat16 on the host, as far as it is looked at."""

    __module__ = "torch"
    dtype = "torch.bfloat16"

    def __init__(self, bits):
        self.bits = bits

    def view(self, dtype):
        return self.bits.view(np.int16)


def bits_of_bfloat16(values):
    """The upper halves of float32 values: rounded towards zero."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


@pytest.fixture(autouse=True)
def torch(monkeypatch):
    module = types.ModuleType("torch")
    module.int16, module.from_numpy = np.int16, lambda array: array
    monkeypatch.setitem(sys.modules, "torch", module)


def narrow(n, d, kind):
    """Rows (n, d) of a type as users hold them, with equal ones among them, and their values in float32."""
    values = rows(n, d, np.float32) * (40 if kind.startswith(("int", "uint")) else 1)
    values[n // 2 :: 5] = values[0]
    if kind == "bfloat16":
        bits = bits_of_bfloat16(values)
        return Tensor(bits), (bits.astype(np.uint32) << 16).view(np.float32)
    held = (np.abs(values) if kind == "uint8" else values > 0.5 if kind == "bool" else values).astype(kind)
    return held, held.astype(np.float32)


def same(found, expected):
    assert found.centroids.dtype == np.float32
    assert_array_equal(found.centroids, expected.centroids)
    assert_array_equal(found.labels, expected.labels)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("d", [3, 19])
def test_the_answer_is_that_of_the_values_in_float32(backend, kind, d):
    X, values = narrow(150, d, kind)
    k, weights = 6, some_weights(150)
    starts = [{"init": "random"}, {"init": "k-means||"}, {"init": values[:k]}, {"init_size": 40}]
    for how in ({}, {"sample_weight": weights}, *starts, {"refine": "breathing"}):
        expected = kmeans_fast.kmeans(values, k, seed=1, max_iter=5, **how)
        same(kmeans_fast.kmeans(X, k, seed=1, max_iter=5, dtype="float32", **how), expected)
        if how.keys() <= {"sample_weight"}:
            drawn = reference.kmeans_plusplus(values, how.get("sample_weight"), k, 1)
            found = kmeans_fast.kmeans_plusplus(X, k, seed=1, dtype=np.float32, **how)
            assert found[0].dtype == np.float32
            assert_array_equal(found[0], values[drawn])
            assert_array_equal(found[1], drawn)
    for found, wanted in zip(
        kmeans_fast.assign(X, expected.centroids, dtype="float32"), reference.assign(values, expected.centroids)
    ):
        assert_array_equal(found, wanted)


def test_rows_in_several_arrays_may_be_of_several_types(backend):
    X, values = narrow(90, 5, "uint8")
    several, weights = [X[:50], X[50:51], X[51:].astype(np.float16)], some_weights(90)
    expected = kmeans_fast.kmeans(values, 4, sample_weight=weights, seed=1, max_iter=5)
    same(kmeans_fast.kmeans(several, 4, sample_weight=weights, seed=1, max_iter=5, dtype="float32"), expected)


def test_chunks_that_are_read_anew_stay_narrow(backend, monkeypatch):
    X, values = narrow(90, 5, "float16")
    monkeypatch.setattr(SeveralArrays, "in_memory", False)
    expected = kmeans_fast.kmeans(values, 4, seed=1, max_iter=5)
    same(kmeans_fast.kmeans([X[:50], X[50:]], 4, seed=1, max_iter=5, dtype="float32"), expected)


@pytest.mark.parametrize("kind", ["float16", "uint8"])
def test_many_problems_are_read_as_one_is(backend, kind):
    held = narrow(3 * 60, 3, kind)[0].reshape(3, 60, 3)
    found = kmeans_fast.kmeans_batch(held, 4, seed=0, n_init=2, max_iter=5, dtype="float32")
    expected = kmeans_fast.kmeans_batch(held.astype(np.float32), 4, seed=0, n_init=2, max_iter=5)
    assert found.centroids.dtype == np.float32
    for name in ("centroids", "labels", "inertia", "n_iter"):
        assert_array_equal(getattr(found, name), getattr(expected, name))


# Each takes some seconds to compile: of few features, a few types.
FEW = [("float16", 1), ("uint8", 1), ("float16", 2), ("bfloat16", 2), ("int8", 4), ("uint8", 4)]
FEW += [(kind, 3) for kind in TYPES[:4]]


@needs_a_compiler
@pytest.mark.parametrize(
    ("scorer", "kind", "shape", "k"),
    [("points", kind, (700, d), 9) for kind, d in FEW]
    + [(scorer, kind, (300, d), 40) for scorer in ("panels", "bytes") for kind in TYPES[:4] for d in (20, 21)]
    + [("bytes", "uint8", (90, 300), 34)],
)
def test_every_scorer_reads_every_type(monkeypatch, scorer, kind, shape, k):
    X, values = narrow(*shape, kind)
    expected = kmeans_fast.kmeans(values, k, init=values[:k], max_iter=6)
    monkeypatch.setattr("kmeans_fast.backends.BACKENDS", (SIMULATED,))
    with kmeans_fast.use_backend(SIMULATED.name), use_scorer(scorer):
        found = kmeans_fast.kmeans(X, k, init=values[:k], max_iter=6, dtype="float32")
    same(found, expected)


@needs_a_compiler
@pytest.mark.parametrize(("kind", "d"), [*FEW, *((kind, d) for kind in TYPES[:4] for d in (16, 20))])
def test_rows_at_any_address_are_read(kind, d):
    """A part of a larger array, as users pass them on a GPU."""
    X, values = narrow(301, d, kind)
    X = X.bits if kind == "bfloat16" else X
    memory = np.empty(X.size + 1, X.dtype)
    memory[1:] = X.ravel()
    session = CudaSession(SimDevice(), memory[1:].reshape(X.shape), None, 5, on_host=False)
    session.assign(values[:5].copy())
    assert_array_equal(session.labels, reference.assign(values, values[:5])[0])


# ---- values --------------------------------------------------------------------------------------------------------


@needs_a_compiler
@pytest.mark.parametrize("held", [*arrays.NARROW])
def test_every_value_of_a_type_means_itself(held):
    """All 65,536 of the types of two bytes, with subnormal numbers, infinities and NaN, on the device and the host."""
    bits = np.arange(256 ** np.dtype(held).itemsize, dtype=f"uint{8 * np.dtype(held).itemsize}")
    X = bits.view(held)[:, None]
    wide = (bits.astype(np.uint32) << 16).view(np.float32) if held == arrays.BFLOAT16 else bits.view(held)
    expected = wide.astype(np.float32)
    found = gathered(Launcher(SimDevice(), held), X, np.arange(len(X)))[:, 0]
    for values in (found, arrays.values_of(X)[:, 0]):
        assert values.dtype == np.float32
        assert_array_equal(np.isnan(values), np.isnan(expected))
        usual = ~np.isnan(expected)
        assert_array_equal(values[usual].view(np.uint32), expected[usual].view(np.uint32))
    finite = X[np.isfinite(expected)]
    high, low = column_ranges(Launcher(SimDevice(), held), finite, None)
    values = np.abs(expected[np.isfinite(expected)].astype(np.float64))
    assert high == values.max()
    assert low == {"float16": 2.0**-24, "bfloat16": 2.0**-133}.get(arrays.name_of(held), 1.0)


def test_bfloat16_of_ml_dtypes_is_taken(backend):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="the library that gives NumPy bfloat16 is not installed")
    values = rows(90, 5, np.float32).astype(ml_dtypes.bfloat16)
    same(
        kmeans_fast.kmeans(values, 4, seed=0, dtype="float32"), kmeans_fast.kmeans(values.astype(np.float32), 4, seed=0)
    )
    assert kmeans_fast.kmeans(values, 4, seed=0).centroids.dtype == np.float64


@pytest.mark.parametrize("kind", TYPES)
def test_unasked_they_become_float64(kind):
    X, values = narrow(60, 3, kind)
    found, expected = (kmeans_fast.kmeans(data, 3, seed=0) for data in (X, values.astype(np.float64)))
    assert found.centroids.dtype == np.float64
    assert_array_equal(found.centroids, expected.centroids)


@pytest.mark.parametrize("wide", [np.int32, np.int64, np.uint16, np.float64])
def test_what_is_wider_is_rounded_where_float32_is_asked_for(wide):
    X = (rows(80, 3, np.float64) ** 2 * 2**14).astype(wide)
    same(kmeans_fast.kmeans(X, 4, seed=0, dtype="float32"), kmeans_fast.kmeans(X.astype(np.float32), 4, seed=0))


def test_float64_may_be_asked_for():
    X = rows(80, 3, np.float32)
    found, expected = kmeans_fast.kmeans(X, 4, seed=0, dtype="float64"), kmeans_fast.kmeans(X.astype(float), 4, seed=0)
    assert found.centroids.dtype == np.float64
    assert_array_equal(found.centroids, expected.centroids)


def test_centroids_are_rounded_as_the_rows_are():
    X, centroids = np.float32([[2.0**24 + 128]]), np.float64([[2.0**24 + 50.25], [2.0**24 + 50.5]])
    assert kmeans_fast.assign(X, centroids)[0].tolist() == [1]
    assert kmeans_fast.assign(X, centroids, dtype="float32")[0].tolist() == [0]


# ---- what is refused -----------------------------------------------------------------------------------------------


def bad(kind, value, place):
    values = np.ones((70_000, 2), np.float32)
    values[place] = value
    return Tensor(bits_of_bfloat16(values)) if kind == "bfloat16" else values.astype(kind)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_nan_and_infinity_are_refused_with_their_place(kind, value, word):
    X = bad(kind, value, (69_999, 1))
    for dtype in ("float32", None):
        with pytest.raises(ValueError, match=rf"^X contains {word} at \(69999, 1\); only finite values are allowed"):
            kmeans_fast.kmeans(X, 2, dtype=dtype)


def test_the_largest_values_of_bfloat16_are_taken():
    values = np.float32([[3.3895314e38], [-3.3895314e38], [0.0]])
    held = array_checks.as_data(Tensor(bits_of_bfloat16(values)), dtype="float32")
    assert_array_equal(arrays.values_of(held), values)


def test_values_beyond_float32_are_refused_by_their_place():
    X = np.ones((5, 2))
    X[3, 1] = -1e300
    with pytest.raises(ValueError, match=r"^X has -1e\+300 at \(3, 1\), which is beyond float32: scale the data"):
        kmeans_fast.kmeans(X, 2, dtype="float32")


@pytest.mark.parametrize("dtype", ["float16", "int8", int, np.float16, 32])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"^dtype must be 'float32', 'float64' or None, got "):
        kmeans_fast.kmeans(np.ones((4, 2)), 2, dtype=dtype)


# ---- memory --------------------------------------------------------------------------------------------------------


@needs_a_compiler
@pytest.mark.parametrize("scorer", ["points", "panels", "bytes"])
def test_no_copy_in_float32_is_on_the_device(monkeypatch, scorer):
    """Every allocation of the type of X's values, or as large as they are, is counted."""
    n, d = 4000, 4 if scorer == "points" else 64
    device, sizes = SimDevice(), []
    allocated = device._allocated

    def recorded(shape, dtype):
        array = allocated(shape, dtype)
        sizes.append((array.nbytes, array.dtype))
        return array

    device._allocated = recorded
    X = np.random.default_rng(0).integers(0, 256, (n, d), np.uint8)
    backend = type(SIMULATED)(device)
    monkeypatch.setattr("kmeans_fast.backends.BACKENDS", (backend,))
    with kmeans_fast.use_backend(backend.name), use_scorer(scorer):
        kmeans_fast.kmeans(X, 8, seed=0, max_iter=2, dtype="float32")
    held = [size for size, dtype in sizes if dtype == np.uint8]
    assert held == [n * d]
    codes = n * d + 32 * 64  # of bytes, in words
    others = [size for size, dtype in sizes if dtype != np.uint8 and size >= max(n * d * 2, 33 * n)]
    assert others == []
    assert max(size for size, dtype in sizes if dtype == np.uint32 or scorer != "bytes") <= max(codes, 33 * n)


@needs_a_compiler
def test_plans_count_the_bytes_that_are_held(monkeypatch):
    monkeypatch.setattr("kmeans_fast.backends.BACKENDS", (SIMULATED,))
    X = np.ones((1000, 8), np.uint8)
    with kmeans_fast.use_backend(SIMULATED.name):
        problem = open_data(arrays.Data(array_checks.as_data(X, dtype="float32")), 3).problem
    assert (problem.dtype, problem.held, problem.data_bytes) == (np.float32, np.uint8, 8000)


@pytest.fixture
def short(monkeypatch):
    """Memory for all but a copy of the 2 million rows, of which 100,000 are then copied at a time."""
    monkeypatch.setattr("kmeans_fast.engine.memory.available_bytes", lambda root="/": 60 << 20)
    monkeypatch.setattr("kmeans_fast.engine.slices._SLICE_BYTES", 3_200_000)


MANY = np.random.default_rng(0).integers(0, 256, (2_000_000, 8), np.uint8)


def test_a_copy_on_the_host_is_in_the_plan():
    with kmeans_fast.use_backend("cpu"):
        text = kmeans_fast.explain(MANY, 2, dtype="float32")
    assert text.startswith("2,000,000 x 8 uint8 computed in float32, 2 clusters")
    assert "the rows are copied to float32, 61.0 MiB" in text


@pytest.mark.parametrize("weighted", [False, True])
def test_without_room_for_a_copy_rows_are_copied_some_at_a_time(short, weighted):
    weights = np.arange(len(MANY)) % 3.0 if weighted else None
    how = {"init": MANY[:3].astype(np.float32), "max_iter": 2, "sample_weight": weights}
    with kmeans_fast.use_backend("cpu"):
        assert "rows are copied to float32 anew in each pass" in kmeans_fast.explain(MANY, 3, dtype="float32")
        found = kmeans_fast.kmeans(MANY, 3, dtype="float32", **how)
        expected = kmeans_fast.kmeans(MANY.astype(np.float32), 3, **how)
    same(found, expected)


def test_without_room_for_a_copy_several_arrays_are_refused_with_the_numbers(short):
    with kmeans_fast.use_backend("cpu"), pytest.raises(MemoryError, match=r"needs .* GiB beyond the data"):
        kmeans_fast.kmeans([MANY[:1000], MANY[1000:]], 3, dtype="float32", init=MANY[:3].astype(np.float32), max_iter=2)
