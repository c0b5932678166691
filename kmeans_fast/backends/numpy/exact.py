"""What the contract fixes to the bit: D in its order, exact sums of squared distances, the ranges of columns."""

import numpy as np

from ..partials import LEAST

_VALUES = 1 << 18  # of rows at a time: in float64 they stay in a cache
_LOW = 27  # bits of the lower half of a significand
_MAGNITUDE = (1 << 63) - 1


def rows_at_a_time(n_features):
    """Rows of a block of which D is measured: few enough for a cache, enough for loops over features to pay."""
    return max(16, min(8192, _VALUES // n_features))


def distances(columns, others):
    """D between columns, float64 (n_features, rows), and others (n_features, rows or 1): (rows,) float64.

    `kmeans_fast.reference.distance`, a feature of all rows at a time.
    """
    terms = columns - others
    terms *= terms
    total = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def columns_of(rows):
    """Rows (m, n_features) as `distances` takes them."""
    return rows.T.astype(np.float64, order="C")


def exact_sum(values):
    """The sum of float64 values (n,), n at most 2**25, not negative, as an integer in units of the least float64.

    NaN if one of them is not finite. Significands are cut into halves and added by exponent, in float64: sums below
    2**53 are exact.
    """
    bits = values.view(np.int64) & _MAGNITUDE
    exponents = bits >> 52
    if exponents.max(initial=0) == 2047:
        return np.nan
    significands = (bits & ((1 << 52) - 1)) | ((exponents > 0).astype(np.int64) << 52)
    total = 0
    for half, shift in ((significands >> _LOW, _LOW), (significands & ((1 << _LOW) - 1), 0)):
        by_exponent = np.bincount(exponents, weights=half)
        for exponent in np.flatnonzero(by_exponent).tolist():
            total += int(by_exponent[exponent]) << (max(exponent, 1) - 1075 - LEAST + shift)
    return total


def column_ranges(values):
    """The largest magnitude in each column of values (m, columns), and the lowest set bit: infinity where all are zero.

    The lowest set bit of a float is what is taken away by clearing that bit of its pattern. Where the fraction is zero
    the float is a power of two, the bit itself.
    """
    word, fraction = (np.uint32, (1 << 23) - 1) if values.itemsize == 4 else (np.uint64, (1 << 52) - 1)
    magnitudes = np.abs(values)
    bits = magnitudes.view(word)
    lowest = magnitudes - (bits & (bits - word(1))).view(values.dtype)
    lowest = np.where((bits & word(fraction)) == 0, magnitudes, lowest)
    lowest[bits == 0] = np.inf
    return magnitudes.max(axis=0).astype(np.float64), lowest.min(axis=0).astype(np.float64)
