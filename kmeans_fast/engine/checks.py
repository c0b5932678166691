"""Checks of data and centroids: shapes, and values whose distances would overflow and be quietly wrong."""

import numpy as np

from ..array_checks import as_data, plain_numbers
from ..arrays import on_gpu, to_host, values_of

_LARGEST = 2.0**480  # squares of differences must stay far inside float64's range
# Where products with a weight of at least this underflow, they are wrong by at most 2**-575 of the weight: by less than
# differences whose square vanishes.
_LIGHT = 2.0**-500
_ROWS = 1 << 16  # at a time


def check_magnitudes(data):
    """Refuse values whose squared distances could overflow, and weights whose products with them underflow."""
    weights = data.weights
    if data.dtype == np.float32 and weights is None:
        return  # 2 * 3.4e38 squared and summed is far inside float64
    largest, at = getattr(data, "largest", 0.0), getattr(data, "largest_at", None)  # known of chunks
    if not largest:
        largest = max(max(abs(float(values.max())), abs(float(values.min()))) for values in _values(data))
    heaviest = 1.0 if weights is None else float(weights.max())
    who = "X has" if at is None else f"X has, in {at},"
    _check_largest(who, largest, data.n_samples * data.n_features, heaviest)
    if weights is not None:
        _check_products(data)


def _values(data):
    """The values of the rows, in pieces: of rows held in less than they are computed in, some at a time."""
    for X, _ in data.chunks():
        step = len(X) if X.dtype == data.dtype else _ROWS
        yield from (values_of(X[start : start + step]) for start in range(0, len(X), step))


def _check_largest(who, largest, size, heaviest):
    if largest > _LARGEST:
        raise ValueError(f"{who} values up to {largest:.3g}; k-means needs them below {_LARGEST:.3g}. Scale the data.")
    if heaviest * size * (2 * largest) ** 2 > 2.0**1000:
        raise ValueError(
            f"sample_weight has values up to {heaviest:.3g} and {who} values up to {largest:.3g}: the inertia may "
            "overflow. Scale them."
        )


def check_extremes(size, largest, smallest, heaviest, lightest):
    """As `check_magnitudes`, of `size` values whose largest and least positive magnitudes are known, as of weights."""
    _check_largest("X has", largest, size, heaviest)
    _check_light(lightest, smallest)


def _check_products(data):
    """Refuse weights so small that a product with X is subnormal and has lost digits: a mean would be wrong."""
    lightest = least_positive(data.weights)
    if lightest >= _LIGHT:
        return
    smallest = min(
        least_positive(abs(values[start : start + _ROWS]))
        for values in _values(data)
        for start in range(0, len(values), _ROWS)
    )
    _check_light(lightest, smallest)


def _check_light(lightest, smallest):
    if lightest < _LIGHT and lightest * smallest < np.finfo(np.float64).tiny:
        raise ValueError(
            f"sample_weight down to {lightest:.3g} and X down to {smallest:.3g}: their products underflow. "
            "Scale the weights; only their ratios count."
        )


def least_positive(values):
    """The least positive of values that are not negative; infinity where all are zero."""
    least = float(values.min())
    if least > 0:
        return least
    values = values[values > 0]
    return float(values.min()) if len(values) else np.inf


def given_centroids(given, name, dtype=None):
    """Centroids to label rows with as an array on the host, finite float32 or float64 of two dimensions, C-contiguous.

    They may have been set by hand: ValueError, naming `name`, if they are not such. `dtype` is what they are to become.
    """
    return values_of(as_data(to_host(given) if on_gpu(given) else given, name=name, dtype=dtype))


def as_centroids(init, data, n_clusters):
    """Given initial centroids as a new array in the dtype of the data; ValueError if they are not such."""
    with np.errstate(over="ignore"):  # told below as infinity
        centroids = np.array(to_host(plain_numbers(init, "init")), dtype=data.dtype, order="C", ndmin=2)
    check_centroids(centroids, data.X, n_clusters, data.weights)
    return centroids


def check_clusters(n_samples, n_clusters):
    """Refuse more clusters than rows."""
    if n_samples < n_clusters:
        raise ValueError(f"n_samples={n_samples} should be >= n_clusters={n_clusters}.")


def check_init_size(init_size, n_clusters):
    """Refuse a sample that has not a row for each cluster."""
    if isinstance(init_size, int) and init_size < n_clusters:
        raise ValueError(f"init_size={init_size} should be >= n_clusters={n_clusters}.")


def check_centroids(centroids, X=None, n_clusters=None, weights=None, name=None, finite=False):
    """Refuse centroids whose shape does not fit, with NaN or infinity, or so large that distances to them may overflow.

    Without a `name` they are initial ones, which scikit-learn has messages for; with one, any number of them will do.
    Without X only the values are looked at. `finite`: whether they are known to be.
    """
    if name is None and (centroids.ndim != 2 or centroids.shape[0] != n_clusters):
        raise ValueError(
            f"The shape of the initial centers {centroids.shape} does not match the number of clusters {n_clusters}."
        )
    if X is not None and centroids.shape[1] != X.shape[1]:
        raise ValueError(
            f"The shape of {name or 'the initial centers'} {centroids.shape} does not match "
            f"the number of features of the data {X.shape[1]}."
        )
    if not (finite or np.isfinite(centroids).all()):
        raise ValueError(f"{name or 'The initial centers'} must be finite, without NaN or infinity.")
    if centroids.dtype == np.float64 or weights is not None:
        largest = max(abs(float(centroids.max())), abs(float(centroids.min())))
        size = centroids.size if X is None else X.size
        heaviest = 1.0 if weights is None else float(weights.max())
        _check_largest(f"{name} have" if name else "The initial centers have", largest, size, heaviest)
