"""Sizes and data for all benchmarks, and measurements in a fresh process."""

import os
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from common.processes import child  # noqa: F401

TINY = os.environ.get("KMEANS_FAST_BENCH") == "tiny"  # sizes for tests/test_asv.py
DTYPES = ["float32", "float64"]
# One of every regime: few features and few clusters, few features and many, middling, many features.
SHAPES = ["1000000x2 k=10", "1000000x16 k=256", "200000x32 k=1024", "50000x768 k=100"]


def parse(shape):
    """(n_samples, n_features, n_clusters) from "1000000x16 k=256"; in a tiny run with few rows and clusters."""
    n_samples, n_features, n_clusters = map(int, shape.replace(" k=", "x").split("x"))
    return (500, n_features, min(n_clusters, 20)) if TINY else (n_samples, n_features, n_clusters)


def gaussian(shape, dtype):
    """Standard normal rows, and the first of them as centroids."""
    n_samples, n_features, n_clusters = parse(shape)
    X = np.random.default_rng(0).standard_normal((n_samples, n_features), dtype=dtype)
    return X, X[:n_clusters].copy()


def blobs(shape, dtype):
    """Rows around as many centres as there are clusters: a fit converges as it does on real data."""
    n_samples, n_features, n_clusters = parse(shape)
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((n_clusters, n_features))
    X = centres[rng.integers(n_clusters, size=n_samples)] + rng.standard_normal((n_samples, n_features))
    return X.astype(dtype)


def surface(shape, dtype):
    """Rows on a curved surface of three dimensions, as patches of photographs nearly are; the first as centroids."""
    n_samples, n_features, n_clusters = parse(shape)
    rng = np.random.default_rng(0)
    X = np.sin(3 * rng.random((n_samples, 3)) @ rng.standard_normal((3, n_features))).astype(dtype)
    return X, X[:n_clusters].copy()


class Benchmark:
    """Parameters that most benchmarks share."""

    params = (SHAPES, DTYPES)
    param_names = ("shape", "dtype")
    timeout = 500
