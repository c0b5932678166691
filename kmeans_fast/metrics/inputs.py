"""Rows and labels as users have them, checked: rows of one array, labels as numbers from 0."""

import contextlib

import numpy as np

from ..array_checks import check_finite, refuse_masked
from ..arrays import ON_HOST, Data, to_host
from ..door import DataInChunks, opened

_SMALLEST = 2.0**-400  # differences much smaller than that have squares that underflow


@contextlib.contextmanager
def opened_rows(X):
    """`X` opened by the door, as `Data`: what comes in chunks is put together.

    Raises
    ------
    ValueError
        As for `array_checks.as_data`; if distances between the rows would underflow.
    """
    with opened(X) as data:
        if isinstance(data, DataInChunks):
            data = Data(np.concatenate([rows for rows, _ in data.chunks()]), None, ON_HOST)
        if data.dtype == np.float64:
            largest = max(abs(float(data.X.max())), abs(float(data.X.min())))
            if 0 < largest < _SMALLEST:
                raise ValueError(
                    f"X has values up to {largest:.3g} only; squared distances underflow below {_SMALLEST:.3g}. Scale "
                    "the data."
                )
        yield data


def column_names(X):
    """The names of a table's columns, of pandas, Polars or Arrow; None of what has none."""
    return getattr(X, "column_names", getattr(X, "columns", None))


def codes_of(labels, n_samples):
    """`labels` as int32 (n_samples,), numbers from 0 in the order of the labels; how many labels there are.

    Parameters
    ----------
    labels : array-like (n_samples,)
        Integers, booleans, finite floats or strings; on a GPU too.

    Raises
    ------
    ValueError
        If they are not such; if there are not from 2 to n_samples - 1 of them, with scikit-learn's message.
    """
    found = _listed(labels, n_samples)
    if found.dtype.kind == "f":
        check_finite(found, "labels")
    if found.dtype.kind not in "iubfUSOT":
        raise ValueError(f"labels must be integers or strings, got dtype {found.dtype}.")
    try:
        codes, n_labels = _numbered(found)
    except TypeError as error:
        raise ValueError(f"labels must be of one kind that can be ordered, integers or strings: {error}.") from error
    if not 1 < n_labels < n_samples:
        raise ValueError(f"Number of labels is {n_labels}. Valid values are 2 to n_samples - 1 (inclusive)")
    return codes, n_labels


def distinct(labels):
    """The values of labels that `codes_of` has taken, in the order of their numbers."""
    return np.unique(values_on_host(labels, "labels"))


def numbers_of(labels, n_samples, n_clusters):
    """`labels` as int32 (n_samples,), numbers of clusters from 0; ValueError if they are not such."""
    found = _listed(labels, n_samples)
    if found.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, the numbers of centroids, got dtype {found.dtype}.")
    if not 0 <= int(found.min()) <= int(found.max()) < n_clusters:
        worst = int(found.min()) if found.min() < 0 else int(found.max())
        raise ValueError(f"labels must be from 0 to {n_clusters - 1}, the numbers of the centroids, got {worst}.")
    return found.astype(np.int32)


def values_on_host(values, name):
    """Labels or classes as an array on the host; ValueError for masked ones, and for NaN among objects."""
    refuse_masked(values, name)
    found = to_host(values)
    if (
        found.dtype.kind == "U"
        and isinstance(values, (list, tuple))
        and not all(isinstance(one, str) for one in values)
    ):
        found = np.array(values, object)  # NumPy makes strings of numbers that stand among strings
    if found.dtype.kind == "O" and any(isinstance(one, float) and one != one for one in found.ravel()):
        raise ValueError(f"{name} contains NaN: leave out the rows for which it is not known.")
    return found


def _listed(labels, n_samples):
    """Labels on the host, one for each row."""
    found = values_on_host(labels, "labels")
    if found.ndim != 1:
        raise ValueError(f"labels must have one dimension (n_samples,), got shape {found.shape}: use labels.ravel().")
    if len(found) != n_samples:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[n_samples, len(found)]}")
    return found


def _numbered(labels):
    """Numbers from 0, in the order of the labels, and how many there are."""
    if labels.dtype.kind in "iu" and int(labels.max()) - int(labels.min()) < 2 * len(labels):  # no need to sort
        shifted = (labels - labels.min()).astype(np.int64)
        present = np.bincount(shifted) > 0
        return (np.cumsum(present) - 1).astype(np.int32)[shifted], int(np.count_nonzero(present))
    values, codes = np.unique(labels, return_inverse=True)
    return codes.reshape(-1).astype(np.int32), len(values)
