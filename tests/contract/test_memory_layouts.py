"""X as it may lie in memory, and of what dtype: no warning, no other answer."""

import warnings

import numpy as np
import pytest
from against_reference import check
from support import DTYPES, rows, some_weights

import kmeans_fast

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


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
