"""The same bits whatever the instruction set: the contract, and vectors, compiled for lesser machines than this one."""

import platform

import llvmlite.binding as llvm
import pytest
from support import REPOSITORY, run_python

CONTRACT = """
import sys
import numpy as np
import kmeans_fast
from kmeans_fast import reference
from kmeans_fast.backends import techniques, use_technique
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.silhouettes import silhouettes
from kmeans_fast.kernels.cpu.machine import host
from kmeans_fast.kernels.cpu.scoring import byte_codes

assert host.VECTOR_BYTES == int(sys.argv[1]), (host.VECTOR_BYTES, sorted(host.FEATURES))
rng = np.random.default_rng(0)

def check(X, weights, k, path):
    centroids = X[:k].copy()
    opened = CpuSession(X, weights, k, 1)
    assert opened.mean_variance() == reference.mean_variance(X)
    opened.reset()
    for _ in range(3):
        labels, distances = reference.assign(X, centroids)
        new = reference.update(X, weights, centroids, labels)
        step = opened.iterate(centroids).read()
        assert step.path in (path, path.split(", ")[-1], "hamerly, " + path), step.path
        assert (opened.labels == labels).all()
        assert (opened.own_distances(centroids) == distances).all()
        assert (step.centroids == new).all()
        assert opened.inertia(centroids) == reference.inertia(X, weights, centroids, labels)
        table = reference.squared_distances(X, centroids).astype(X.dtype)
        assert (opened.distances(centroids, squared=True) == table).all()
        centroids = new
    rows = kmeans_fast.kmeans_plusplus(X, k, sample_weight=weights, seed=1, n_threads=1)[1]
    assert (rows == reference.kmeans_plusplus(X, weights, k, 1)).all()

SHAPES = {
    "float32": ((33, 3, 4), (200, 17, 9), (500, 2, 5), (130, 40, 70), (65, 140, 3)),
    "hamerly, float32": ((200, 17, 9), (500, 2, 5), (130, 40, 70)),
    "kd-tree": ((33, 1, 4), (900, 2, 9), (700, 3, 70)),
    "sorted": ((33, 1, 4), (900, 1, 9)),
    "exponion": ((33, 3, 4), (400, 40, 70), (300, 140, 33)),
    "bytes": ((33, 3, 4), (200, 17, 9), (65, 140, 3)),
    "hamerly, bytes": ((33, 3, 4), (200, 17, 9), (500, 2, 5), (130, 40, 70), (65, 140, 3)),
}
assert set(SHAPES) == set(techniques())
for technique, shapes in SHAPES.items():
    if "bytes" in technique and not byte_codes.AVAILABLE:
        continue
    with use_technique(technique):
        for dtype in (np.float32, np.float64):
            for n, d, k in shapes:
                X = rng.normal(size=(n, d)).astype(dtype)
                check(X, None, k, technique)
                check(X + dtype(1000), rng.exponential(size=n), k, technique)
                check(rng.integers(-2, 3, (n, d)).astype(dtype), None, k, technique)
assert len(sys.argv) < 3 or byte_codes.AVAILABLE

for n, d, k in ((33, 3, 4), (200, 17, 9), (150, 70, 40)):
    X, labels = rng.normal(size=(n, d)) + 1000, np.arange(n) % k
    assert (CpuSession(X, None, 2, 1).silhouette(labels, k) == silhouettes(X, labels, k)).all()

# Rows so long, and of such values, that a sum of products over lanes is wrong by more than one cut into segments.
d = host.VECTOR_BYTES // 4 << 14
X = np.full((2, d), 1 + 2.0**-11 - 2.0**-22, np.float32)
centroids = np.ones((3, d), np.float32)
centroids[0] = -2
opened = CpuSession(X, None, 3, 1)
opened.assign(centroids)
assert (opened.labels == reference.assign(X, centroids)[0]).all()
"""

PRIMITIVES = """
import sys
import pytest
from kmeans_fast.kernels.cpu.machine import host

assert host.VECTOR_BYTES == int(sys.argv[1]), (host.VECTOR_BYTES, sorted(host.FEATURES))
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *sys.argv[2:]]))
"""
OF_VECTORS = [
    REPOSITORY / "tests" / "primitives" / f"test_{stem}.py"
    for stem in ("simd", "register_tiles", "product_sums", "transposing")
]


def without(*prefixes):
    """This machine's features in LLVM's spelling, those that begin with one of `prefixes` switched off."""
    features = llvm.get_host_cpu_features()
    return ",".join(
        f"{'-' if name.startswith(prefixes) or not on else '+'}{name}" for name, on in sorted(features.items())
    )


def needs(name):
    if not llvm.get_host_cpu_features().get(name):
        pytest.skip(f"this machine has no {name}")


pytestmark = pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86 instruction sets")


def test_avx2_with_avx512_switched_off():
    needs("avx512f")  # without it all other tests are of AVX2
    run_python(CONTRACT, 32, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=without("avx512", "avx10", "amx", "evex"))


def test_bytes_with_avx512_switched_off():
    needs("avxvnni")
    run_python(
        CONTRACT, 32, "bytes", NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=without("avx512", "avx10", "amx", "evex")
    )


def test_sse_only():
    run_python(CONTRACT, 16, NUMBA_CPU_NAME="generic")


def test_vectors_of_avx2():
    needs("avx512f")
    features = without("avx512", "avx10", "amx", "evex")
    run_python(PRIMITIVES, 32, *OF_VECTORS, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=features)


def test_vectors_of_sse():
    run_python(PRIMITIVES, 16, *OF_VECTORS, NUMBA_CPU_NAME="generic")
