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
_MASK, _SIGN = (1 << _BITS) - 1, 1 << (_BITS - 1)
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
        """``integers * 2**exponents``, whole numbers of units, (..., columns), as limbs (limbs, ..., columns).

        It is quickest where exponents are (columns,), and lie 32 apart or less.
        """
        shift = exponents - self.exponent
        if (shift < 0).any():
            integers = integers >> np.clip(-shift, 0, 63)  # what falls out is zero
        first, within = np.divmod(np.maximum(shift, 0), _BITS)
        low, high = (integers & _MASK) << within, (integers >> _BITS) << within  # the higher one has the sign
        digits = low & _MASK, (low >> _BITS) + (high & _MASK), high >> _BITS
        out = np.zeros((self.limbs, *integers.shape), np.int64)
        for start in np.unique(first).tolist():
            here = first == start
            for limb, digit in zip(out[start:], digits):
                limb += digit if here.all() else np.where(here, digit, 0)
        return out

    def _digits(self, limbs):
        """Sums in limbs (limbs, ..., columns), each of 32 bits, the highest with the sign."""
        digits, carry = np.empty(limbs.shape, np.int64), 0
        for at, limb in enumerate(limbs):
            carry = carry + limb
            digits[at], carry = carry & _MASK, carry >> _BITS
        digits[-1] = (digits[-1] ^ _SIGN) - _SIGN
        return digits

    def converted(self, limbs, other):
        """Sums held in limbs of this form in those of another, whose units are no larger."""
        exponents = [self.exponent + _BITS * at for at in range(len(limbs))]
        return sum(map(other.of_integers, self._digits(limbs), exponents))

    def rounded(self, limbs):
        """Sums held in limbs (limbs, ..., columns), each rounded once to float64 (..., columns).

        All is modulo 2**(32 limbs), and the sums are small enough for their highest bit to be the sign.
        """
        digits = self._digits(limbs)
        # The leading bits in a word, 62 where there are as many; its lowest bit tells whether any set bit follows. That
        # is more than 53 + 2, so that it is rounded once.
        word = digits[-1]
        exponent, follows = self.exponent + _BITS * (len(digits) - 1), False
        for digit in digits[-2::-1]:
            room = _BITS
            if max(word.max(), -word.min()) >> (62 - _BITS):
                room = np.clip(62 - np.frexp(word.astype(np.float64))[1].astype(np.int64), 0, _BITS)
                follows = follows | ((digit & ((1 << (_BITS - room)) - 1)) != 0)
            word = (word << room) | (digit >> (_BITS - room))
            exponent = exponent - room
        return np.ldexp((word | follows).astype(np.float64), exponent)


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
