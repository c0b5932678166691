"""What is read off the data before a fit: the magnitudes that the fixed-point plan and the limits need.

Cost: reads n*d once.
"""

import numpy as np

from .. import scaling
from .fixed_point import add_rows, clear, lowest_set_bit, plan
from .jit import kernel, share
from .scratch import private, stack_array
from .words import bits_of

_TOGETHER = 256  # rows added at a time
NONE = 0x7FFFFFFFFFFFFFFF


@kernel
def column_range(
    task,
    tasks,
    X,  #        IN   (n * d,)
    weights,  #  IN   (n,) float64, or (0,): all ones
    d,
    largest,  #  OUT  (tasks, columns or more) int64, the bits of a float64: max abs(w * x); column d, if there, is w
    lowest,  #   OUT  (tasks, columns or more) int64, as well: the least set bit of any w * x, or NONE where all are zero
):
    """Largest magnitude and lowest set bit of every column, per task.

    Non-negative floats order as their bit patterns do, so both are integer maxima and minima that LLVM vectorises.
    """
    n = X.size // d
    weighted = weights.size > 0
    high, low = largest[task], lowest[task]
    for j in range(d + 1 if weighted else d):
        high[j], low[j] = 0, NONE
    for i in range(*share(task, tasks, n)):
        w = weights[i] if weighted else 1.0
        for j in range(d):
            value = w * np.float64(X[i * d + j])
            high[j] = max(high[j], bits_of(value) & NONE)
            lowest_bit = bits_of(lowest_set_bit(value))
            low[j] = min(low[j], NONE if lowest_bit == 0 else lowest_bit)
        if weighted:
            high[d] = max(high[d], bits_of(w) & NONE)
            lowest_bit = bits_of(lowest_set_bit(w))
            low[d] = min(low[d], NONE if lowest_bit == 0 else lowest_bit)


def planned(threads, X, weights, d):
    """The `fixed_point.Plan` for the columns of the weighted rows of X (n * d,), from one read of it."""
    columns = d + (weights.size > 0)
    largest, lowest = private(threads, columns, np.int64), private(threads, columns, np.int64)
    column_range(threads, X, weights, d, largest, lowest)
    largest, lowest = largest[:, :columns].max(axis=0), lowest[:, :columns].min(axis=0)
    lowest[lowest == NONE] = 0
    return plan(largest.view(np.float64), lowest.view(np.float64))


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
