"""What exact sums come to: each rounded once to float64, or in limbs that the sums of other rows may be added to.

The sums are the `fixed_point.Totals` of all threads.
"""

import math

import numpy as np

from ..machine.bits import leading_zeros
from ..machine.scratch import stack_array
from ..machine.simd import element
from ..runtime.jit import inlined, kernel, share
from .fixed_point import LIMB, LOW, Totals, spill

_COLUMNS = 128  # columns that are summed over the threads together
_MOST_LIMBS = 64  # of any float64: its bits span less than 2100


@inlined
def round_digits(top, digits, limbs):
    """``top * 2**(LIMB * limbs) + sum(digits[l] * 2**(LIMB * l))``, digits in [0, 2**LIMB), rounded once to float64."""
    negative = top < 0
    if negative:  # two's complement negation, digit by digit
        carry = 1
        for limb in range(limbs):
            digit = ((1 << LIMB) - 1 - digits[limb]) + carry
            carry = digit >> LIMB
            digits[limb] = digit & ((1 << LIMB) - 1)
        top = ~top + carry
    # Gather at least 62 significant bits in one word, and mark with its lowest bit whether any set bit follows. As
    # 62 > 53 + 2, that is one rounding.
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


@inlined
def _total(high, low, place, columns, limbs, digits):
    """The exact sum over threads of the cells `place` + limb * columns: a float64 and a binary exponent."""
    carry = np.int64(0)
    for limb in range(limbs):
        upper, lower = carry >> 32, carry & LOW
        for t in range(high.shape[0]):
            upper += high[t, place + limb * columns]
            lower += low[t, place + limb * columns]
        upper += lower >> 32
        lower &= LOW
        digits[limb] = ((upper & ((1 << (LIMB - 32)) - 1)) << 32) | lower
        carry = upper >> (LIMB - 32)
    return round_digits(carry, digits, limbs)


@kernel
def round_words(
    task,
    tasks,
    totals: Totals,  #  IN
    unit,  #            IN    (columns,): `down` from Plan
    weighted,  #              whether the last column holds the weights
    sums,  #            OUT   (rows, columns) float64
    weights,  #         OUT   (rows,) float64: the weight of every sum
    beyond,  #          OUT   (tasks,) int64: not 0 where a sum does not fit a word; `round_limbs` is to be called then
):
    """`round_limbs` where there is one limb and sums fit a word, as nearly always: loops that LLVM vectorises."""
    rows, columns = sums.shape
    pending, high, low, _, count = totals
    upper, lower, excess = stack_array(_COLUMNS, np.int64), stack_array(_COLUMNS, np.int64), 0
    for row in range(*share(task, tasks, rows)):
        members = 0
        for t in range(len(count)):
            members += count[t, row]
        for first in range(0, columns, _COLUMNS):
            at, width = row * columns + first, min(_COLUMNS, columns - first)
            for j in range(width):
                upper[j] = lower[j] = 0
            for t in range(len(pending)):
                for j in range(width):
                    value = element(pending[t], at + j)
                    upper[j] += element(high[t], at + j) + (value >> 32)
                    lower[j] += element(low[t], at + j) + (value & LOW)
            for j in range(width):
                top = upper[j] + (lower[j] >> 32)
                excess |= (top + (1 << 30)) >> 31
                sums[row, first + j] = np.float64((top << 32) + (lower[j] & LOW)) * element(unit, first + j)
        weights[row] = sums[row, columns - 1] if weighted else members
    beyond[task] = excess


@kernel
def round_limbs(
    task,
    tasks,
    totals: Totals,  #  INOUT
    exponent,  #        IN    (columns,)
    limbs,  #                 from Plan
    weighted,  #              whether the last column holds the weights
    sums,  #            OUT   (rows, columns) float64
    weights,  #         OUT   (rows,) float64: the weight of every sum
):
    """Every exact sum, rounded once to float64. O(threads * rows * columns * limbs)."""
    rows, columns = sums.shape
    cells = columns * limbs
    pending, high, low, unspilled, count = totals
    digits = stack_array(_MOST_LIMBS, np.int64)
    for row in range(*share(task, tasks, rows)):
        members = 0
        for t in range(len(count)):
            members += count[t, row]
            spill(pending[t], high[t], low[t], unspilled[t], row, cells)
        for j in range(columns):
            value, shift = _total(high, low, row * cells + j, columns, limbs, digits)
            sums[row, j] = value if value == 0.0 else math.ldexp(value, np.int32(shift + exponent[j]))
        weights[row] = sums[row, columns - 1] if weighted else members


def rounded(threads, totals, plan, rows, columns, weighted):
    """Every exact sum (rows, columns) of `totals`, rounded once to float64, and the weight of each (rows,)."""
    sums, weights = np.empty((rows, columns)), np.empty(rows)
    if plan.limbs == 1:
        beyond = np.empty(threads, np.int64)
        round_words(threads, totals, plan.down, weighted, sums, weights, beyond)
        if not any(beyond.tolist()):
            return sums, weights
    round_limbs(threads, totals, plan.exponent, plan.limbs, weighted, sums, weights)
    return sums, weights


def folded(totals):
    """The sums of all threads as those of one with nothing pending: its `high`, `low` and `count`."""
    pending, high, low, _, count = totals
    return (high + (pending >> 32)).sum(axis=0), (low + (pending & LOW)).sum(axis=0), count.sum(axis=0)


@kernel
def merge_limbs(
    task,
    tasks,
    totals,  #  IN    Totals
    shifts,  #  IN    (limbs, columns) int64: the exponent of each limb's unit, less that of the column's unit in `out`
    out,  #     INOUT (limbs of 32 bits, rows, columns) int64, zeros on entry
):
    """Every exact sum in limbs of base 2**32, which partial sums of other rows may be added to. O(threads cells).

    A sum is a whole number of the units of `out`, so that nothing is lost where a shift is negative.
    """
    pending, high, low, _, _ = totals
    limbs, columns = shifts.shape
    digits = stack_array(4, np.int64)
    for row in range(*share(task, tasks, out.shape[1])):
        for limb in range(limbs):
            for j in range(columns):
                at, upper, lower = (row * limbs + limb) * columns + j, np.int64(0), np.int64(0)
                for t in range(len(pending)):
                    upper += high[t, at] + (pending[t, at] >> 32)
                    lower += low[t, at] + (pending[t, at] & LOW)
                upper += lower >> 32
                lower &= LOW
                shift = shifts[limb, j]
                while shift < 0:
                    right = min(-shift, 32)
                    lower = ((upper << (32 - right)) & LOW) | (lower >> right)
                    upper >>= right
                    shift += right
                first, left = shift // 32, shift % 32
                low_part, middle, high_part = lower << left, (upper & LOW) << left, (upper >> 32) << left
                digits[0], digits[1] = low_part & LOW, (low_part >> 32) + (middle & LOW)
                digits[2], digits[3] = (middle >> 32) + (high_part & LOW), high_part >> 32
                for digit in range(min(4, len(out) - first)):
                    out[first + digit, row, j] += digits[digit]
