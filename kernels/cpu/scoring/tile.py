"""A tile of rows against every centroid: packed, scored, settled. The parts that the assignment kernels are made of.

Maths      argmin |x - c|^2 = argmax of the score x'c' - |c'|^2 / 2, where x' = (x - shift) * scale and c' likewise, in
           float32 for any dtype of X. The shift (the mean of the centroids) removes the cancellation that ruins the
           expanded form on data far from the origin.
Precision  Certify, then recheck. A score is not below the true one less alpha |x'|^2, and above it by at most that and
           what the centroid's norm allows (`packing.pack`). A row whose best score leads the runner-up by more than
           both, its margin, has the contract's label. The others, open rows, are settled with the contract's D on every
           centroid that the bound cannot exclude.
Ties       Equal D: the lowest index, in the recheck; a tie is never certified.
Cost       2 n k d flops plus 5 vector operations a (vector of rows, centroid) for the top two. Segments of SEGMENT
           features keep errors from growing with d. Every centroid is read once a tile, from L2 for k*d up to about
           2**18.

The register tile follows BLIS; the fused argmin, FAISS' fused kernels for d <= 32; certification by an error bound, the
filters of computational geometry (Shewchuk, 1997).
"""

from typing import NamedTuple

import numpy as np

from ..exact.distances import is_nearer, squared, squared_distance
from ..machine.bits import trailing_zeros
from ..machine.float_arrays import narrow, wide
from ..machine.host import CENTROIDS, POINT_VECTORS, VECTOR_BYTES
from ..machine.product_sums import product_sums
from ..machine.register_tiles import (
    add_tiles,
    loads,
    negative_infinity_like,
    rank1_update,
    splats,
    square_update,
    store_tile,
    tile_rows,
    top2,
    zeros_like,
)
from ..machine.scratch import private, stack_array
from ..machine.simd import (
    bits,
    fma,
    gather,
    greater,
    lane_sum,
    load,
    load_like,
    mul,
    narrowed,
    prefetch,
    select,
    splat,
    splat_like,
    square_root,
    store,
    sub,
)
from ..machine.transposing import load_transposed, load_transposed_rows
from ..runtime.jit import inlined, inner, macro

LANES = VECTOR_BYTES // 4
ROWS = POINT_VECTORS * LANES
SEGMENT = 128  # features: a segment of the tile is 32 KB
BLOCK = 8 * CENTROIDS  # centroids scored together where features are cut into segments: 8 KB of partial scores
EVERY_LANE = np.uint64((1 << LANES) - 1)
_EVERY_ROW = np.uint64((1 << ROWS) - 1)
CACHE_LINE = 64
_WORTH_PREFETCHING = 8  # features: tiles of shorter rows are over before a prefetch is
_SUMS = CENTROIDS * LANES
_SCAN_ALL = 32  # below this many features a recheck computes D to every centroid; above, it filters by score first

UP, DOWN = np.float32(1 + 2.0**-20), np.float32(1 - 2.0**-20)  # more than the roundings of a few operations
TINY = np.float32(2.0**-100)

_load_points = loads(POINT_VECTORS)
_splat_centroids = splats(CENTROIDS)
_load_scores = loads(POINT_VECTORS * CENTROIDS)
_load_point = loads(1)
_load_centroids = loads(CENTROIDS)
add_products = product_sums(POINT_VECTORS, CENTROIDS)
_fold_top2 = top2(POINT_VECTORS)


class Workspace(NamedTuple):
    """What a task needs to settle one tile after another."""

    tile: np.ndarray  # (d * ROWS,) float32: features by points
    best: np.ndarray  # (ROWS,) float32: this and the next two as `score` leaves them
    second: np.ndarray
    index: np.ndarray  # (ROWS,) int32
    norms: np.ndarray  # (ROWS,) float32: |x'|^2
    margin: np.ndarray  # (ROWS,) float32: what the best score must lead by
    scratch: np.ndarray  # (BLOCK * ROWS,) float32
    point: np.ndarray  # (d,) float32, or longer


def workspaces(tasks, d):
    """Memory for the workspaces of all tasks."""
    return private(tasks, (d + BLOCK) * ROWS + d, np.float32)


@macro
def workspace(row, d):
    """A `Workspace` in a task's row of `workspaces`."""
    return Workspace(
        row[: d * ROWS],
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.int32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        row[d * ROWS : d * ROWS + BLOCK * ROWS],
        row[d * ROWS + BLOCK * ROWS :],
    )


@inner
def row_steps(first, last, d, steps):
    """Where in X the ROWS rows from `first` begin, from the first on; rows past `last` repeat it."""
    for r in range(ROWS):
        steps[r] = (min(first + r, last) - first) * d


@inlined
def _pack_rest(X, base, at, j, d, v, shift, scale, tile):
    """The features from j on of the vector v of rows, by gathers: they begin at ``X[base + at]``."""
    while j < d:
        x = sub(gather(X, base + j, at), splat_like(at, shift[j]))
        store(tile, j * ROWS + v, narrowed(mul(x, splat_like(at, scale))))
        j += 1


@inlined
def _pack_points(X, first, used, d, steps, shift, scale, tile):
    """See `pack_points`, of an array."""
    for v in range(0, ROWS, LANES):
        at = load(steps, v)
        j = 0
        if used == ROWS:
            while j + LANES <= d:
                offsets = load_like(shift, j, at)
                block = load_transposed(X, (first + v) * d + j, d, offsets, scale)
                store_tile(tile, j * ROWS + v, ROWS, block)
                j += LANES
        _pack_rest(X, first * d, at, j, d, v, shift, scale, tile)


@inlined
def _pack_listed(X, offsets, d, shift, scale, tile):
    """See `pack_listed`, of an array."""
    for v in range(0, ROWS, LANES):
        width = load(tile, v)
        at = load_like(offsets, v, width)
        j = 0
        while j + LANES <= d:
            moved = load_like(shift, j, width)
            store_tile(tile, j * ROWS + v, ROWS, load_transposed_rows(X, offsets, v, j, moved, scale))
            j += LANES
        _pack_rest(X, 0, at, j, d, v, shift, scale, tile)


@inlined
def pack_points(X, first, used, d, steps, shift, scale, tile):
    """The tile ``(x - shift) * scale`` of the ROWS rows from `first`, transposed: features by points.

    A full tile goes by square blocks in registers; the last features and a tile of fewer than ROWS rows are gathered.
    """
    if X.itemsize == 4:
        _pack_points(narrow(X), first, used, d, steps, narrow(shift), np.float32(scale), tile)
    else:
        _pack_points(wide(X), first, used, d, steps, wide(shift), scale, tile)


@inlined
def pack_listed(X, offsets, d, shift, scale, tile):
    """As `pack_points`, for rows anywhere: row r of the tile begins at ``X[offsets[r]:]``."""
    if X.itemsize == 4:
        _pack_listed(narrow(X), offsets, d, narrow(shift), np.float32(scale), tile)
    else:
        _pack_listed(wide(X), offsets, d, wide(shift), scale, tile)


@inlined
def score(tile, d, packed, half_norms, best, second, index, scratch, X, ahead):
    """The two best scores and the best index of each point of the tile.

    Meanwhile the rows of the next tile, from ``X[ahead:]``, come to L2.

    Above SEGMENT features, a block of centroids is scored segment by segment, so that the segment of the tile stays in
    L1; the partial scores wait in `scratch`.
    """
    line = CACHE_LINE // X.itemsize
    steps = half_norms.size // CENTROIDS * -(-d // SEGMENT)
    lines = -(-ROWS * d // (steps * line)) if d >= _WORTH_PREFETCHING else 0
    for first in range(0, half_norms.size, BLOCK):
        last = min(first + BLOCK, half_norms.size)
        for start in range(0, d, SEGMENT):
            stop = min(d, start + SEGMENT)
            for c in range(first, last, CENTROIDS):
                at = (c - first) * ROWS
                for _ in range(lines):
                    prefetch(X, ahead)
                    ahead += line
                scores = tile_rows(_load_points(tile, 0, LANES), _splat_centroids(half_norms, c, 1))
                if start > 0:
                    scores = zeros_like(scores)
                scores = add_products(scores, tile, start * ROWS, packed, c * d + start, d, stop - start)
                if start > 0:
                    scores = add_tiles(_load_scores(scratch, at, LANES), scores)
                if stop == d:
                    _fold_top2(best, second, index, scores, c)
                else:
                    store_tile(scratch, at, LANES, scores)


@inlined
def open_rows(tile, d, best, second, index, half_norms, bound, norms, margin):
    """Bit r set where point r is not settled; |x'|^2 in ``norms[r]`` and the margin in ``margin[r]``."""
    found = np.uint64(0)
    squares = zeros_like(_load_points(tile, 0, LANES))
    for j in range(d):
        squares = square_update(squares, _load_points(tile, j * ROWS, LANES))
    store_tile(norms, 0, LANES, squares)
    zero = splat(np.float32(0))
    for v in range(0, ROWS, LANES):
        half_norm = sub(zero, gather(half_norms, 0, load(index, v)))
        own = fma(select(greater(half_norm, zero), half_norm, zero), splat(bound[1]), splat(bound[2]))
        needed = fma(load(norms, v), splat(bound[0]), own)
        store(margin, v, needed)
        settled = greater(sub(load(best, v), load(second, v)), needed)
        found |= np.uint64(bits(settled)) << np.uint64(v)
    return ~found & _EVERY_ROW


@inner  # seldom called, and long
def recheck(X, offset, d, exact, k, tile, r, packed, half_norms, threshold, point):
    """The contract's label of one row: least D, lowest index, among the centroids whose score reaches `threshold`."""
    label, least = 0, np.inf
    if d < _SCAN_ALL:
        for c in range(k):
            distance = squared_distance(X, offset, exact, c * d, d)
            if distance < least:
                label, least = c, distance
        return label
    for j in range(d):
        point[j] = tile[j * ROWS + r]
    sums = stack_array(_SUMS, np.float32)
    label, least = -1, np.inf
    for first in range(0, half_norms.size, CENTROIDS):
        totals, j = zeros_like(_load_centroids(packed, first * d, 0)), 0
        while j + LANES <= d:  # in segments too: the bound on the error is for chains no longer than theirs
            part, stop = zeros_like(totals), min(d, j + SEGMENT * LANES)
            while j + LANES <= stop:
                part = rank1_update(part, _load_point(point, j, 0), _load_centroids(packed, first * d + j, d))
                j += LANES
            totals = add_tiles(totals, part)
        store_tile(sums, 0, LANES, totals)
        for c in range(first, min(first + CENTROIDS, k)):
            score = half_norms[c] + lane_sum(load(sums, (c - first) * LANES))
            for rest in range(j, d):
                score += point[rest] * packed[c * d + rest]
            if not (score < threshold):  # NaN, where float32 overflowed, excludes nothing
                distance = squared(X, offset, exact, c * d, d)
                if label < 0 or is_nearer(X, offset, exact, d, c, distance, label, least):
                    label, least = c, distance
    return max(label, 0)  # no score reaches a threshold that overflowed


@inlined
def settle(
    work,  #        INOUT Workspace: `tile` is read, `index` is the labels
    X,  #           IN    (n * d,)
    base,  #              row r of the tile begins at ``X[base + starts[r]]``
    starts,  #      IN    (ROWS,) int32 or int64
    used,  #              rows of the tile
    d,
    packed,  #      IN    Packed
    ahead,  #             where in X the tile after this one begins
):
    """Label the rows of a tile: score, take what the bound proves, recheck the rest.

    Returns a word whose bit r is set where row r was rechecked.
    """
    tile, best, second, index, norms, margin, scratch, point = work
    exact, values, half_norms, _, _, bound = packed
    none = negative_infinity_like(_load_points(best, 0, LANES))
    store_tile(best, 0, LANES, none)
    store_tile(second, 0, LANES, none)
    store_tile(index, 0, LANES, zeros_like(_load_points(index, 0, LANES)))
    score(tile, d, values, half_norms, best, second, index, scratch, X, ahead)
    still_open = open_rows(tile, d, best, second, index, half_norms, bound, norms, margin)
    still_open &= _EVERY_ROW >> np.uint64(ROWS - used)
    rest = still_open
    while rest != 0:
        r = trailing_zeros(rest)
        rest &= rest - np.uint64(1)
        threshold = best[r] - margin[r]
        index[r] = recheck(
            X, base + starts[r], d, exact, exact.size // d, tile, r, values, half_norms, threshold, point
        )
    return still_open


@inlined
def distance_bounds(work, d, still_open, factor, upper, lower):
    """Bounds on each point's distance to the best centroid (from above) and to others (from below), times `factor`.

    ``|x' - c'|^2 = |x'|^2 - 2 score``. The score is off by the margin at most, the computed |x'|^2 by less than
    ``(d + 32) 2**-23`` of it, and the few roundings here by less than another margin. Nothing is claimed of the others
    of an open point. NaN, where float32 overflowed, is never a bound that proves something.
    """
    _, best, second, _, norms, margin, _, _ = work
    slack = np.float32((d + 32) * 2.0**-23)
    zero = splat(np.float32(0))
    for v in range(0, ROWS, LANES):
        norm, twice = load(norms, v), load(margin, v)
        above = fma(
            load(best, v),
            splat(np.float32(-2)),
            fma(norm, splat(np.float32(1) + slack), mul(twice, splat(np.float32(2)))),
        )
        below = sub(
            fma(load(second, v), splat(np.float32(-2)), mul(norm, splat(np.float32(1) - slack))),
            mul(twice, splat(np.float32(2))),
        )
        above = square_root(select(greater(zero, above), zero, above))
        below = square_root(select(greater(below, zero), below, zero))
        store(upper, v, fma(above, splat(factor * UP), splat(TINY)))
        store(lower, v, fma(below, splat(factor * DOWN), splat(-TINY)))
    while still_open != 0:
        r = trailing_zeros(still_open)
        still_open &= still_open - np.uint64(1)
        lower[r] = -1
