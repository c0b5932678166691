"""Silhouettes: the mean distance of every row to the rows of every cluster, and what Rousseeuw made of it.

Mapping    Lanes are rows: a block of them is transposed into float64 columns. The other rows come cluster by cluster, a
           panel at a time, and each is broadcast against a tile of rows, so that sums of distances stay in registers.
Maths      The contract is `kmeans_fast.backends.silhouettes`: sqrt(D) is rounded to a multiple of a power of two, the
           unit of its row and cluster, by adding MAGIC units; then the words of the floats are integers that differ by
           multiples of the unit, and are summed as such. What they have too much, the word of MAGIC units for each
           row, is taken away beforehand. All is modulo 2**64, and the sums fit.
Order      Sums are of integers: they have none.
Cost       n^2 (3 d + 3) vector instructions for `lanes` pairs each, a third of them beside the others; no distance is
           stored. Memory of a task: `room` floats.
Limits     n < 2**31; values at most 2**480 in magnitude.

Rousseeuw (1987).
"""

import numpy as np

from ..machine.bits import bits_of, float_of
from ..machine.float_arrays import Floats, narrow, wide
from ..machine.host import CENTROIDS, VECTOR_BYTES, VECTOR_REGISTERS
from ..machine.product_sums import product_sums
from ..machine.register_tiles import (
    loads,
    root_words_update,
    splats,
    store_tile,
    tile_rows,
    zeros_like,
)
from ..machine.scratch import private
from ..machine.simd import add, element, lanes, load, maximum, mul, splat, square_root, store, sub
from ..machine.vectors import emit_squared_difference
from ..runtime.jit import inlined, inner, kernel, share

_VECTORS = VECTOR_REGISTERS // 8  # of rows in a tile: differences need registers too
ROWS = _VECTORS * VECTOR_BYTES // 8
_POINT_BYTES, _PANEL_BYTES = 1 << 17, 1 << 14  # of a block of rows, in L2, and of a panel of other rows, in L1
_LEAST_EXPONENT = 128  # biased; below that of any distance but zero
_HALF = 1 << 51  # the significand of 1.5, in a float's word

_load_points = loads(_VECTORS)
_splat_several = splats(CENTROIDS)
_distances = product_sums(_VECTORS, CENTROIDS, emit=emit_squared_difference)
_distances_to_one = product_sums(_VECTORS, 1, emit=emit_squared_difference)


@inner
def _transpose(X, start, rows, d, points):
    """Rows from `start` on as tiles of columns; the last one is repeated until a tile is full."""
    for r in range(-(-rows // ROWS) * ROWS):
        x = (start + min(r, rows - 1)) * d
        at = r // ROWS * ROWS * d + r % ROWS
        for j in range(d):
            points[at + j * ROWS] = element(X, x + j)


@inner
def _pack(X, order, start, width, d, panel):
    """The other rows in places from `start` on, row by row."""
    for p in range(width):
        x = np.int64(element(order, start + p)) * d
        for j in range(d):
            panel[p * d + j] = element(X, x + j)


@inlined
def _add_panel(points, at, d, panel, width, r, magics, sums):
    """Add the distances of a tile of rows to the other rows in a panel."""
    step = lanes(points)
    magic, total = _load_points(magics, r, step), _load_points(sums, r, step)
    none_of_several = zeros_like(tile_rows(magic, _splat_several(panel, 0, 1)))
    none_of_one = zeros_like(magic)
    grouped = width - width % CENTROIDS
    for p in range(0, grouped, CENTROIDS):
        total = root_words_update(total, _distances(none_of_several, points, at, panel, p * d, d, d), magic)
    for p in range(grouped, width):
        total = root_words_update(total, _distances_to_one(none_of_one, points, at, panel, p * d, d, d), magic)
    store_tile(sums, r, step, total)


@inner
def _begin_sums(points, rows, d, low, high, box, count, bits, magics, sums):
    """The MAGIC units of every row beside the cluster with this box, and its sum before the first distance.

    No D is above that to the farthest corner of the box: all its roundings are monotone.
    """
    step = lanes(points)
    for r in range(0, -(-rows // ROWS) * ROWS, step):
        at, total = r // ROWS * ROWS * d + r % ROWS, splat(0.0)
        for j in range(d):
            x = load(points, at + j * ROWS)
            t = maximum(sub(x, splat(low[box + j])), sub(splat(high[box + j]), x))
            total = add(total, mul(t, t))
        store(magics, r, square_root(total))
    for r in range(-(-rows // ROWS) * ROWS):
        exponent = max(bits_of(magics[r]) >> 52, _LEAST_EXPONENT)
        word = ((exponent + 53 - bits) << 52) | _HALF
        magics[r], sums[r] = float_of(word), -count * word


@inner
def _mean(total, magic, count):
    """The sum, a number of units, as a mean distance."""
    unit = float_of(((bits_of(magic) >> 52) - 52) << 52)
    return np.float64(total) * unit / np.float64(count)


@kernel
def fill_boxes(
    task,
    tasks,
    X: Floats,  # IN (n * d,)
    d,
    order,  #   IN   (n,) int32: the rows, cluster by cluster
    starts,  #  IN   (k + 1,) int64: places of the clusters in `order`
    low,  #     OUT  (k * d,) float64: the least values of each cluster
    high,  #    OUT  (k * d,) float64: and the largest
):
    """The box around every cluster. O(n d)."""
    for c in range(*share(task, tasks, starts.size - 1)):
        for j in range(c * d, (c + 1) * d):
            low[j], high[j] = np.inf, -np.inf
        for p in range(starts[c], starts[c + 1]):
            x = np.int64(order[p]) * d
            for j in range(d):
                value, at = element(X, x + j), c * d + j
                low[at], high[at] = min(low[at], value), max(high[at], value)


def boxes(tasks, X, d, order, starts):
    """The least and the largest values (k * d,) of every cluster, for `silhouettes`."""
    clusters = len(starts) - 1
    low, high = np.empty((2, clusters * d))
    fill_boxes(min(tasks, clusters), X, d, order, starts, low, high)
    return low, high


@kernel
def silhouettes(
    task,
    tasks,
    X: Floats,  # IN (n * d,)
    d,
    first,  #        row, and the one after the last, whose silhouettes are wanted
    last,
    labels,  #  IN   (n,) int32
    order,  #   IN   (n,) int32: the rows, cluster by cluster
    starts,  #  IN   (k + 1,) int64: places of the clusters in `order`
    bits,  #    IN   (k,) int64: of a distance in units, see `kmeans_fast.backends.silhouettes`
    low,  #     IN   (k * d,) float64: the box around each cluster
    high,  #    IN   (k * d,) float64
    size,  #         of a block of rows, whole tiles
    width,  #        of a panel of other rows, whole groups
    memory,  #       (tasks, room or more) float64
    sums,  #         (tasks, size or more) int64
    out,  #     OUT  (n,) float64
):
    """The silhouettes of some rows."""
    own_memory, own_sums = memory[task], sums[task]
    points, panel = own_memory[: size * d], own_memory[size * d : (size + width) * d]
    rest = own_memory[(size + width) * d :]
    magics, inside, outside = rest[:size], rest[size : 2 * size], rest[2 * size : 3 * size]
    clusters, blocks = starts.size - 1, -(-(last - first) // size)
    begin, end = share(task, tasks, blocks)
    for block in range(begin, end):
        start = first + block * size
        rows = min(size, last - start)
        _transpose(X, start, rows, d, points)
        for r in range(rows):
            outside[r] = np.inf
        for c in range(clusters):
            others = starts[c + 1] - starts[c]
            _begin_sums(points, rows, d, low, high, c * d, others, bits[c], magics, own_sums)
            for p in range(starts[c], starts[c + 1], width):
                count = min(width, starts[c + 1] - p)
                if X.itemsize == 4:
                    _pack(narrow(X), order, p, count, d, panel)
                else:
                    _pack(wide(X), order, p, count, d, panel)
                for r in range(0, rows, ROWS):
                    _add_panel(points, r * d, d, panel, count, r, magics, own_sums)
            for r in range(rows):
                if labels[start + r] == c:
                    inside[r] = _mean(own_sums[r], magics[r], max(others - 1, 1))
                else:
                    outside[r] = min(outside[r], _mean(own_sums[r], magics[r], others))
        for r in range(rows):
            c = labels[start + r]
            larger = max(inside[r], outside[r])
            alone = starts[c + 1] - starts[c] == 1
            out[start + r] = 0.0 if alone or larger == 0.0 else (outside[r] - inside[r]) / larger


def sizes(n, d, tasks):
    """Rows of a block and of a panel."""
    fitting, sharing = _POINT_BYTES // (8 * d * ROWS), -(-n // (4 * tasks * ROWS))
    return ROWS * max(1, min(fitting, sharing)), CENTROIDS * max(1, _PANEL_BYTES // (8 * d * CENTROIDS))


def room(tasks, size, width, d):
    """Memory and sums of the tasks."""
    return private(tasks, (size + width) * d + 3 * size, np.float64), private(tasks, size, np.int64)
