"""Narrow arrays of CuPy and PyTorch, on a GPU and on the host: read as they are, centroids come in float32."""

import numpy as np
import pytest
from fake_cupy import ndarray
from libraries import CUPY, TORCH, K, host, same
from numpy.testing import assert_array_equal
from support import rows, some_weights

import kmeans_fast
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")
TYPES = ("float16", "bfloat16", "int8", "uint8", "bool")


def put(library, kind, device=None):
    """Rows of a type as an array of the library, and their values in float32."""
    values = rows(70, 20, np.float32) * (40 if kind.endswith("int8") else 1)
    if kind == "bfloat16":
        bits = (values.view(np.uint32) >> 16).astype(np.uint16)
        if library is CUPY:
            pytest.skip("CuPy has bfloat16 by ml_dtypes alone, whose arrays are views like PyTorch's")
        return library.put(bits, device, bfloat16=True), (bits.astype(np.uint32) << 16).view(np.float32)
    held = (values > 0.5 if kind == "bool" else np.abs(values) if kind == "uint8" else values).astype(kind)
    return library.put(held, device), held.astype(np.float32)


@pytest.mark.parametrize("kind", TYPES)
def test_narrow_arrays_are_read_where_they_are(library, kind, gpus):
    given, values = put(library, kind)
    weights = some_weights(70)
    found = kmeans_fast.kmeans(given, K, sample_weight=weights, seed=3, max_iter=5, dtype="float32")
    expected = kmeans_fast.kmeans(values, K, sample_weight=weights, seed=3, max_iter=5)
    same(found.centroids, expected.centroids, given)
    same(found.labels, expected.labels, given)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)
    seeds, numbers = kmeans_fast.kmeans_plusplus(given, K, seed=3, dtype="float32")
    same(seeds, values[host(numbers)], given)
    for one, wanted in zip(
        kmeans_fast.assign(given, expected.centroids, dtype="float32"),
        kmeans_fast.assign(values, expected.centroids),
    ):
        same(one, wanted, given)
    assert all(gpu.uploaded < given.memory.nbytes + 70 * 64 for gpu in gpus)


def test_bfloat16_on_another_gpu_is_read_there(gpus):
    given, values = put(TORCH, "bfloat16", "cuda:1")
    expected = kmeans_fast.kmeans(values, K, seed=0, max_iter=5)
    found = kmeans_fast.kmeans(given, K, seed=0, max_iter=5, dtype="float32")
    same(found.labels, expected.labels, given)
    assert not gpus[0].launches


def test_unasked_bfloat16_becomes_float64(on_a_gpu):
    given, values = put(TORCH, "bfloat16")
    found, expected = kmeans_fast.kmeans(given, K, seed=0), kmeans_fast.kmeans(values.astype(float), K, seed=0)
    same(found.centroids, expected.centroids, given)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(library, value):
    values = np.ones((9, 2), np.float32)
    values[7, 1] = value
    word = "NaN" if np.isnan(value) else "infinity"
    tensors = [library.put(values.astype(np.float16))]
    if library is not CUPY:
        tensors.append(library.put((values.view(np.uint32) >> 16).astype(np.uint16), bfloat16=True))
    for given in tensors:
        with pytest.raises(ValueError, match=rf"^X contains {word} at \(7, 1\); only finite values are allowed"):
            kmeans_fast.kmeans(given, 2, dtype="float32")


def test_weights_centroids_and_starts_may_be_bfloat16():
    X = rows(30, 3, np.float32)
    bits = (X[:K].view(np.uint32) >> 16).astype(np.uint16)
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    start = TORCH.put(bits, bfloat16=True)
    assert_array_equal(
        host(kmeans_fast.kmeans(X, K, init=start, max_iter=3).centroids),
        kmeans_fast.kmeans(X, K, init=values, max_iter=3).centroids,
    )
    assert_array_equal(kmeans_fast.assign(X, start)[0], kmeans_fast.assign(X, values)[0])
    weights = (np.float32(np.arange(30) % 3).view(np.uint32) >> 16).astype(np.uint16)
    found = kmeans_fast.kmeans(TORCH.put(X), K, sample_weight=TORCH.put(weights, bfloat16=True), seed=0)
    assert found.inertia == kmeans_fast.kmeans(X, K, sample_weight=np.arange(30.0) % 3, seed=0).inertia


def test_explain_says_what_is_held_and_what_is_computed_in(library):
    text = kmeans_fast.explain(library.put(np.ones((60, 3), np.float16)), K, dtype="float32")
    assert text.startswith("60 x 3 float16 computed in float32, 4 clusters")
    assert ("the rows are copied" in text) == (library.device == "cpu")
    given, _ = put(TORCH, "bfloat16")
    assert kmeans_fast.explain(given, K, dtype="float32").startswith("70 x 20 bfloat16 computed in float32")


def test_narrow_data_on_the_host_goes_to_the_gpu_as_it_is(gpus):
    X = np.random.default_rng(0).integers(0, 256, (4000, 20), np.uint8)
    found = kmeans_fast.kmeans(X, K, seed=0, max_iter=3, device="cuda", dtype="float32")
    assert isinstance(found.centroids, np.ndarray)
    assert not isinstance(found.centroids, ndarray)
    assert X.nbytes <= gpus[0].uploaded < 2 * X.nbytes
