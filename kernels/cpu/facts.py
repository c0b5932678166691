"""What is read off the data before a fit: the magnitudes that the fixed-point plan and the limits need.

Cost: reads n*d once.
"""

import math

import numpy as np

from .. import scaling
from . import host
from .fixed_point import add_rows, clear, lowest_set_bit, plan
from .jit import inlined, kernel, share
from .scratch import private, stack_array
from .simd import lanes, load, load_widened, maximum, minimum, mul, splat, store
from .words import lowest_set_bits, magnitude

_TOGETHER = 256  # rows added at a time
_BLOCK = 16  # rows looked at before the next vector of columns: they stay in L1


@inlined
def _widen_range(largest, lowest, j, value):
    """Take a value into the range of column j."""
    magnitude, lowest_bit = abs(value), lowest_set_bit(value)
    largest[j] = max(largest[j], magnitude)
    if lowest_bit > 0.0:
        lowest[j] = min(lowest[j], lowest_bit)


@kernel
def column_range(
    task,
    tasks,
    X,  #         IN   (n * d,)
    weights,  #   IN   (n,) float64, or (0,): all ones
    d,
    together,  #       rows whose d * together elements count as so many columns
    largest,  #   OUT  (tasks, columns or more) float64: max abs(w * x); in the column after these, if there, of w
    lowest,  #    OUT  (tasks, columns or more) float64, as well: the least set bit of any w * x, infinity where all are zero
):
    """Largest magnitude and lowest set bit of every column, per task.

    Mapping: lanes are columns, a few rows before the next ones. What is left of a row, or of the rows that count as one, overlaps what was looked at
    before: that changes no maximum.
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
                _widen_range(high, low, j, w * np.float64(X[i * d + j]))
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
                    most, least = maximum(magnitude(x), most), minimum(lowest_set_bits(x), least)
                store(high, at, most)
                store(low, at, least)
    if weighted:
        for i in range(first, stop):
            _widen_range(high, low, width, weights[i])


def planned(threads, X, weights, d):
    """The `fixed_point.Plan` for the columns of the weighted rows of X (n * d,), from one read of it."""
    lanes, weighted = host.VECTOR_BYTES // 8, weights.size > 0
    together = 1 if weighted or d >= lanes else lanes // math.gcd(d, lanes)
    columns = d * together + weighted
    largest, lowest = private(threads, columns, np.float64), private(threads, columns, np.float64)
    column_range(threads, X, weights, d, together, largest, lowest)
    largest = largest[:, :columns].reshape(-1, d + weighted).max(axis=0)
    lowest = lowest[:, :columns].reshape(-1, d + weighted).min(axis=0)
    lowest[np.isinf(lowest)] = 0
    return plan(largest, lowest)


def sampled_frame(X, farthest):
    """The `scaling.frame` of a sample of the rows of X."""
    return scaling.frame(X[:: -(-len(X) // 1024)], farthest)


@kernel
def column_sums(
    task,
    tasks,
    X,  #        IN   (n * d,)
    weights,  #  IN   (n,) float64, or (0,): all ones
    d,
    totals,  #   OUT  Totals of one sum
    limbs,  #         these four from `fixed_point.Plan`
    up,
    up_rest,
    down,
):
    """The exact sum of all rows. O(n d limbs)."""
    pending, high, low = totals.pending[task], totals.high[task], totals.low[task]
    unspilled, count = totals.unspilled[task], totals.count[task]
    clear(pending, high, low, unspilled, count, 0, 1, limbs * (d + 1 if weights.size > 0 else d))
    the_one, numbers = stack_array(_TOGETHER, np.int32), stack_array(_TOGETHER, np.int64)
    for r in range(_TOGETHER):
        the_one[r] = 0
    first, stop = share(task, tasks, X.size // d)
    for start in range(first, stop, _TOGETHER):
        for r in range(_TOGETHER):
            numbers[r] = start + r
        add_rows(
            pending, high, low, unspilled, count, the_one, numbers, min(_TOGETHER, stop - start),
            X, d, weights, 1, limbs, up, up_rest, down,
        )  # fmt: skip
