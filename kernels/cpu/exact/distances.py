"""The contract's squared distance, and what is read off it: inertia, own distances, the distance table of `transform`.

D is ``acc = acc + t*t`` with ``t = x - c`` in float64, features in order, three roundings a step
(`kmeans_fast.reference.distance`). The order is per (row, centroid), so lanes and unrolling run across rows or
centroids and never along features.

Sums of D are exact: a float64 is split into the 32-bit halves of its significand, added to the two integer bins of its
exponent. No number of rows below 2**31 overflows a bin, and no order of additions changes one (Kulisch's accumulator,
by exponent).
"""

import math

import numpy as np

from ..machine.bits import bits_of
from ..machine.float_arrays import Floats, narrow, wide
from ..machine.host import VECTOR_BYTES
from ..machine.register_tiles import loads, squared_difference_update, store_tile, zeros_like
from ..machine.scratch import stack_array
from ..machine.simd import (
    add,
    element,
    fma,
    gather,
    gather_widened,
    lane_sum,
    lanes,
    lanes_of,
    load,
    load_widened,
    mul,
    splat,
    store,
    sub,
)
from ..machine.transposing import add_squared_differences, add_squared_differences_of_pairs
from ..runtime.jit import inlined, inner, kernel, share

EXPONENTS = 2048
_SIGNIFICAND = (1 << 52) - 1
_TABLE_VECTORS = 4
_TABLE_BLOCK = _TABLE_VECTORS * VECTOR_BYTES // 8
BLOCK = 256  # rows
# Relative differences that roundings may make of two sums of squares: of up to 2**11 features, and of more for each.
_NEAR, _NEAR_A_FEATURE = 2.0**-40, 2.0**-51
_VANISHING = 2.0**-900  # below, a sum of squares may have lost bits to underflow
_load_centroids = loads(_TABLE_VECTORS)


@inner
def squared_distance(X, offset, C, start, d):
    """D between the row at ``X[offset:]`` and the centroid at ``C[start:]``."""
    total = 0.0
    for j in range(d):
        t = np.float64(element(X, offset + j)) - np.float64(element(C, start + j))
        total = total + t * t
    return total


@inner
def squared(X, offset, C, start, d):
    """The squared distance between a row and a centroid, in float64 and any order."""
    s0 = s1 = s2 = s3 = splat(0.0)
    step, j = lanes_of(s0), 0
    while j + 4 * step <= d:
        t0 = sub(load_widened(X, offset + j), load_widened(C, start + j))
        t1 = sub(load_widened(X, offset + j + step), load_widened(C, start + j + step))
        t2 = sub(load_widened(X, offset + j + 2 * step), load_widened(C, start + j + 2 * step))
        t3 = sub(load_widened(X, offset + j + 3 * step), load_widened(C, start + j + 3 * step))
        s0, s1, s2, s3 = fma(t0, t0, s0), fma(t1, t1, s1), fma(t2, t2, s2), fma(t3, t3, s3)
        j += 4 * step
    while j + step <= d:
        t0 = sub(load_widened(X, offset + j), load_widened(C, start + j))
        s0 = fma(t0, t0, s0)
        j += step
    total = lane_sum(add(add(s0, s1), add(s2, s3)))
    while j < d:
        t = np.float64(element(X, offset + j)) - np.float64(element(C, start + j))
        total += t * t
        j += 1
    return total


@inlined
def is_nearer(X, offset, C, d, c, distance, label, least):
    """Whether centroid c, at the squared distance `distance`, is nearer by the contract than `label`, at `least`.

    Both are off by less than ``(d / 8 + 18) 2**-53`` of themselves (`squared`), and the contract's D by
    ``(d + 2) 2**-53``: they decide where they differ by more than twice the sum of these.
    """
    if abs(distance - least) > max(_NEAR, d * _NEAR_A_FEATURE) * least and least > _VANISHING:
        return distance < least
    distance, least = squared_distance(X, offset, C, c * d, d), squared_distance(X, offset, C, label * d, d)
    return distance < least or (distance == least and c < label)


@inner
def _add_rest(X, first, start, stop, C, starts, d, begin, out, at):
    """Complete D of the rows from `start` to `stop` of those from `first`, four rows side by side.

    ``out[at:]`` holds the sums of the features before `begin` (nothing if there are none); the others are added.
    """
    r = start
    while r + 4 <= stop:
        x0 = (first + r) * d
        x1, x2, x3 = x0 + d, x0 + 2 * d, x0 + 3 * d
        c0, c1, c2, c3 = starts[r], starts[r + 1], starts[r + 2], starts[r + 3]
        s0 = s1 = s2 = s3 = 0.0
        if begin > 0:
            s0, s1, s2, s3 = out[at + r], out[at + r + 1], out[at + r + 2], out[at + r + 3]
        for j in range(begin, d):
            t0 = np.float64(element(X, x0 + j)) - element(C, c0 + j)
            t1 = np.float64(element(X, x1 + j)) - element(C, c1 + j)
            t2 = np.float64(element(X, x2 + j)) - element(C, c2 + j)
            t3 = np.float64(element(X, x3 + j)) - element(C, c3 + j)
            s0, s1, s2, s3 = s0 + t0 * t0, s1 + t1 * t1, s2 + t2 * t2, s3 + t3 * t3
        out[at + r], out[at + r + 1], out[at + r + 2], out[at + r + 3] = s0, s1, s2, s3
        r += 4
    while r < stop:
        total = out[at + r] if begin > 0 else 0.0
        for j in range(begin, d):
            t = np.float64(element(X, (first + r) * d + j)) - element(C, starts[r] + j)
            total += t * t
        out[at + r] = total
        r += 1


@inner
def _add_rests(X, first, begun, rows, C, starts, d, whole, out, at):
    """Complete D of the rows up to `begun`, which have that of `whole` features, and compute that of the others."""
    if whole < d:
        _add_rest(X, first, 0, begun, C, starts, d, whole, out, at)
    _add_rest(X, first, begun, rows, C, starts, d, 0, out, at)


@inner
def block_distances(X, first, rows, C, starts, d, out, at):
    """D of rows from `first`, the r-th one to the centroid at ``C[starts[r]:]``, into ``out[at:]``.

    Lanes are rows: the order of a row's additions is the contract's. Two vectors of rows at a time, because additions
    wait for one another.
    """
    step = lanes(starts)
    whole, r = d - d % step, 0
    while r + 2 * step <= rows and whole > 0:
        s0 = s1 = splat(0.0)
        x0 = (first + r) * d
        for j in range(0, whole, step):
            s0 = add_squared_differences(s0, X, x0, d, C, starts, r, j)
            s1 = add_squared_differences(s1, X, x0 + step * d, d, C, starts, r + step, j)
        store(out, at + r, s0)
        store(out, at + r + step, s1)
        r += 2 * step
    if X.itemsize == 4:
        _add_rests(narrow(X), first, r, rows, C, starts, d, whole, out, at)
    else:
        _add_rests(wide(X), first, r, rows, C, starts, d, whole, out, at)


@inner
def pair_distances(X, offsets, C, starts, pairs, d, out):
    """D of pairs of a row at ``X[offsets[p]:]`` and a centroid at ``C[starts[p]:]``, into `out`.

    Lanes are pairs, as they are rows in `block_distances`. Pairs are taken two vectors at a time: the three arrays are
    as long as a whole number of these, and entries after the last pair must be offsets too.
    """
    step = lanes(starts)
    whole = d - d % step
    for p in range(0, pairs, 2 * step):
        s0 = s1 = splat(0.0)
        for j in range(0, whole, step):
            s0 = add_squared_differences_of_pairs(s0, X, offsets, C, starts, p, j, 0)
            s1 = add_squared_differences_of_pairs(s1, X, offsets, C, starts, p + step, j, 0)
        if 0 < whole < d:  # the last features, with some once more that have been added
            s0 = add_squared_differences_of_pairs(s0, X, offsets, C, starts, p, d - step, step + whole - d)
            s1 = add_squared_differences_of_pairs(s1, X, offsets, C, starts, p + step, d - step, step + whole - d)
        elif whole < d:
            row0, row1, c0, c1 = load(offsets, p), load(offsets, p + step), load(starts, p), load(starts, p + step)
            for j in range(d):
                t0 = sub(gather_widened(X, j, row0), gather(C, j, c0))
                t1 = sub(gather_widened(X, j, row1), gather(C, j, c1))
                s0, s1 = add(s0, mul(t0, t0)), add(s1, mul(t1, t1))
        store(out, p, s0)
        store(out, p + step, s1)


@inlined
def _own_starts(labels, first, rows, d, starts):
    for r in range(rows):
        starts[r] = np.int64(element(labels, first + r)) * d


@kernel
def own_distances(
    task,
    tasks,
    X: Floats,  # IN   (n * d,)
    C,  #         IN   (k * d,) float64
    labels,  #    IN   (n,) int32
    d,
    out,  #       OUT  (n,) float64
):
    """D of every row to the centroid it is labelled with. O(n d)."""
    n = labels.size
    start, stop = share(task, tasks, n)
    starts = stack_array(BLOCK, np.int64)
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        _own_starts(labels, first, rows, d, starts)
        block_distances(X, first, rows, C, starts, d, out, first)


@kernel
def inertia_bins(
    task,
    tasks,
    X: Floats,  # IN   (n * d,)
    weights,  #   IN   (n,) float64, or (0,): all ones
    C,  #         IN   (k * d,) float64
    labels,  #    IN   (n,) int32
    d,
    bins,  #      OUT  (tasks, 2, EXPONENTS) int64: low and high significand halves by exponent
):
    """Add every ``w * D`` (rounded once) to its bins; `bins_total` reads the sum. O(n d)."""
    n = labels.size
    weighted = weights.size > 0
    own, starts = stack_array(BLOCK, np.float64), stack_array(BLOCK, np.int64)
    low, high = bins[task, 0], bins[task, 1]
    start, stop = share(task, tasks, n)
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        _own_starts(labels, first, rows, d, starts)
        block_distances(X, first, rows, C, starts, d, own, 0)
        for r in range(rows):
            word = bits_of(weights[first + r] * own[r] if weighted else own[r])
            exponent = word >> 52
            significand = (word & _SIGNIFICAND) | (1 << 52 if exponent > 0 else 0)
            low[exponent] += significand & 0xFFFFFFFF
            high[exponent] += significand >> 32


def bins_total(bins):
    """The exact sum held in `bins`, in units of the least float64; NaN where there was an infinity or a NaN."""
    low, high = bins[0] if len(bins) == 1 else bins.sum(axis=0)
    if low[-1] | high[-1]:  # the exponent of infinity and NaN
        return math.nan
    used, total = np.flatnonzero(low | high), 0
    for exponent, lower, upper in zip(used.tolist(), low[used].tolist(), high[used].tolist()):
        total += ((upper << 32) + lower) << max(exponent - 1, 0)
    return total


def columns_padded(centroids):
    """Centroids as float64 columns (n_features, padded n_clusters), padded with zeros for `distance_table`."""
    k, d = centroids.shape
    columns = np.zeros((d, -(-k // _TABLE_BLOCK) * _TABLE_BLOCK))
    columns[:, :k] = centroids.T
    return columns


@kernel
def distance_table(
    task,
    tasks,
    X: Floats,  # IN   (n * d,)
    columns,  #   IN   (d * padded,) float64, see `columns_padded`
    d,
    padded,
    out,  #       OUT  (n, k) float32 or float64
    squared,  #  whether to leave out the square root
):
    """Distances of every row to every centroid: sqrt(D), rounded to out's dtype. O(n k d).

    Mapping: lanes are centroids, `_TABLE_VECTORS` vectors at a time, one row broadcast against them.
    """
    n, k = out.shape
    step = lanes(columns)
    buffer = stack_array(_TABLE_BLOCK, np.float64)
    zeros = zeros_like(_load_centroids(buffer, 0, step))
    for i in range(*share(task, tasks, n)):
        for c in range(0, k, _TABLE_BLOCK):
            acc = zeros
            for j in range(d):
                x = (splat(element(X, i * d + j)),)
                acc = squared_difference_update(acc, x, _load_centroids(columns, j * padded + c, step))
            store_tile(buffer, 0, step, acc)
            for q in range(min(_TABLE_BLOCK, k - c)):
                out[i, c + q] = buffer[q] if squared else math.sqrt(buffer[q])
