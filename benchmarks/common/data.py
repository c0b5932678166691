"""Data made where it is used, and what is true of them. What takes `xp` takes CuPy or NumPy."""

import numpy as np

SEED = 20261125
HOST_SEED = 20261123  # of what is made by NumPy
_ELEMENTS = 1 << 24  # made at a time: what is in between takes eight times as much memory
_TABLE = 1 << 25  # distances at a time


def _words(xp, start, stop, key):
    """A pseudo-random uint64 for every number from `start` to `stop`, the same on any device.

    SplitMix64 (Steele, Lea, Flood 2014).
    """
    word = xp.arange(start, stop, dtype=np.uint64)
    word += np.uint64(key << 40)
    word *= np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word ^= word >> np.uint64(shift)
        word *= np.uint64(factor)
    word ^= word >> np.uint64(31)
    return word


def _normal(xp, start, stop, key):
    """Standard normal float32 values by Box and Muller."""
    word = _words(xp, start, stop, key)
    radius = ((word >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    angle = ((word >> np.uint64(16)) & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2 * np.pi * 2.0**-24)
    return xp.sqrt(xp.log(radius) * np.float32(-2)) * xp.cos(angle)


def normal(n_samples, n_features, seed=HOST_SEED):
    """Standard normal float32 rows on the host: no clusters to be found, so no contender converges early."""
    return np.random.default_rng(seed).standard_normal((n_samples, n_features), dtype=np.float32)


def _chunks(n_samples, n_features):
    """Where chunks of rows start and stop."""
    rows = max(1, _ELEMENTS // n_features)
    return [(start, min(start + rows, n_samples)) for start in range(0, n_samples, rows)]


def gaussian(xp, n_samples, n_features, key, offset=0.0):
    """float32 rows, sigma 1, with the same offset in every coordinate."""
    X = xp.empty((n_samples, n_features), np.float32)
    for start, stop in _chunks(n_samples, n_features):
        values = _normal(xp, start * n_features, stop * n_features, key)
        X[start:stop] = values.reshape(stop - start, n_features) + np.float32(offset)
    return X


def blobs(xp, n_samples, n_features, n_clusters, key=SEED % 1000):
    """Overlapping Gaussian blobs, float32, sigma 1, as many as clusters are sought.

    The centres' coordinates are normal with deviation ``4 / sqrt(2 d)``, so two centres are about 4 sigma apart and one
    row in fifty lies beyond the plane halfway to a given other centre.
    """
    spread = 4 / np.sqrt(2 * n_features)
    centers = np.random.default_rng(SEED).standard_normal((n_clusters, n_features)) * spread
    centers = xp.asarray(centers.astype(np.float32))
    X = gaussian(xp, n_samples, n_features, key)
    for start, stop in _chunks(n_samples, n_features):
        X[start:stop] += centers[(_words(xp, start, stop, key + 1) % np.uint64(n_clusters)).astype(np.int64)]
    return X


def start_rows(n_samples, n_clusters):
    """Row numbers to start from, the same for every contender."""
    return np.random.default_rng(SEED).choice(n_samples, n_clusters, replace=False)


def start_of(X, n_clusters):
    """Rows from which everybody starts on a data set."""
    return X[np.random.default_rng(n_clusters).choice(len(X), n_clusters, replace=False)].copy()


def some_rows(n_samples, count):
    """Row numbers to check."""
    return np.sort(np.random.default_rng(SEED + 1).choice(n_samples, min(count, n_samples), replace=False))


def true_labels(xp, X, centroids):
    """The nearest centroid of every row in float64 by direct differences, the lowest among equals.

    The contract's own sequence of roundings.
    """
    centroids = xp.asarray(centroids).astype(np.float64)
    labels = xp.empty(len(X), np.int32)
    rows = max(1, _TABLE // len(centroids))
    for start in range(0, len(X), rows):
        chunk = X[start : start + rows].astype(np.float64)
        total = xp.zeros((len(chunk), len(centroids)))
        for j in range(X.shape[1]):
            difference = chunk[:, j, None] - centroids[None, :, j]
            difference *= difference  # not in one kernel with the sum, which could fuse the two
            total += difference
        labels[start : start + rows] = total.argmin(axis=1)
    return labels


def exact_inertia(X, centroids):
    """In float64, of the rows' nearest centroids: the same yardstick for every library."""
    import kmeans_fast

    return float(kmeans_fast.assign(X, centroids)[1].sum())
