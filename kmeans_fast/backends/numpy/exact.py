"""What the contract fixes to the bit: D in its order, exact sums of squared distances, the ranges of columns."""

import math

import numpy as np

from ..partials import LEAST

_VALUES = 1 << 15  # of rows at a time: in float64 they stay in a cache
_LEAST_ROWS, _MOST_ROWS, _MOST_VALUES = 256, 8192, 1 << 22  # rows for which loops over features pay
_LOW = 27  # bits of the lower half of a significand
_MAGNITUDE = (1 << 63) - 1


def rows_at_a_time(n_features):
    """Rows of a block of which D is measured: few enough for a cache, enough for loops over features to pay."""
    fitting = max(_LEAST_ROWS, min(_MOST_ROWS, _VALUES // n_features))
    return max(1, min(fitting, _MOST_VALUES // n_features))


def meter_bytes(n_features):
    """What a `Meter` takes."""
    return 16 * n_features * rows_at_a_time(n_features)


class Meter:
    """``meter(rows, others)``: D between rows (m, n_features) and float64 others, as many or one: (m,) float64.

    It is `kmeans_fast.reference.distance`, a feature of some rows at a time, in memory that is used again: memory that
    is new to the process costs as much as the arithmetic. A thread has one of its own.
    """

    def __init__(self, n_features):
        self.rows = rows_at_a_time(n_features)
        self.moved, self.turned = np.empty((self.rows, n_features)), np.empty((n_features, self.rows))

    def __call__(self, rows, others):
        out = np.empty(len(rows))
        for first in range(0, len(rows), self.rows):
            part = slice(first, first + self.rows)
            out[part] = self._measured(rows[part], others[part] if others.ndim == 2 else others)
        return out

    def _measured(self, rows, others):
        m = len(rows)
        terms = np.subtract(rows, others, out=self.moved[:m], dtype=np.float64)
        terms *= terms
        turned = self.turned[:, :m]
        np.copyto(turned, terms.T)
        total = turned[0]
        for term in turned[1:]:
            total += term
        return total


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
    np.copyto(lowest, magnitudes, where=(bits & word(fraction)) == 0)
    np.copyto(lowest, np.inf, where=bits == 0)
    return _over_rows(np.maximum, magnitudes), _over_rows(np.minimum, lowest)


def _over_rows(function, values):
    """``function.reduce(values)`` as float64; several rows are one at first, for NumPy is slow with short ones."""
    m, columns = values.shape
    together = math.gcd(m, 64)
    found = function.reduce(values.reshape(m // together, -1))
    return function.reduce(found.reshape(together, columns)).astype(np.float64)


def row_hash(rows):
    """`kmeans_fast.reference.row_hash`: nothing is taken away from float32, and the hash of zeros is zero."""
    narrow = rows.astype(np.float32) + np.float32(0)
    hashes = _mixed(narrow.view(np.uint32))
    if rows.itemsize > 4:
        rest = (rows + 0.0) - np.where(np.isinf(narrow), 0.0, narrow)
        hashes ^= _mixed(rest.view(np.uint64)) >> np.uint64(32)
    return hashes


def _mixed(bits):
    words = np.zeros(len(bits), np.uint64)
    for column in np.ascontiguousarray(bits.T):
        words ^= column
        words *= np.uint64(0x9E3779B97F4A7C15)
        words ^= words >> np.uint64(32)
    words *= np.uint64(0xD6E8FEB86659FD93)
    return words ^ (words >> np.uint64(29))
