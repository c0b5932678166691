"""What is read off the data before a fit: the magnitudes that the fixed-point plan and the limits need.

Cost: reads n*d once.
"""

import math

import numpy as np

from ... import scaling
from ..machine import host
from ..machine.bits import bits_of, lowest_set_bit, magnitude
from ..machine.float_arrays import Floats
from ..machine.scratch import private, stack_array
from ..machine.simd import element, fma, iadd, isub, lanes, load, load_widened, maximum, minimum, mul, splat, store
from ..runtime.jit import inlined, kernel, share
from .fixed_point import MAGIC, MAGIC_BITS, SPILL_ROWS, Totals, accumulators, add_rows, clear, plan, spill
from .rows import Rows

_ROWS = 256  # rows added at a time
LANES = host.VECTOR_BYTES // 8  # of float64
_BLOCK = 16  # rows (or rows together) looked at before the next vector of columns: they are still in a cache
_MOST_TOGETHER = 1024  # features; longer rows are mostly whole vectors each


def fill_vectors(d):
    """How many rows of d elements together fill whole vectors of float64; 1 where that matters little."""
    return 1 if d > _MOST_TOGETHER else LANES // math.gcd(d, LANES)


@inlined
def _widen_range(largest, lowest, j, value):
    """Take a value into the range of column j."""
    largest[j], lowest[j] = max(largest[j], magnitude(value)), min(lowest[j], lowest_set_bit(value))


@kernel
def column_range(
    task,
    tasks,
    X: Floats,  # IN   (n * d,)
    weights,  #   IN   (n,) float64, or (0,): all ones
    d,
    together,  #       rows whose d * together elements count as so many columns
    largest,  #   OUT  (tasks, columns or more) float64: max abs(w * x); in the column after these, if there, of w
    lowest,  #    OUT  (tasks, columns or more) float64: the least set bit of any w * x, infinity for zeros
):
    """Largest magnitude and lowest set bit of every column, per task.

    Mapping: lanes are columns, a few rows before the next ones. What is left of a row, or of the rows that count as
    one, overlaps what was looked at before: that changes no maximum.
    """
    weighted = weights.size > 0
    high, low = largest[task], lowest[task]
    width, step = d * together, lanes(largest)
    for j in range(width + 1 if weighted else width):
        high[j], low[j] = 0.0, np.inf
    first, stop = share(task, tasks, X.size // d)
    if width < step or stop - first < together:
        for i in range(first, stop):
            w = weights[i] if weighted else 1.0
            for j in range(d):
                _widen_range(high, low, j, w * element(X, i * d + j))
    else:
        for start in range(first, stop, _BLOCK * together):
            end = min(start + _BLOCK * together, stop)
            for j in range(0, width, step):
                at = min(j, width - step)
                most, least = load(high, at), load(low, at)
                for i in range(start, end, together):
                    row = min(i, stop - together)
                    x = load_widened(X, row * d + at)
                    if weighted:
                        x = mul(x, splat(weights[row]))
                    most, least = maximum(magnitude(x), most), minimum(lowest_set_bit(x), least)
                store(high, at, most)
                store(low, at, least)
    if weighted:
        for i in range(first, stop):
            _widen_range(high, low, width, weights[i])


def column_ranges(threads, X, weights, d):
    """The largest magnitude and the lowest set bit (infinity: all zeros) of every column of w * x, X being (n * d,)."""
    weighted = weights.size > 0
    together = 1 if weighted or d >= LANES else fill_vectors(d)
    columns = d * together + weighted
    largest, lowest = private(threads, columns, np.float64), private(threads, columns, np.float64)
    column_range(threads, X, weights, d, together, largest, lowest)
    largest = largest[:, :columns].reshape(-1, d + weighted).max(axis=0)
    return largest, lowest[:, :columns].reshape(-1, d + weighted).min(axis=0)


def planned(threads, X, weights, d):
    """The `fixed_point.Plan` for the columns of the weighted rows of X (n * d,), from one read of it."""
    return plan(*column_ranges(threads, X, weights, d))


def sampled_frame(X, farthest):
    """The `scaling.frame` of a sample of the rows of X."""
    return scaling.frame(X[:: -(-len(X) // 1024)], farthest)


@kernel
def column_sums(
    task,
    tasks,
    X: Floats,  #       IN    (n * d,)
    d,
    together,  #              rows whose d * together elements count as so many columns; 1 if limbs are more
    totals: Totals,  #  OUT   of d * together columns; the sum is in the first d, the rows are not counted
    limbs,  #                 from `fixed_point.Plan`, as are these, repeated `together` times:
    up,
    up_rest,
    down,
):
    """The exact sum of all rows. O(n d limbs).

    Mapping: where there is one limb and rows together fill whole vectors, lanes are columns, and a block's sums stay in
    registers; else row by row.
    """
    sums = accumulators(totals, task, limbs, up, up_rest, down)
    pending, high, low, unspilled, _, _, _, _, _ = sums
    width, step = d * together, lanes(up)
    clear(sums, 0, 1, width)
    first, stop = share(task, tasks, X.size // d)
    while limbs == 1 and width % step == 0 and stop - first >= together:
        groups = min(_BLOCK, (stop - first) // together)
        for j in range(0, width, step):
            scale, rest, total = load(up, j), load(up_rest, j), load(pending, j)
            for g in range(groups):
                x = load_widened(X, (first + g * together) * d + j)
                shifted = fma(mul(x, scale), rest, splat(MAGIC))
                total = iadd(total, isub(bits_of(shifted), splat(MAGIC_BITS)))
            store(pending, j, total)
        unspilled[0] += groups
        if unspilled[0] > SPILL_ROWS - _BLOCK:  # so the few rows that are left below have room
            spill(pending, high, low, unspilled, 0, width)
        first += groups * together
    the_one, numbers = stack_array(_ROWS, np.int32), stack_array(_ROWS, np.int64)
    for r in range(_ROWS):
        the_one[r] = 0
    for start in range(first, stop, _ROWS):
        for r in range(_ROWS):
            numbers[r] = start + r
        add_rows(sums, Rows(X, up[:0], d), the_one, numbers, min(_ROWS, stop - start), 1)
    spill(pending, high, low, unspilled, 0, limbs * width)
    for j in range(d, width):
        high[j % d] += high[j]
        low[j % d] += low[j]


def column_totals(threads, X, d, plan):
    """`Totals` with the exact sum of all rows of X (n * d,); `plan` is of their columns."""
    together = fill_vectors(d) if plan.limbs == 1 else 1
    totals = Totals.zeros(threads, 1, d * together, plan.limbs)
    scales = (np.concatenate([scale] * together) for scale in (plan.up, plan.up_rest, plan.down))
    column_sums(threads, X, d, together, totals, plan.limbs, *scales)
    return totals
