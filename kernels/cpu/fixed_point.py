"""Exact sums of floating-point columns in integers.

A float is an integer times a power of two. Column j's quantum ``2**exponent[j]`` divides every value in it, so each value is an integer multiple and
their sum is exact in integer arithmetic, whatever the order: threads, chunks and machines agree, and subtracting a row undoes adding it.

The integers are cut into limbs of LIMB bits (usually one: float32 data whose magnitudes span less than 2**26). An accumulator adds up to SPILL_ROWS
limbs in 64 bits and is then spilled into a pair ``high * 2**32 + low``, which no feasible number of rows can overflow.

A value goes in from its top limb down, and stops when nothing of it is left: float32 data needs the lower limbs only for its few tiny values. The
conversion is a rounding trick: the low bits of the float64 ``x * 2**-exponent + MAGIC`` are the rounded integer. The long accumulator is Kulisch's; the trick is folklore (used, for one, in Lua).
"""

import math
from typing import NamedTuple

import numpy as np

from .jit import inner, kernel, routine, share
from .simd import (
    bits,
    bits_of,
    float_of,
    fma,
    iadd,
    isub,
    lanes,
    leading_zeros,
    load,
    load_widened,
    mul,
    splat,
    store,
    sub,
    unequal,
)

LIMB = 50
SPILL_ROWS = 1 << 12  # 2**50 * 2**12 < 2**63
MAGIC = 1.5 * 2.0**52
MAGIC_BITS = int(np.float64(MAGIC).view(np.int64))
_LOW = (1 << 32) - 1
_SMALLEST = -1074  # exponent of the least positive float64


class Plan(NamedTuple):
    """How the columns of a data set are cut into limbs; column `d`, if there, is the weights themselves."""

    exponent: np.ndarray  # (columns,) int64: the quantum of each column is 2**exponent
    limbs: int  # limbs a value, the same for all columns
    up: np.ndarray  # (limbs * columns,): value * up * up_rest is the value in units of the limb
    up_rest: np.ndarray
    down: np.ndarray  # (limbs * columns,): the unit of the limb


def plan(largest, lowest_bit):
    """The limbs for columns whose largest magnitude and lowest set bit (0 for a column of zeros) are given.

    Parameters
    ----------
    largest, lowest_bit : ndarray (columns,), float64
        Both as values: a column of the numbers 6.0 and 0.5 has largest 6.0 and lowest_bit 0.5.
    """
    occupied = largest > 0
    top = np.frexp(largest)[1]
    exponent = np.where(occupied, np.frexp(lowest_bit)[1] - 1, 0).astype(np.int64)
    limbs = max(1, math.ceil(int(np.where(occupied, top - exponent, 1).max()) / LIMB))
    # Aligned to the top, so that most values end in their first limb.
    exponent = np.maximum(np.where(occupied, top - LIMB * limbs, 0), _SMALLEST)
    unit = exponent + LIMB * np.arange(limbs)[:, None]
    # Limbs above the top of a column near the smallest floats stay zero; any unit within the float range serves them.
    unit = np.minimum(unit, 1000)
    up = np.clip(-unit, -1000, 1000)
    return Plan(
        exponent, limbs, np.ldexp(1.0, up).ravel(), np.ldexp(1.0, -unit - up).ravel(), np.ldexp(1.0, unit).ravel()
    )


class Totals(NamedTuple):
    """Private accumulators of each thread for `rows` sums; a sum's cells are ordered (limb, column)."""

    pending: np.ndarray  # (threads, rows * limbs * columns) int64: limbs added since the last spill
    high: np.ndarray  # the spilled part, high * 2**32 + low
    low: np.ndarray
    unspilled: np.ndarray  # (threads, rows) int64: values in `pending`
    count: np.ndarray  # (threads, rows) int64: values spilled

    @classmethod
    def zeros(cls, threads, rows, columns, limbs):
        def private(size):  # two cache lines apart: threads that share a line slow each other fivefold
            return np.zeros((threads, -(-size // 16) * 16 + 16), np.int64)

        cells = rows * columns * limbs
        return cls(private(cells), private(cells), private(cells), private(rows), private(rows))

    def clear(self):
        for array in self:
            array.fill(0)


@inner
def lowest_set_bit(value):
    """The value of the lowest set bit of a finite float64's significand, 0.0 for zero."""
    word = bits_of(value) & 0x7FFFFFFFFFFFFFFF
    if word & 0xFFFFFFFFFFFFF == 0:
        return float_of(word)
    return float_of(word) - float_of(word & (word - 1))


@inner
def spill(pending, high, low, unspilled, count, row, cells):
    """Move the pending limbs of the sum `row` into its (high, low) pairs; all arrays are one thread's."""
    for i in range(row * cells, (row + 1) * cells):
        value = pending[i]
        high[i] += value >> 32
        low[i] += value & _LOW
        pending[i] = 0
    count[row] += unspilled[row]
    unspilled[row] = 0


@inner
def _add_value(pending, base, value, column, columns, limbs, up, up_rest, down):
    """Add one value, limb by limb from the top, until nothing of it is left."""
    for limb in range(limbs - 1, -1, -1):
        at = limb * columns + column
        shifted = value * up[at] * up_rest[at] + MAGIC
        pending[base + at] += bits_of(shifted) - MAGIC_BITS
        value -= (shifted - MAGIC) * down[at]
        if value == 0.0:
            break


@inner
def _add_vector(pending, base, value, column, columns, limbs, up, up_rest, down):
    """As `_add_value`, for a vector of neighbouring columns."""
    magic = splat(MAGIC)
    for limb in range(limbs - 1, -1, -1):
        at = limb * columns + column
        shifted = fma(mul(value, load(up, at)), load(up_rest, at), magic)
        limb_value = isub(bits_of(shifted), splat(MAGIC_BITS))
        store(pending, base + at, iadd(load(pending, base + at), limb_value))
        if limb > 0:
            value = sub(value, mul(sub(shifted, magic), load(down, at)))
            if bits(unequal(value, splat(0.0))) == 0:
                break


@inner
def _add_short_rows(pending, high, low, unspilled, count, labels, at, rows, X, first, d, up, up_rest):
    """`add_rows` for the commonest case of rows shorter than a vector: one limb, no weights. The loop is all there is."""
    for r in range(rows):
        row = labels[at + r]
        base, offset = row * d, (first + r) * d
        for j in range(d):
            shifted = np.float64(X[offset + j]) * up[j] * up_rest[j] + MAGIC
            pending[base + j] += bits_of(shifted) - MAGIC_BITS
        unspilled[row] += 1
        if unspilled[row] == SPILL_ROWS:
            spill(pending, high, low, unspilled, count, row, d)


@inner
def add_rows(
    pending,  #    INOUT one thread's part of Totals
    high,  #       INOUT
    low,  #        INOUT
    unspilled,  #  INOUT
    count,  #      INOUT
    labels,  #     IN    int32: ``labels[at + r]`` is the sum that row r belongs to
    at,
    rows,
    X,  #          IN    (n * d,)
    first,  #            number of the first row in X
    d,
    weights,  #    IN    (n,) float64, or (0,): all ones
    limbs,  #            these four from Plan
    up,  #         IN    (limbs * columns,)
    up_rest,  #    IN    (limbs * columns,)
    down,  #       IN    (limbs * columns,)
):
    """Add ``w * x`` (one rounding) of `rows` consecutive rows to the sums of their labels. O(rows d limbs)."""
    weighted = weights.size > 0
    columns = d + 1 if weighted else d
    step = lanes(up)
    if d < step and limbs == 1 and not weighted:
        _add_short_rows(pending, high, low, unspilled, count, labels, at, rows, X, first, d, up, up_rest)
        return
    for r in range(rows):
        row = labels[at + r]
        base = row * columns * limbs
        weight = weights[first + r] if weighted else 1.0
        offset = (first + r) * d
        j = 0
        if d >= step:
            w = splat(weight)
            while j + step <= d:
                value = mul(w, load_widened(X, offset + j))
                _add_vector(pending, base, value, j, columns, limbs, up, up_rest, down)
                j += step
        while j < d:
            _add_value(pending, base, weight * np.float64(X[offset + j]), j, columns, limbs, up, up_rest, down)
            j += 1
        if weighted:
            _add_value(pending, base, weight, d, columns, limbs, up, up_rest, down)
        unspilled[row] += 1
        if unspilled[row] == SPILL_ROWS:
            spill(pending, high, low, unspilled, count, row, columns * limbs)


@inner
def _round(top, digits, limbs):
    """``top * 2**(LIMB * limbs) + sum(digits[l] * 2**(LIMB * l))`` with digits in [0, 2**LIMB), rounded once to float64."""
    negative = top < 0
    if negative:  # two's complement negation, digit by digit
        carry = 1
        for limb in range(limbs):
            digit = ((1 << LIMB) - 1 - digits[limb]) + carry
            carry = digit >> LIMB
            digits[limb] = digit & ((1 << LIMB) - 1)
        top = ~top + carry
    # Gather at least 62 significant bits in one word, then mark with its lowest bit whether any set bit follows: 62 > 53 + 2, so one rounding.
    word, shift = top, LIMB * limbs
    sticky = False
    for limb in range(limbs - 1, -1, -1):
        digit, size = digits[limb], LIMB
        room = min(size, max(0, leading_zeros(word) - 2))
        size -= room
        word = (word << room) | ((digit >> size) & ((1 << room) - 1))
        shift -= room
        sticky = sticky or (digit & ((1 << size) - 1)) != 0
    if sticky:
        word |= 1
    value = np.float64(word)
    return (-value if negative else value), shift


@inner
def _total(high, low, place, columns, limbs, digits):
    """The exact sum over threads of the cells `place` + limb * columns: a float64 and a binary exponent."""
    carry = np.int64(0)
    for limb in range(limbs):
        upper, lower = carry >> 32, carry & _LOW
        for t in range(high.shape[0]):
            upper += high[t, place + limb * columns]
            lower += low[t, place + limb * columns]
        upper += lower >> 32
        lower &= _LOW
        if limbs == 1 and -(1 << 30) < upper < (1 << 30):  # fits a word: the usual case
            return np.float64((upper << 32) + lower), 0
        digits[limb] = ((upper & ((1 << (LIMB - 32)) - 1)) << 32) | lower
        carry = upper >> (LIMB - 32)
    return _round(carry, digits, limbs)


@kernel
def finish(
    task,
    tasks,
    totals,  #   INOUT Totals, left spilled
    exponent,  # IN    (columns,)
    limbs,
    sums,  #     OUT   (rows, columns) float64
):
    """Every exact sum, rounded once to float64. O(threads * rows * columns * limbs)."""
    rows, columns = sums.shape
    cells = columns * limbs
    pending, high, low, unspilled, count = totals
    digits = np.empty(limbs, np.int64)
    for row in range(*share(task, tasks, rows)):
        for t in range(count.shape[0]):
            spill(pending[t], high[t], low[t], unspilled[t], count[t], row, cells)
        for j in range(columns):
            value, shift = _total(high, low, row * cells + j, columns, limbs, digits)
            sums[row, j] = value if value == 0.0 else math.ldexp(value, np.int32(shift + exponent[j]))


@routine
def move_row(
    totals,  #    INOUT Totals, spilled
    X,  #         IN    (n * d,)
    i,  #               the row
    d,
    weights,  #   IN    (n,) float64, or (0,): all ones
    source,  #          the sum that loses the row
    target,  #    IN    (1,) int32: the sum that gains it
    limbs,  #           these four from Plan
    up,
    up_rest,
    down,
):
    """Take one data row out of one sum and add it to another, in thread 0's accumulators."""
    cells = (d + 1 if weights.size > 0 else d) * limbs
    pending, high, low = totals.pending[0], totals.high[0], totals.low[0]
    unspilled, count = totals.unspilled[0], totals.count[0]
    add_rows(pending, high, low, unspilled, count, target, 0, 1, X, i, d, weights, limbs, up, up_rest, down)
    for cell in range(cells):
        value = pending[target[0] * cells + cell]
        high[source * cells + cell] -= value >> 32
        low[source * cells + cell] -= value & _LOW
    spill(pending, high, low, unspilled, count, target[0], cells)
    count[source] -= 1
