"""Exact sums of floating-point columns in integers.

A float is an integer times a power of two. Column j's quantum ``2**exponent[j]`` divides every value in it, so each
value is an integer multiple and their sum is exact in integer arithmetic, whatever the order: threads, chunks and
machines agree, and subtracting a row undoes adding it.

The integers are cut into limbs of LIMB bits (usually one: float32 data whose magnitudes span less than 2**26). An
accumulator adds up to SPILL_ROWS limbs in 64 bits and is then spilled into a pair ``high * 2**32 + low``, which no
feasible number of rows can overflow.

A value goes in from its top limb down, and stops when nothing of it is left: float32 data needs the lower limbs only
for its few tiny values. The conversion is a rounding trick: the low bits of the float64 ``x * 2**-exponent + MAGIC``
are the rounded integer. The long accumulator is Kulisch's; the trick is folklore (used, for one, in Lua).
"""

from typing import NamedTuple

import numpy as np

from ... import scaling
from ..machine.bits import bits_of
from ..machine.float_arrays import Floats
from ..machine.scratch import private_zeros
from ..machine.simd import (
    bits,
    element,
    fma,
    iadd,
    isub,
    lanes,
    load_lanes_widened,
    load_like,
    load_widened,
    mul,
    splat_like,
    store,
    sub,
    unequal,
)
from ..runtime.jit import inlined, inner, kernel, macro
from .rows import Rows

LIMB = 50
SPILL_ROWS = 1 << 12  # 2**50 * 2**12 < 2**63
MAGIC = 1.5 * 2.0**52
MAGIC_BITS = int(np.float64(MAGIC).view(np.int64))
LOW = (1 << 32) - 1


class Plan(NamedTuple):
    """How the columns of a data set are cut into limbs; column `d`, if there, is the weights themselves."""

    exponent: np.ndarray  # (columns,) int64: the quantum of each column is 2**exponent
    limbs: int  # limbs a value, the same for all columns
    up: np.ndarray  # (limbs * columns,): value * up * up_rest is the value in units of the limb
    up_rest: np.ndarray
    down: np.ndarray  # (limbs * columns,): the unit of the limb

    @property
    def arguments(self):
        """What kernels take of it."""
        return self.limbs, self.up, self.up_rest, self.down


def plan(largest, lowest_bit):
    """The limbs for columns whose largest magnitude and lowest set bit are given (`scaling.limbs`)."""
    exponent, limbs = scaling.limbs(largest, lowest_bit, LIMB)
    unit = exponent + LIMB * np.arange(limbs)[:, None]
    # Limbs above the top of a column near the smallest floats stay zero; any unit within the float range serves them.
    unit = np.minimum(unit, 1000)
    up = np.minimum(-unit, 1000)
    return Plan(
        exponent, limbs, np.ldexp(1.0, up).ravel(), np.ldexp(1.0, -unit - up).ravel(), np.ldexp(1.0, unit).ravel()
    )


NO_SUMS = plan(np.zeros(1), np.zeros(1))  # where a kernel's sums are left as they are


class Totals(NamedTuple):
    """Private accumulators of each thread for `rows` sums; a sum's cells are ordered (limb, column)."""

    pending: np.ndarray  # (threads, rows * limbs * columns) int64: limbs added since the last spill
    high: np.ndarray  # the spilled part, high * 2**32 + low
    low: np.ndarray
    unspilled: np.ndarray  # (threads, rows) int64: values added to `pending` or taken from it
    count: np.ndarray  # (threads, rows) int64: values added less values taken away

    @classmethod
    def zeros(cls, threads, rows, columns, limbs):
        cells = rows * columns * limbs
        return cls(*private_zeros(threads, (cells, cells, cells, rows, rows), np.int64))


@inner
def spill(pending, high, low, unspilled, row, cells):
    """Move the pending limbs of the sum `row` into its (high, low) pairs; all arrays are one thread's."""
    for i in range(row * cells, (row + 1) * cells):
        value = pending[i]
        high[i] += value >> 32
        low[i] += value & LOW
        pending[i] = 0
    unspilled[row] = 0


class Accumulators(NamedTuple):
    """One thread's part of `Totals`, and of the `Plan` what is needed to add to it."""

    pending: np.ndarray  # this and the next four as those of `Totals`, without their first axis
    high: np.ndarray
    low: np.ndarray
    unspilled: np.ndarray
    count: np.ndarray
    limbs: int  # these four from `Plan`
    up: np.ndarray
    up_rest: np.ndarray
    down: np.ndarray


@macro
def accumulators(totals, thread, limbs, up, up_rest, down):
    """The `Accumulators` of a thread."""
    return Accumulators(
        totals.pending[thread], totals.high[thread], totals.low[thread], totals.unspilled[thread], totals.count[thread],
        limbs, up, up_rest, down,
    )  # fmt: skip


@inlined
def clear(sums, first, stop, columns):
    """Make the sums [first, stop) of these `Accumulators` zero; `columns` are those of X and of the weights, if any."""
    cells = sums.limbs * columns
    for i in range(first * cells, stop * cells):
        sums.pending[i] = sums.high[i] = sums.low[i] = 0
    for row in range(first, stop):
        sums.unspilled[row] = sums.count[row] = 0


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
def _add_vector(pending, base, x, weight, column, columns, limbs, up, up_rest, down):
    """As `_add_value`, for a vector of neighbouring columns, times their row's weight."""
    value, magic = mul(x, splat_like(x, weight)), splat_like(x, MAGIC)
    for limb in range(limbs - 1, -1, -1):
        at = limb * columns + column
        shifted = fma(mul(value, load_like(up, at, value)), load_like(up_rest, at, value), magic)
        limb_value = isub(bits_of(shifted), splat_like(value, MAGIC_BITS))
        store(pending, base + at, iadd(load_like(pending, base + at, value), limb_value))
        if limb > 0:
            value = sub(value, mul(sub(shifted, magic), load_like(down, at, value)))
            if bits(unequal(value, splat_like(value, 0.0))) == 0:
                break


@inlined
def _add_row(pending, base, X, offset, d, weight, columns, limbs, up, up_rest, down):
    """Add a row times its weight to a sum: in whole vectors, the columns that are left four, two and one at a time."""
    step, j = lanes(up), 0
    while j + step <= d:
        x = load_widened(X, offset + j)
        _add_vector(pending, base, x, weight, j, columns, limbs, up, up_rest, down)
        j += step
    if (d - j) & 4:
        four = load_lanes_widened(X, offset + j, 4)
        _add_vector(pending, base, four, weight, j, columns, limbs, up, up_rest, down)
        j += 4
    if (d - j) & 2:
        two = load_lanes_widened(X, offset + j, 2)
        _add_vector(pending, base, two, weight, j, columns, limbs, up, up_rest, down)
        j += 2
    if j < d:
        _add_value(pending, base, weight * element(X, offset + j), j, columns, limbs, up, up_rest, down)


@inner
def _add_plain_rows(sums, X, d, clusters, numbers, count, sign):
    """`add_rows` for the commonest case: one limb, no weights."""
    for r in range(count):
        row = np.int64(element(clusters, r))
        at = element(numbers, r) * d
        _add_row(sums.pending, row * d, X, at, d, np.float64(sign), d, 1, sums.up, sums.up_rest, sums.down)
        sums.unspilled[row] += 1
        sums.count[row] += sign
        if sums.unspilled[row] == SPILL_ROWS:
            spill(sums.pending, sums.high, sums.low, sums.unspilled, row, d)


@inner
def add_rows(
    sums,  #       INOUT Accumulators
    rows,  #       IN    Rows
    clusters,  #   IN    int32: the sum that each row belongs to
    numbers,  #    IN    int64: the number of each row in X
    count,  #            how many of them
    sign,  #             1 to add the rows, -1 to take them away again
):
    """Add ``sign * w * x`` (one rounding) of some rows to the sums of their clusters. O(count d limbs)."""
    X, weights, d = rows
    weighted = weights.size > 0
    columns = d + 1 if weighted else d
    if sums.limbs == 1 and not weighted:
        _add_plain_rows(sums, X, d, clusters, numbers, count, sign)
        return
    pending, _, _, _, _, limbs, up, up_rest, down = sums
    for r in range(count):
        row = np.int64(element(clusters, r))
        base = row * columns * limbs
        weight = sign * weights[numbers[r]] if weighted else np.float64(sign)
        _add_row(pending, base, X, element(numbers, r) * d, d, weight, columns, limbs, up, up_rest, down)
        if weighted:
            _add_value(pending, base, weight, d, columns, limbs, up, up_rest, down)
        sums.unspilled[row] += 1
        sums.count[row] += sign
        if sums.unspilled[row] == SPILL_ROWS:
            spill(pending, sums.high, sums.low, sums.unspilled, row, columns * limbs)


@inlined
def move_rows(
    sums,  #       INOUT Accumulators
    rows,  #       IN    Rows
    sources,  #    IN    int32: the sum that loses each row
    targets,  #    IN    int32: the sum that gains it
    numbers,  #    IN    int64: the number of each row in X
    count,  #            how many of them
):
    """Take rows from some sums and add them to others. O(count d limbs)."""
    for sign in range(-1, 2, 2):
        add_rows(sums, rows, sources if sign < 0 else targets, numbers, count, sign)


@kernel
def relocate(
    task,
    tasks,  #          1
    totals: Totals,  # INOUT thread 0's are used
    X: Floats,  #  IN    (n * d,)
    numbers,  #  IN    (rows,) int64
    d,
    weights,  #  IN    (n,) float64, or (0,): all ones
    sources,  #  IN    (rows,) int32: the sum that loses each row
    targets,  #  IN    (rows,) int32: the sum that gains it
    limbs,  #          these four from Plan
    up,
    up_rest,
    down,
):
    """Move data rows from sum to sum, whatever their labels."""
    sums = accumulators(totals, 0, limbs, up, up_rest, down)
    move_rows(sums, Rows(X, weights, d), sources, targets, numbers, numbers.size)
