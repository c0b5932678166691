"""What parts of the rows return: values that merge, in any order and grouping, to the same bits.

Sums of columns are integers. The unit of a column is the lowest set bit of all its values, so each value is a whole
number of units. A sum is held in limbs of base 2**32, each in an int64, so partial sums merge by plain addition: 2**31
of them before a limb could overflow. The `Form` of the sums depends on the ranges of the whole data and its number of
rows alone. A backend adds in a format of its own and converts what it returns.

Sums of squared distances are Python integers in units of the least float64.
"""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from ..reference import content_order

_BITS = 32  # of a limb
_MASK = (1 << _BITS) - 1
LEAST = -1074  # every float64 is a whole number of 2**LEAST


class Ranges(NamedTuple):
    """The magnitudes in the columns of ``w * x``; where rows have weights, the last column is the weights."""

    largest: np.ndarray  # (columns,) float64
    lowest: np.ndarray  # (columns,) float64: the lowest set bit of any value; infinity where all are zero

    def __add__(self, other):
        return Ranges(np.maximum(self.largest, other.largest), np.minimum(self.lowest, other.lowest))


class Form(NamedTuple):
    """How the sums of columns are held."""

    exponent: np.ndarray  # (columns,) int64: the unit of each column is 2**exponent
    limbs: int

    @classmethod
    def of(cls, ranges, n_samples):
        """The form for sums of `n_samples` rows with these ranges."""
        occupied = ranges.largest > 0
        exponent = np.where(occupied, np.frexp(ranges.lowest)[1] - 1, 0).astype(np.int64)
        bits = int(np.where(occupied, np.frexp(ranges.largest)[1] - exponent, 1).max())
        return cls(exponent, math.ceil((bits + int(n_samples).bit_length() + 1) / _BITS))  # 1: the sign

    def of_values(self, values):
        """Float64 values (..., columns), whole numbers of units, as limbs (limbs, ..., columns)."""
        fraction, power = np.frexp(values)
        return self.of_integers((fraction * 2.0**53).astype(np.int64), power - 53)

    def of_integers(self, integers, exponents):
        """``integers * 2**exponents``, whole numbers of units, (..., columns), as limbs (limbs, ..., columns)."""
        shift = exponents - self.exponent
        integers = integers >> np.clip(-shift, 0, 63)  # what falls out is zero
        sign, size = np.sign(integers), np.abs(integers)
        first, within = np.divmod(np.maximum(shift, 0), _BITS)
        low, high = (size & _MASK) << within, (size >> _BITS) << within
        digits = low & _MASK, (low >> _BITS) + (high & _MASK), high >> _BITS
        out = np.zeros((self.limbs, *integers.shape), np.int64)
        for limb in range(self.limbs):
            for at, digit in enumerate(digits):
                out[limb] += np.where(first + at == limb, sign * digit, 0)
        return out

    def rounded(self, limbs):
        """Sums held in limbs (limbs, ..., columns), each rounded once to float64 (..., columns).

        All is modulo 2**(32 limbs), and the sums are small enough for their highest bit to be the sign.
        """
        digits, carry = np.empty(limbs.shape, np.int64), np.zeros(limbs.shape[1:], np.int64)
        for at, limb in enumerate(limbs):
            carry = carry + limb
            digits[at], carry = carry & _MASK, carry >> _BITS
        negative = digits[-1] > _MASK >> 1
        one = negative.astype(np.int64)  # of the two's complement
        for digit in digits:
            flipped = np.where(negative, _MASK - digit, digit) + one
            digit[...], one = flipped & _MASK, flipped >> _BITS
        # The 64 leading bits in a word, whose lowest tells whether any set bit follows: more than 53 + 2, so that it is
        # rounded once.
        place = len(digits) - 1 - np.argmax(digits[::-1] != 0, axis=0)
        padded = np.concatenate([np.zeros((3, *place.shape), np.int64), digits]).view(np.uint64)
        first, second, third = (np.take_along_axis(padded, place[None] + at, axis=0)[0] for at in (3, 2, 1))
        free = (_BITS - np.maximum(np.frexp(first.astype(np.float64))[1], 1)).astype(np.uint64)
        left = np.uint64(_BITS) - free
        word = (first << (free + np.uint64(_BITS))) | (second << free) | (third >> left)
        follows = (third & ((np.uint64(1) << left) - np.uint64(1))) != 0
        follows |= np.take_along_axis(np.logical_or.accumulate(padded != 0, axis=0), place[None], axis=0)[0]
        value = (word | follows.astype(np.uint64)).astype(np.float64)
        exponent = self.exponent + _BITS * (place - 1) - free.astype(np.int64)
        return np.ldexp(np.where(negative, -value, value), exponent)


class Partial(NamedTuple):
    """What an assignment of some rows came to."""

    sums: np.ndarray  # (limbs, n_clusters, columns) int64: of ``w * x`` over each cluster
    rows: np.ndarray  # (n_clusters,) int64: how many there are in each
    changed: int  # rows whose label changed
    rechecked: int  # rows that the fast pass left open
    scored: int  # rows measured against every centroid
    paths: frozenset  # the kernels that ran, in words

    def __add__(self, other):
        return Partial(*map(operator.add, self[:-1], other[:-1]), self.paths | other.paths)


class Farthest(NamedTuple):
    """The rows that are farthest from the centroids of their labels, equally far ones in the order of their content.

    Rows of no weight and rows that sit on their centroid are not among them.
    """

    distances: np.ndarray  # (rows,) float64, squared
    values: np.ndarray  # (rows, n_features)
    weights: np.ndarray  # (rows,) float64
    labels: np.ndarray  # (rows,) int32

    def __add__(self, other):
        return Farthest(*(np.concatenate(pair) for pair in zip(self, other))).sorted()

    def sorted(self):
        order = content_order(self.values, self.weights)
        order = order[np.argsort(-self.distances[order], kind="stable")]
        return self.at(order)

    def at(self, rows):
        return Farthest(*(field[rows] for field in self))


def merged(partials):
    """The sum of partials of one kind, in any order."""
    return functools.reduce(operator.add, partials)


def float_of(total):
    """An exact sum in units of the least float64, rounded once; NaN stays NaN."""
    return total if total != total else total / (1 << -LEAST)
